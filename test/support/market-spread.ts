/** Market Spread on the test broker, under names of its own: topics, worker processes, generated input, what came out. */
import { mkdtempSync, rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KafkaJSConnectionError, KafkaJSError } from 'kafkajs'
import { afterAll } from 'vitest'
import { recordsOf } from '../../src/cli/demo/event-records.js'
import { IdempotentProducer } from '../../src/kafka/idempotent-producer.js'
import { createKafkaLog } from '../../src/kafka/log.js'
import { compare, rejectionsOf, type Comparison, type Event } from '../../src/market-spread/calculation.js'
import { marketEvents } from '../../src/market-spread/generator.js'
import { roundsOf } from '../../src/market-spread/rounds.js'
import { systemClock } from '../../src/system.js'
import type { Rejection } from '../../topics/rejections.js'
import { testBrokers, uniqueName } from './broker.js'
import { runCli, startCli, type CliProcess } from './cli.js'
import { silentLogger } from './silent-logger.js'
import { createTopics, withAdmin, type TestTopic } from './topics.js'
import { until } from './until.js'

export const APPLICATION = 'dist/market-spread/application.js'

const directories: string[] = []
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'potoroo-test-'))
  directories.push(directory)
  return directory
}

/** A log line of a worker. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string; readonly level: number }

interface Writer {
  send(topic: Event['topic'], events: readonly Event[]): Promise<void>
  close(): Promise<void>
}
type Admin = Parameters<Parameters<typeof withAdmin>[0]>[0]
type Ends = ReadonlyMap<string, readonly { readonly partition: number; readonly high: string }[]>

export interface WorkerHandle extends CliProcess {
  readonly name: string
  readonly stateDir: string
  /** Its log so far, of lines with this message. */
  log(message?: string): LogLine[]
}

export interface BenchOptions {
  /** Default: the test broker. */
  readonly brokers?: string
  /** Of the workers. */
  readonly env?: Readonly<Record<string, string>>
  /** Of the topics, by name. */
  readonly config?: Readonly<Record<string, TestTopic['config']>>
}

export class MarketSpreadBench {
  readonly prefix = `${uniqueName('ms')}-`
  readonly directory = temporaryDirectory()
  readonly sent: Event[] = []
  readonly group = `${this.prefix}market-spread`
  readonly #options: BenchOptions
  readonly #brokers: readonly string[] | undefined
  #writer: Promise<Writer> | undefined

  constructor(options: BenchOptions = {}) {
    this.#options = options
    this.#brokers = options.brokers?.split(',')
  }

  topic(name: string): string {
    return `${this.prefix}${name}`
  }

  async createTopics(partitions = 4): Promise<void> {
    const { config = {} } = this.#options
    await createTopics(
      ['market-data', 'orders', 'rejections'].map((name) => ({
        name: this.topic(name),
        partitions,
        config: config[name] ?? {},
      })),
      this.#brokers,
    )
  }

  worker(name: string, ...flags: readonly string[]): WorkerHandle {
    return this.workerIn(join(this.directory, name), name, ...flags)
  }

  workerIn(stateDir: string, name: string, ...flags: readonly string[]): WorkerHandle {
    const cli = startCli(
      ['run', APPLICATION, '--name', name, '--state-dir', stateDir, '--topic-prefix', this.prefix, ...flags],
      { env: this.#env },
    )
    return {
      ...cli,
      name,
      stateDir,
      log: (message) => {
        const lines = cli.stdout.map((line) => JSON.parse(line) as LogLine)
        return message === undefined ? lines : lines.filter(({ msg }) => msg === message)
      },
    }
  }

  get #env(): Readonly<Record<string, string>> {
    const { brokers, env } = this.#options
    return { ...(brokers === undefined ? {} : { KAFKA_BROKERS: brokers }), ...env }
  }

  /**
   * Sends them so that their order is kept; record timestamps are the events' own. Stops between rounds when told to; no
   * faster than so many events per second.
   */
  async feed(
    events: Iterable<Event>,
    stop: () => boolean = () => false,
    roundEvents = 200,
    eventsPerSecond = Infinity,
  ): Promise<void> {
    const began = performance.now()
    const before = this.sent.length
    for (const { quotes, orders } of roundsOf(events, roundEvents)) {
      for (const part of [quotes, orders]) await this.#send(part)
      if (stop()) return
      const aheadMs = ((this.sent.length - before) / eventsPerSecond) * 1000 - (performance.now() - began)
      if (aheadMs > 0) await delay(aheadMs)
    }
  }

  async #send(events: readonly Event[]): Promise<void> {
    const [first] = events
    if (first === undefined) return
    const writer = await (this.#writer ??= this.#openWriter())
    this.sent.push(...events)
    await writer.send(first.topic, events)
  }

  /** Asks for the topics once: no test changes their partitions while it feeds. */
  async #openWriter(): Promise<Writer> {
    const options = {
      brokers: this.#brokers ?? testBrokers(),
      clientId: 'test-feed',
      logger: silentLogger,
      clock: systemClock,
    }
    const log = createKafkaLog(options)
    await log.connect()
    const names = (['market-data', 'orders'] as const).map((name) => this.topic(name))
    const topics = await log.describeTopics(names).finally(() => log.close())
    // However long a broker is away that a test has stopped.
    const producer = await IdempotentProducer.open({ ...options, connectTimeoutMs: 60_000, deliveryTimeoutMs: 120_000 })
    return {
      send: async (name, events) => {
        const topic = topics.get(this.topic(name))
        if (topic === undefined) throw new Error(`there is no topic ${this.topic(name)}`)
        await producer.sendAll(topic, recordsOf(events, topic.partitions))
      },
      close: () => producer.close(),
    }
  }

  /** Resolves when the group has committed everything that is in the source topics: lag 0. */
  async settled(timeoutMs = 60_000): Promise<void> {
    await withAdmin(
      (admin) =>
        until(
          `${this.group} has worked off its sources`,
          async () => (await this.#behind(admin, await this.#ends(admin))) === 0,
          timeoutMs,
        ),
      this.#brokers,
    )
  }

  /** Resolves when the group has committed, on every partition, what was there when this was called. */
  async caughtUp(timeoutMs = 60_000): Promise<void> {
    await withAdmin(async (admin) => {
      const ends = await this.#ends(admin)
      await until(
        `${this.group} continues with every partition`,
        async () => (await this.#behind(admin, ends)) === 0,
        timeoutMs,
      )
    }, this.#brokers)
  }

  async #ends(admin: Admin): Promise<Ends> {
    const topics = ['market-data', 'orders'].map((name) => this.topic(name))
    const ends = await until('the topics have leaders', () =>
      Promise.all(topics.map(async (topic) => [topic, await admin.fetchTopicOffsets(topic)] as const)).catch(
        unlessPassing,
      ),
    )
    return new Map(ends)
  }

  /** By how many records the group's positions are below these. */
  async #behind(admin: Admin, ends: Ends): Promise<number> {
    let left = 0
    for (const [topic, partitions] of ends) {
      const [committed] =
        (await admin.fetchOffsets({ groupId: this.group, topics: [topic] }).catch(unlessPassing)) ?? []
      for (const { partition, high } of partitions) {
        const position = Number(committed?.partitions.find((p) => p.partition === partition)?.offset ?? 0)
        left += Math.max(0, Number(high) - Math.max(0, position))
      }
    }
    return left
  }

  async rejections(): Promise<Rejection[]> {
    const { code, stdout, stderr } = await runCli(
      ['tail', this.topic('rejections'), '--from-beginning', '--until-end'],
      { env: this.#env },
    )
    if (code !== 0) throw new Error(`tail failed: ${stderr.join('\n')}`)
    return stdout.map((line) => JSON.parse(line) as Rejection)
  }

  /** What came out beside what had to. */
  async compare(): Promise<Comparison> {
    return compare(rejectionsOf(this.sent), await this.rejections())
  }

  async close(): Promise<void> {
    await (await this.#writer)?.close()
  }
}

/** A broker that has just started leads nothing yet, and coordinates no group. */
function unlessPassing(error: unknown): undefined {
  if (!(error instanceof KafkaJSError && (error.retriable || isOfConnection(error)))) throw error
}

const isOfConnection = (error: unknown): boolean =>
  error instanceof KafkaJSConnectionError || (error instanceof KafkaJSError && isOfConnection(error.cause))

/** So many generated events. */
export function* events(count: number, seed: number, symbols = 200): Generator<Event, void> {
  // About now: brokers refuse records from the future, and delete those that are older than the retention time.
  let left = count
  for (const event of marketEvents({ seed, symbols, startMs: Date.now() - 3_600_000 })) {
    if (left-- <= 0) return
    yield event
  }
}
