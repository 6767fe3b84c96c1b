/**
 * `Fetcher` on a simulated cluster. Per broker a request takes all inputs that want something and are not asked for
 * yet; so an input that wants something while a long poll is under way gets a request of its own.
 *
 * Invariants
 * 1. No two requests for one input are under way at a time.
 * 2. All partitions of an answer share `arrived`. They are read one after the other, as a broker does: what is appended
 *    meanwhile may be seen in a later one and not in an earlier one.
 * 3. What was released is spoilt, as where its memory is used again: whoever reads on reads rubbish.
 */
import { PotorooError } from '../errors.js'
import { isBrokerError } from './broker-error.js'
import { Connections, partitionKey } from './network.js'
import { sleep } from './waiting.js'
import type { Brokers } from './brokers.js'
import type { Reply } from './groups.js'
import type { PartitionLog } from './partition.js'
import type { FetchInput, Fetched, Fetcher } from '../ports/log.js'
import type { Clock } from '../ports/clock.js'

export interface MemoryFetcherOptions {
  readonly maxWaitMs?: number
  readonly maxBytes?: number
  readonly maxBytesPerPartition?: number
}

interface Entry {
  readonly input: FetchInput
  /** Asked for right now, or not to be asked for yet. */
  asked: boolean
  missingSinceMs: number | undefined
}

interface Part {
  readonly entry: Entry
  readonly position: number
}
/** `replaced`: there is one of that name, which is not the one that is meant. */
type PartAnswer = Omit<Fetched, 'asked' | 'arrived' | 'release'> | PotorooError | 'missing' | 'replaced'

const FIRST_PAUSE_MS = 50
const MAX_PAUSE_MS = 1_000
/** A topic that was created a moment ago may not be known everywhere yet. */
const MISSING_FOR_MS = 10_000

export class MemoryFetcher implements Fetcher {
  readonly #connections: Connections
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry>()
  readonly #pauseMs = new Map<number, number>()
  #pumping = false

  constructor(
    private readonly cluster: Brokers,
    client: Connections,
    private readonly requestTimeoutMs: number,
    private readonly options: MemoryFetcherOptions,
    private readonly tick: () => number,
  ) {
    this.#connections = new Connections(client.process, client.clientId, client)
    this.#clock = client.process.clock
  }

  add(input: FetchInput): void {
    this.#entries.set(partitionKey(input), { input, asked: false, missingSinceMs: undefined })
    this.wake()
  }

  remove(input: FetchInput): void {
    const key = partitionKey(input)
    if (this.#entries.get(key)?.input === input) this.#entries.delete(key)
  }

  wake(): void {
    if (this.#pumping || this.#connections.closed) return
    this.#pumping = true
    this.#clock.soon(() => {
      this.#pumping = false
      this.#pump()
    })
  }

  async close(): Promise<void> {
    this.#entries.clear()
    this.#connections.close()
    await Promise.resolve()
  }

  #pump(): void {
    if (this.#connections.closed) return
    const byBroker = new Map<number, Part[]>()
    for (const entry of this.#entries.values()) {
      if (entry.asked) continue
      const position = entry.input.wanted()
      if (position === undefined) continue
      entry.asked = true
      const broker = this.cluster.leaderOf(entry.input)
      const parts = byBroker.get(broker)
      if (parts === undefined) byBroker.set(broker, [{ entry, position }])
      else parts.push({ entry, position })
    }
    for (const [broker, parts] of byBroker) void this.#fetch(broker, parts)
  }

  /** Never rejects. */
  async #fetch(broker: number, parts: readonly Part[]): Promise<void> {
    const asked = this.tick()
    const maxWaitMs = parts.some(({ entry }) => entry.input.hurried()) ? 0 : (this.options.maxWaitMs ?? 100)
    const subject = parts.map(({ entry }) => partitionKey(entry.input)).join()
    const target = { broker, api: 'fetch', subject, timeoutMs: this.requestTimeoutMs } as const
    try {
      const answers = await this.cluster.network.send<PartAnswer[]>(this.#connections, target, (reply) => {
        this.#read(parts, maxWaitMs, reply)
      })
      const arrived = this.tick()
      this.#pauseMs.delete(broker)
      for (const [index, { entry }] of parts.entries()) {
        const answer = answers[index]
        if (answer !== undefined) this.#deliver(entry, answer, asked, arrived)
      }
    } catch (error) {
      if (!isBrokerError(error)) throw error
      if (this.#connections.closed) return
      const pauseMs = this.#pauseMs.get(broker) ?? FIRST_PAUSE_MS
      this.#pauseMs.set(broker, Math.min(pauseMs * 2, MAX_PAUSE_MS))
      await sleep(this.#clock, pauseMs)
      for (const { entry } of parts) entry.asked = false
    }
    this.wake()
  }

  #deliver(entry: Entry, answer: PartAnswer, asked: number, arrived: number): void {
    const { input } = entry
    // An input that was removed, and perhaps added again, is not called for what was asked before.
    if (this.#entries.get(partitionKey(input)) !== entry) return
    if (answer === 'missing' || answer === 'replaced') {
      this.#missing(entry, answer)
    } else if (answer instanceof PotorooError) {
      this.#fail(entry, answer)
    } else {
      entry.asked = false
      entry.missingSinceMs = undefined
      input.deliver({ ...lent(answer), asked, arrived })
    }
  }

  /** For a while it may be only that a broker does not know the topic yet. */
  #missing(entry: Entry, answer: 'missing' | 'replaced'): void {
    const { input } = entry
    entry.missingSinceMs ??= this.#clock.monotonic()
    if (this.#clock.monotonic() - entry.missingSinceMs >= MISSING_FOR_MS) {
      const name = partitionKey(input)
      const error =
        answer === 'missing'
          ? new PotorooError('TOPIC_MISSING', `there is no partition ${name}`)
          : new PotorooError('TOPIC_REPLACED', `${name} is of a topic that was deleted and made anew`)
      this.#fail(entry, error)
      return
    }
    this.#clock.after(MAX_PAUSE_MS, () => {
      entry.asked = false
      this.wake()
    })
  }

  #fail({ input }: Entry, error: PotorooError): void {
    this.remove(input)
    input.failed(error)
  }

  /** At the broker: answers as soon as there is something to say, or after `maxWaitMs`. */
  #read(parts: readonly Part[], maxWaitMs: number, reply: Reply<PartAnswer[]>): void {
    const partitions = parts.map(({ entry }) => this.#partition(entry.input))
    const isReady = (): boolean =>
      partitions.some((partition, index) => {
        const position = parts[index]?.position ?? 0
        return (
          typeof partition === 'string' || position < partition.lastStableOffset || position > partition.highWatermark
        )
      })
    const answer = (): void => {
      this.#readFrom(parts, [], this.options.maxBytes ?? 16_777_216, reply)
    }
    if (maxWaitMs === 0 || isReady()) {
      answer()
      return
    }
    const end = (): void => {
      timer.cancel()
      for (const stop of stops) stop()
      answer()
    }
    const timer = this.cluster.scheduler.after(undefined, maxWaitMs, end)
    const stops = partitions.map((partition) =>
      typeof partition === 'string' ? () => undefined : partition.watch(() => isReady() && end()),
    )
  }

  #readFrom(parts: readonly Part[], read: PartAnswer[], leftBytes: number, reply: Reply<PartAnswer[]>): void {
    for (;;) {
      const part = parts[read.length]
      if (part === undefined) {
        reply.answer(read)
        return
      }
      const one = this.#readOne(part.entry.input, part.position, leftBytes)
      if (typeof one === 'object' && 'bytes' in one) leftBytes -= one.bytes
      read.push(one)
      const pauseMs = this.cluster.faults.readMs()
      if (pauseMs === 0) continue
      this.cluster.scheduler.after(undefined, pauseMs, () => {
        this.#readFrom(parts, read, leftBytes, reply)
      })
      return
    }
  }

  #readOne(input: FetchInput, position: number, leftBytes: number): PartAnswer {
    const { topic } = input
    const partition = this.#partition(input)
    if (typeof partition === 'string') return partition
    const { logStart, highWatermark, lastStableOffset } = partition
    if (position < logStart || position > highWatermark) {
      return new PotorooError(
        'OFFSET_OUT_OF_RANGE',
        `${partitionKey(input)} was asked for at ${String(position)}, but holds ${String(logStart)} to ${String(highWatermark)}`,
      )
    }
    const maxBytes = Math.min(this.options.maxBytesPerPartition ?? 1_048_576, leftBytes)
    const read = leftBytes > 0 ? partition.read(position, maxBytes) : { batches: [], nextPosition: position, bytes: 0 }
    return { topic, partition: input.partition, position, highWatermark, lastStableOffset, ...read }
  }

  #partition(input: FetchInput): PartitionLog | 'missing' | 'replaced' {
    try {
      return this.cluster.partition(input)
    } catch (error) {
      if (isBrokerError(error)) return error.code === 'UNKNOWN_TOPIC_ID' ? 'replaced' : 'missing'
      throw error
    }
  }
}

const SPOILT = 0xa5

/** With memory of its own, which is spoilt once it is released. */
function lent(answer: Omit<Fetched, 'asked' | 'arrived' | 'release'>): Omit<Fetched, 'asked' | 'arrived'> {
  const batches = answer.batches.map((batch) => ({ ...batch, bytes: Buffer.from(batch.bytes) }))
  return {
    ...answer,
    batches,
    release: () => {
      for (const { bytes } of batches) bytes.fill(SPOILT)
    },
  }
}
