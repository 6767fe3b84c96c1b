/**
 * An example (examples/) with worker processes on a broker, under names of its own: topics, input, what came out, and what
 * its state objects are.
 */
import { join } from 'node:path'
import type { StateDefinition } from '../../src/api/definition.js'
import { isCommitKey } from '../../src/core/commit/commit-record.js'
import { partitionOf } from '../../src/core/plan/partitioner.js'
import { namesOf } from '../../src/core/plan/topology.js'
import { unpackRange } from '../../src/core/state/packing.js'
import { IdempotentProducer } from '../../src/kafka/idempotent-producer.js'
import { createKafkaLog } from '../../src/kafka/log.js'
import { systemClock } from '../../src/system.js'
import { testBrokers, uniqueName } from './broker.js'
import { changelogRecords } from './changelogs.js'
import { runCli, startCli, type CliProcess } from './cli.js'
import { readCommitted } from './read-committed.js'
import { silentLogger } from './silent-logger.js'
import { temporaryFolder } from './temporary.js'

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string; readonly level: number }
export interface ExampleWorker extends CliProcess {
  /** Its log so far, of lines with this message. */
  log(message?: string): LogLine[]
}

export interface ExampleOptions {
  /** Default: the test broker. */
  readonly brokers?: string
  /** Of topics that are created; default: the broker's. */
  readonly replicationFactor?: number
  /** Where it is; default: the example of that name. */
  readonly module?: string
  /** Of its workers, beside that of the test. */
  readonly env?: Readonly<Record<string, string>>
}

export class ExampleBench {
  readonly prefix = `${uniqueName('example')}-`
  readonly names
  readonly #module: string
  readonly #directory = temporaryFolder()
  readonly #brokers: readonly string[]
  readonly #flags: readonly string[]
  readonly #env: Readonly<Record<string, string>>

  /** `name`: of the example's folder, and of its application. */
  constructor(name: string, { brokers, replicationFactor, module, env = {} }: ExampleOptions = {}) {
    this.#module = module ?? `dist/examples/${name}/application.js`
    this.names = namesOf(this.prefix, name)
    this.#env = env
    this.#brokers = brokers?.split(',') ?? testBrokers()
    this.#flags = replicationFactor === undefined ? [] : ['--replication-factor', String(replicationFactor)]
  }

  get brokers(): readonly string[] {
    return this.#brokers
  }

  async createTopics(): Promise<void> {
    await this.command('topics', ...this.#flags)
  }

  /** Runs a command of the command line on the application. Rejects unless it ends with that code. */
  async command(name: string, ...flags: readonly string[]) {
    return this.#run(name, 0, flags)
  }
  async refused(code: number, name: string, ...flags: readonly string[]) {
    return this.#run(name, code, flags)
  }
  async #run(name: string, code: number, flags: readonly string[]) {
    const args = [name, this.#module, '--topic-prefix', this.prefix, '--brokers', this.#brokers.join(), ...flags]
    const ended = await runCli(args)
    if (ended.code !== code)
      throw new Error(`potoroo ${args.join(' ')} ended with ${String(ended.code)}: ${ended.stderr.join('\n')}`)
    return { stdout: ended.stdout, stderr: ended.stderr }
  }

  stateDir(worker: string): string {
    return join(this.#directory, worker)
  }

  worker(name: string, ...flags: readonly string[]): ExampleWorker {
    const own = ['--name', name, '--state-dir', this.stateDir(name), '--topic-prefix', this.prefix]
    const cli = startCli(['run', this.#module, '--brokers', this.#brokers.join(), ...own, ...this.#flags, ...flags], {
      env: this.#env,
    })
    return {
      ...cli,
      log: (message) => {
        const lines = cli.stdout.map((line) => JSON.parse(line) as LogLine)
        return message === undefined ? lines : lines.filter(({ msg }) => msg === message)
      },
    }
  }

  /** In their order, a message's partition by its key; without keys in turn. Waits as long as a broker may be away. */
  async send(topic: string, messages: readonly object[], keyOf?: (message: never) => string): Promise<void> {
    await this.#produce(
      topic,
      messages.map((message) => ({ key: keyOf?.(message as never), value: JSON.stringify(message) })),
    )
  }

  /** Records without values. */
  async remove(topic: string, keys: readonly string[]): Promise<void> {
    await this.#produce(
      topic,
      keys.map((key) => ({ key, value: null })),
    )
  }

  async #produce(
    topic: string,
    pairs: readonly { readonly key: string | undefined; readonly value: string | null }[],
  ): Promise<void> {
    const options = { brokers: this.#brokers, clientId: 'test-feed', logger: silentLogger, clock: systemClock }
    const log = createKafkaLog(options)
    await log.connect()
    const name = this.names.topic(topic)
    const info = (await log.describeTopics([name]).finally(() => log.close())).get(name)
    if (info === undefined) throw new Error(`there is no topic ${name}`)
    const producer = await IdempotentProducer.open({ ...options, deliveryTimeoutMs: 120_000 })
    try {
      const records = pairs.map(({ key: text, value }, i) => {
        const key = text === undefined ? null : Buffer.from(text)
        const partition = key === null ? i % info.partitions : partitionOf('murmur2', key, info.partitions)
        return { partition, key, value }
      })
      await producer.sendAll(info, records)
    } finally {
      await producer.close()
    }
  }

  /** Resolves with so many messages of a topic, as a read-committed reader sees them; fails when more are there. */
  async read<T>(topic: string, count: number, timeoutMs?: number): Promise<T[]> {
    const options = { brokers: this.#brokers, ...(timeoutMs === undefined ? {} : { timeoutMs }) }
    const records = await readCommitted(this.names.topic(topic), count, options)
    return records.map(({ value }) => JSON.parse(value ?? '') as T)
  }

  /** State objects as the changelog of a sub-topology has them, by key. */
  async states<T extends object>(subTopology: string, definition: StateDefinition): Promise<ReadonlyMap<string, T>> {
    const states = new Map<string, T>()
    const prefix = `${definition.name}\0`
    for (const { key, value } of await changelogRecords(this.names.changelog(subTopology), this.#brokers)) {
      const name = key.toString()
      if (isCommitKey(key, 0, key.length) || !name.startsWith(prefix)) continue
      const of = name.slice(prefix.length)
      if (value === undefined) states.delete(of)
      else states.set(of, unpackRange(definition, value, 0, value.length, of) as T)
    }
    return states
  }
}
