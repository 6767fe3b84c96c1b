/** The ledger (test/fixtures/ledger.mjs) on the test broker: commands in, balances and dead letters out. */
import { join } from 'node:path'
import type { Message } from 'kafkajs'
import { uniqueName } from './broker.js'
import { startCli, type CliOptions, type CliProcess } from './cli.js'
import { readCommitted, type ReadMessage } from './read-committed.js'
import { createTopics, produce, type TestTopic } from './topics.js'
import { temporaryDirectory } from './market-spread.js'

export const LEDGER = 'test/fixtures/ledger.mjs'

export class LedgerBench {
  readonly prefix = `${uniqueName('ledger')}-`
  readonly group = `${this.prefix}ledger`
  readonly directory = temporaryDirectory()

  topic(name: string): string {
    return `${this.prefix}${name}`
  }

  /** One partition each, so that what comes out has one order. */
  async createTopics(config: Readonly<Record<string, TestTopic['config']>> = {}, partitions = 1): Promise<void> {
    await createTopics(
      ['commands', 'balances'].map((name) => ({ name: this.topic(name), partitions, config: config[name] ?? {} })),
    )
  }

  worker(name = 'w1', ...flags: readonly string[]): CliProcess {
    return this.workerWith({}, name, ...flags)
  }

  workerWith(options: CliOptions, name: string, ...flags: readonly string[]): CliProcess {
    return this.workerOf(LEDGER, options, name, ...flags)
  }

  /** Of another version of the application, on the same state directory. */
  workerOf(application: string, options: CliOptions = {}, name = 'w1', ...flags: readonly string[]): CliProcess {
    const stateDir = join(this.directory, name)
    const args = ['run', application, '--name', name, '--state-dir', stateDir, '--topic-prefix', this.prefix, ...flags]
    return startCli(args, options)
  }

  async send(...commands: (object | Message)[]): Promise<void> {
    await produce(
      this.topic('commands'),
      commands.map((command) =>
        'value' in command ? command : { key: 'a', value: JSON.stringify({ account: 'a', ...command }) },
      ),
    )
  }

  /** Resolves with so many records of a topic, as a read-committed reader sees them; fails when more are there. */
  read(name: string, count: number): Promise<ReadMessage[]> {
    return readCommitted(this.topic(name), count)
  }

  async balances(count: number): Promise<number[]> {
    const messages = await this.read('balances', count)
    return messages.map(({ value }) => (JSON.parse(value ?? '') as { balance: number }).balance)
  }
}
