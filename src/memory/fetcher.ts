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
import { ElectionProof } from '../core/processing/election-proof.js'
import { BrokerError, isBrokerError } from './broker-error.js'
import { Connections, partitionKey } from './network.js'
import { sleep } from './waiting.js'
import type { Brokers } from './brokers.js'
import type { LeaderCache } from './leader-cache.js'
import type { ServedLog } from './leaders.js'
import type { Reply } from './groups.js'
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
  /** Since when its position is said to be behind the log's end. */
  beyondSinceMs: number | undefined
  readonly proof: ElectionProof
}

interface Part {
  readonly entry: Entry
  readonly position: number
  /** Of the leader, as far as is known. */
  readonly epoch: number
  readonly isProof: boolean
}
type PartAnswer = Omit<Fetched, 'asked' | 'arrived' | 'release'> | BeyondEnd | PotorooError | BrokerError
/** The position is behind the log's end, or the leader was replaced and does not know it. */
interface BeyondEnd {
  readonly beyond: string
}

const FIRST_PAUSE_MS = 50
const MAX_PAUSE_MS = 1_000
/** A topic that was created a moment ago may not be known everywhere yet. */
const MISSING_FOR_MS = 10_000
/** For how long another leader is looked for that has a position. */
const BEYOND_FOR_MS = 5_000

export class MemoryFetcher implements Fetcher {
  readonly #connections: Connections
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry>()
  readonly #pauseMs = new Map<number, number>()
  #pumping = false

  constructor(
    private readonly cluster: Brokers,
    client: Connections,
    private readonly leaders: LeaderCache,
    private readonly requestTimeoutMs: number,
    private readonly options: MemoryFetcherOptions,
    private readonly tick: () => number,
  ) {
    this.#connections = new Connections(client.process, client.clientId, client)
    this.#clock = client.process.clock
  }

  add(input: FetchInput): void {
    this.#entries.set(partitionKey(input), {
      input,
      asked: false,
      missingSinceMs: undefined,
      beyondSinceMs: undefined,
      proof: new ElectionProof(),
    })
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
      let leader
      try {
        leader = this.leaders.of(entry.input)
      } catch {
        this.#later(entry, FIRST_PAUSE_MS)
        continue
      }
      const { epoch } = leader
      if (entry.input.hurried() && entry.proof.begin(epoch)) void this.#askForEnd(entry, epoch)
      const part = { entry, position, epoch, isProof: entry.proof.holds(epoch) }
      const parts = byBroker.get(leader.leader)
      if (parts === undefined) byBroker.set(leader.leader, [part])
      else parts.push(part)
    }
    for (const [broker, parts] of byBroker) void this.#fetch(broker, parts)
  }

  /** Never rejects. */
  async #fetch(broker: number, parts: readonly Part[]): Promise<void> {
    const asked = this.tick()
    // Who waits for a proof is not helped by an answer that is none.
    const isHurried = parts.some(({ entry, isProof }) => isProof && entry.input.hurried())
    const maxWaitMs = isHurried ? 0 : (this.options.maxWaitMs ?? 100)
    const subject = parts.map(({ entry }) => partitionKey(entry.input)).join()
    const target = { broker, api: 'fetch', subject, timeoutMs: this.requestTimeoutMs } as const
    try {
      const answers = await this.cluster.network.send<PartAnswer[]>(this.#connections, target, (reply) => {
        this.#read(broker, parts, maxWaitMs, reply)
      })
      const arrived = this.tick()
      this.#pauseMs.delete(broker)
      for (const [index, part] of parts.entries()) {
        const answer = answers[index]
        if (answer !== undefined) this.#deliver(part, answer, asked, arrived)
      }
    } catch (error) {
      if (!isBrokerError(error)) throw error
      if (this.#connections.closed) return
      const pauseMs = this.#pauseMs.get(broker) ?? FIRST_PAUSE_MS
      this.#pauseMs.set(broker, Math.min(pauseMs * 2, MAX_PAUSE_MS))
      await sleep(this.#clock, pauseMs)
      for (const { entry } of parts) {
        this.leaders.noteFailure(entry.input, error)
        entry.asked = false
      }
    }
    this.wake()
  }

  #deliver({ entry, isProof }: Part, answer: PartAnswer, asked: number, arrived: number): void {
    const { input } = entry
    // An input that was removed, and perhaps added again, is not called for what was asked before.
    if (this.#entries.get(partitionKey(input)) !== entry) return
    if (answer instanceof BrokerError) {
      this.leaders.noteFailure(input, answer)
      if (isBrokerError(answer, 'UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID')) this.#missing(entry, answer)
      else this.#later(entry, FIRST_PAUSE_MS)
    } else if (answer instanceof PotorooError) {
      this.#fail(entry, answer)
    } else if ('beyond' in answer) {
      this.#beyond(entry, answer)
    } else {
      entry.asked = false
      entry.missingSinceMs = entry.beyondSinceMs = undefined
      input.deliver({ ...lent(answer), asked, arrived, mayLag: !isProof })
    }
  }

  #later(entry: Entry, ms: number): void {
    this.#clock.after(ms, () => {
      entry.asked = false
      this.wake()
    })
  }

  /** Never rejects. */
  async #askForEnd({ input, proof }: Entry, epoch: number): Promise<void> {
    const subject = partitionKey(input)
    try {
      const broker = this.leaders.of(input).leader
      const target = { broker, api: 'listOffsets', subject, timeoutMs: this.requestTimeoutMs } as const
      await this.cluster.network.call(this.#connections, target, () => this.cluster.listedEnd(broker, input, epoch))
      proof.answered(epoch)
    } catch (error) {
      if (!isBrokerError(error)) throw error
      this.leaders.noteFailure(input, error)
      await sleep(this.#clock, FIRST_PAUSE_MS)
      proof.failed()
    }
    this.wake()
  }

  #beyond(entry: Entry, { beyond }: BeyondEnd): void {
    entry.beyondSinceMs ??= this.#clock.monotonic()
    if (this.#clock.monotonic() - entry.beyondSinceMs >= BEYOND_FOR_MS) {
      this.#fail(entry, new PotorooError('OFFSET_OUT_OF_RANGE', beyond))
      return
    }
    this.leaders.forget(entry.input)
    this.#later(entry, FIRST_PAUSE_MS)
  }

  /** For a while it may be only that a broker does not know the topic yet. */
  #missing(entry: Entry, answer: BrokerError): void {
    const { input } = entry
    entry.missingSinceMs ??= this.#clock.monotonic()
    if (this.#clock.monotonic() - entry.missingSinceMs >= MISSING_FOR_MS) {
      const name = partitionKey(input)
      const error =
        answer.code === 'UNKNOWN_TOPIC_ID'
          ? new PotorooError('TOPIC_REPLACED', `${name} is of a topic that was deleted and recreated`)
          : new PotorooError('TOPIC_MISSING', `there is no partition ${name}`)
      this.#fail(entry, error)
      return
    }
    this.#later(entry, MAX_PAUSE_MS)
  }

  #fail({ input }: Entry, error: PotorooError): void {
    this.remove(input)
    input.failed(error)
  }

  /** At the broker: answers as soon as there is something to say, or after `maxWaitMs`. */
  #read(broker: number, parts: readonly Part[], maxWaitMs: number, reply: Reply<PartAnswer[]>): void {
    const partitions = parts.map((part) => this.#served(broker, part))
    const isReady = (): boolean =>
      partitions.some((partition, index) => {
        const position = parts[index]?.position ?? 0
        return partition instanceof BrokerError || position < partition.lastStableOffset || position > partition.logEnd
      })
    const answer = (): void => {
      this.#readFrom(broker, parts, [], this.options.maxBytes ?? 16_777_216, reply)
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
      partition instanceof BrokerError ? () => undefined : partition.watch(() => isReady() && end()),
    )
  }

  #readFrom(
    broker: number,
    parts: readonly Part[],
    read: PartAnswer[],
    leftBytes: number,
    reply: Reply<PartAnswer[]>,
  ): void {
    for (;;) {
      const part = parts[read.length]
      if (part === undefined) {
        reply.answer(read)
        return
      }
      const one = this.#readOne(broker, part, leftBytes)
      if (typeof one === 'object' && 'bytes' in one) leftBytes -= one.bytes
      read.push(one)
      const pauseMs = this.cluster.faults.readMs()
      if (pauseMs === 0) continue
      this.cluster.scheduler.after(undefined, pauseMs, () => {
        this.#readFrom(broker, parts, read, leftBytes, reply)
      })
      return
    }
  }

  #readOne(broker: number, part: Part, leftBytes: number): PartAnswer {
    const { position, entry } = part
    const { topic, partition } = entry.input
    const log = this.#served(broker, part)
    if (log instanceof BrokerError) return log
    const { logStart, logEnd, highWatermark, lastStableOffset } = log
    const held = `${partitionKey(entry.input)} was asked for at ${String(position)}, but holds ${String(logStart)} to ${String(logEnd)}`
    if (position < logStart) return new PotorooError('OFFSET_OUT_OF_RANGE', held)
    if (position > logEnd) return { beyond: held }
    const maxBytes = Math.min(this.options.maxBytesPerPartition ?? 1_048_576, leftBytes)
    const read = leftBytes > 0 ? log.read(position, maxBytes) : { batches: [], nextPosition: position, bytes: 0 }
    return { topic, partition, position, highWatermark, lastStableOffset, ...read }
  }

  #served(broker: number, { entry, epoch }: Part): ServedLog | BrokerError {
    try {
      return this.cluster.served(broker, entry.input, epoch)
    } catch (error) {
      if (error instanceof BrokerError) return error
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
