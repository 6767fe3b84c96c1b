/**
 * Fetches from one broker, on two connections.
 *
 * The poll asks for every input that wants something, and lingers at the broker while there is nothing new. As soon as
 * its answer is handed over the next is sent, so that a fetch is under way while its predecessor's records are worked on.
 *
 * The express exists because a fetch that lingers can't be called back: an input that is added or woken meanwhile would
 * wait for `maxWaitMs`, and a shorter wait would cost idle workers a request every few ms. It never lingers, is sent only
 * when something woke up, and takes only inputs that the poll under way doesn't hold, or that somebody waits for. What it
 * found empty goes with the next poll, so that all inputs soon share requests again.
 *
 * Invariants:
 * 1. An input is in at most one poll, and in at most one express.
 * 2. It is in both only while it is hurried and the poll lingers; what comes second is for a position that is past, which
 *    the input drops.
 * 3. An input that rests waits for a poll that is under way: one that breaks leaves none resting.
 * 4. Inputs that gave records go to the end of the line: the broker fills its answer in the order asked, and returns a
 *    batch larger than its bounds only for the first partition that has any.
 */
import { PotorooError } from '../errors.js'
import type { ElectionProof } from '../core/processing/election-proof.js'
import type { Timer } from '../ports/clock.js'
import type { Fetched, FetchInput } from '../ports/log.js'
import { nameOf } from './admin.js'
import type { Backoff } from './backoff.js'
import type { Cluster } from './cluster.js'
import { BrokerError } from './errors.js'
import { fetchByIdOrName } from './fetch-by-id-request.js'
import type { FetchAnswer, PartitionAnswer } from './fetch-request.js'
import { readBatches } from './record-batch.js'
import { byTopic } from './requests.js'

/** An input with what its reading needs. */
export interface Place {
  readonly input: FetchInput
  readonly backoff: Backoff
  /** When its leader was last looked for: an answer says how it was then, however late it comes. */
  soughtMs: number
  /** Since when its topic is said to be unknown. */
  unknownSince: number | undefined
  /** Answers in a row that nobody expects. */
  unexpected?: number
  /** How many requests under way hold it. */
  flying: number
  /** The express found it empty: it waits for the next poll, or to be woken. */
  rested: boolean
  removed: boolean
  /** The leader's, as of when the reader took it; undefined where brokers don't count elections. */
  leaderEpoch: number | undefined
  /** Since when its position is said to be behind the log's end. */
  beyondSince: number | undefined
  /** Whether empty answers prove anything. */
  readonly proof: ElectionProof
  /** It came to what can't be read, and fails soon. */
  failing: Timer | undefined
}

export interface ReaderHost {
  readonly cluster: Cluster
  readonly closed: boolean
  readonly tick: () => number
  lane(which: 'poll' | 'express'): string
  wake(): void
  lost(nodeId: number, places: readonly Place[], error: unknown): void
  answered(nodeId: number): void
  refused(place: Place, position: number, answer: PartitionAnswer): void
  unreadable(place: Place, error: Error): void
  /** Another election than the one by which this broker leads is known. */
  elected(place: Place): void
  /** Somebody waits for what a leader can't prove yet: it is to be asked for its log's end. */
  unproven(place: Place): void
}

interface Asked {
  readonly place: Place
  readonly position: number
  /** Somebody waits for the answer, even an empty one, and it is proof. */
  readonly isHurried: boolean
  readonly isProof: boolean
}

export class NodeReader {
  /** In the order in which they are asked for. */
  readonly #places = new Set<Place>()
  #polling: Promise<void> | undefined
  #expressing: Promise<void> | undefined
  /** Whether the poll under way lingers at the broker; undefined: none is under way. */
  #lingers: boolean | undefined
  #wokenMeanwhile = false

  constructor(
    private readonly host: ReaderHost,
    private readonly nodeId: number,
  ) {}

  take(place: Place): void {
    if (this.#places.has(place)) return
    this.#places.add(place)
    this.wake()
  }

  drop(place: Place): void {
    this.#places.delete(place)
  }

  wake(): void {
    if (this.host.closed) return
    for (const place of this.#places) place.rested = false
    if (this.#polling === undefined) {
      this.#startPoll()
    } else if (this.#expressing === undefined) {
      this.#expressing = this.#express().finally(() => {
        this.#expressing = undefined
        // The poll may have ended because the express held what was left.
        if (this.#polling === undefined && !this.host.closed) this.#startPoll()
      })
    } else {
      this.#wokenMeanwhile = true
    }
  }

  #startPoll(): void {
    this.#polling = this.#poll().finally(() => {
      this.#polling = undefined
    })
  }

  async close(): Promise<void> {
    this.#places.clear()
    await Promise.all([this.#polling, this.#expressing])
  }

  /** Runs until nothing is wanted. */
  async #poll(): Promise<void> {
    // Inputs are mostly added several at a time.
    await Promise.resolve()
    for (;;) {
      const asked = this.#choose((place) => place.flying === 0)
      if (asked.length === 0) return
      const hurried = asked.some(({ isHurried }) => isHurried)
      this.#lingers = !hurried
      const there = await this.#fetch('poll', asked, hurried ? 0 : this.host.cluster.settings.fetch.maxWaitMs)
      this.#lingers = undefined
      if (!there) {
        // What the express found empty rests until the next poll, which nobody else would send.
        if ([...this.#places].some(({ rested }) => rested)) this.wake()
        return
      }
      for (const { place } of asked) place.rested = false
    }
  }

  async #express(): Promise<void> {
    await Promise.resolve()
    for (;;) {
      this.#wokenMeanwhile = false
      const asked = this.#choose(
        (place) =>
          !place.rested &&
          (place.flying === 0 || (place.flying === 1 && this.#lingers === true && this.#isHurried(place))),
      )
      if (asked.length > 0 && !(await this.#fetch('express', asked, 0))) return
      if (asked.length === 0 && !this.wokenMeanwhile()) return
    }
  }

  // A method, as the compiler takes a field that was just set for unchanged.
  private wokenMeanwhile(): boolean {
    return this.#wokenMeanwhile
  }

  #choose(may: (place: Place) => boolean): Asked[] {
    if (this.host.closed) return []
    const asked: Asked[] = []
    for (const place of this.#places) {
      if (!may(place)) continue
      const position = place.input.wanted()
      if (position === undefined) continue
      if ((this.host.cluster.epochOf(place.input) ?? place.leaderEpoch) !== place.leaderEpoch) {
        this.host.elected(place)
        continue
      }
      const isProof = place.proof.holds(place.leaderEpoch)
      const isAwaited = place.input.hurried()
      if (isAwaited && !isProof) this.host.unproven(place)
      asked.push({ place, position, isProof, isHurried: isAwaited && isProof })
    }
    return asked
  }

  /** Who waits for a proof is not helped by an answer that is none. */
  #isHurried({ input, proof, leaderEpoch }: Place): boolean {
    return input.hurried() && proof.holds(leaderEpoch)
  }

  /** Resolves with whether it makes sense to go on here. */
  async #fetch(which: 'poll' | 'express', asked: readonly Asked[], maxWaitMs: number): Promise<boolean> {
    const { cluster, tick } = this.host
    const { maxBytes, maxBytesPerPartition } = cluster.settings.fetch
    const topics = byTopic(
      asked.map(({ place: { input, leaderEpoch }, position }) => {
        const { topic, partition } = input
        return { topic, partition, position, leaderEpoch }
      }),
      ({ partition, position, leaderEpoch }) => ({ partition, position, leaderEpoch }),
    )
    for (const { place } of asked) place.flying += 1
    const sent = tick()
    try {
      const request = fetchByIdOrName({
        maxWaitMs,
        maxBytes,
        maxBytesPerPartition,
        topics,
        topicIds: topicIdsOf(asked),
      })
      const timeoutMs = maxWaitMs + cluster.settings.requestTimeoutMs
      const answer = await cluster.call(this.host.lane(which), this.nodeId, request, timeoutMs)
      if (answer.errorCode !== 0) throw new BrokerError(answer.errorCode, 'fetch', 'Fetch')
      this.host.answered(this.nodeId)
      this.#handOut(asked, answer, sent, tick())
      return true
    } catch (error) {
      const mine = asked.map(({ place }) => place).filter((place) => this.#places.has(place))
      this.host.lost(this.nodeId, mine, error)
      return false
    } finally {
      for (const { place } of asked) place.flying -= 1
      // Another reader took some of them meanwhile, and passed them over because they were under way here.
      if (asked.some(({ place }) => !place.removed && !this.#places.has(place))) this.host.wake()
    }
  }

  #handOut(asked: readonly Asked[], { bytes, partitions }: FetchAnswer, sent: number, arrived: number): void {
    const wanted = new Map(asked.map((one) => [nameOf(one.place.input), one]))
    const hold = holdOf(() => {
      this.host.cluster.answerMemory.giveBack(bytes)
    })
    const release = hold()
    for (const answer of partitions) {
      const one = wanted.get(nameOf(answer))
      if (!one || one.place.removed) continue
      if (answer.errorCode === 0) this.#deliver(one, answer, { asked: sent, arrived, release: hold() })
      else this.host.refused(one.place, one.position, answer)
    }
    release()
  }

  #deliver(
    { place, position, isProof }: Asked,
    answer: PartitionAnswer,
    common: Pick<Fetched, 'asked' | 'arrived' | 'release'>,
  ): void {
    const { input } = place
    place.backoff.reset()
    place.unknownSince = place.beyondSince = undefined
    place.unexpected = 0
    try {
      const { batches, nextPosition, bytes } = readBatches(answer.records, position, answer.abortedTransactions)
      place.rested = answer.records.length === 0
      if (!place.rested) this.#toTheEnd(place)
      const { topic, partition, highWatermark, lastStableOffset } = answer
      const { asked, arrived, release } = common
      // Put together from parts (`...`), it would cost more than all the rest of this method.
      input.deliver({
        topic,
        partition,
        position,
        nextPosition,
        highWatermark,
        lastStableOffset,
        batches,
        bytes,
        asked,
        arrived,
        mayLag: !isProof,
        release,
      })
    } catch (error) {
      this.host.unreadable(place, error instanceof PotorooError ? withPlace(error, answer) : toError(error))
    }
  }

  #toTheEnd(place: Place): void {
    if (this.#places.delete(place)) this.#places.add(place)
  }
}

/** Without those of topics of which different ones are meant: these are asked for by name. */
function topicIdsOf(asked: readonly Asked[]): ReadonlyMap<string, string | undefined> {
  const ids = new Map<string, string | undefined>()
  for (const { place } of asked) {
    const { topic, topicId } = place.input
    ids.set(topic, ids.has(topic) && ids.get(topic) !== topicId ? undefined : topicId)
  }
  return ids
}

/** Gives out releases, each good for once; when all were called, `done` is. */
function holdOf(done: () => void): () => () => void {
  let holds = 0
  return () => {
    let isHeld = true
    holds++
    return () => {
      if (isHeld && --holds === 0) done()
      isHeld = false
    }
  }
}

const withPlace = (error: PotorooError, answer: PartitionAnswer): PotorooError =>
  error.message.includes(nameOf(answer))
    ? error
    : new PotorooError(error.code, `${nameOf(answer)}: ${error.message}`, { cause: error })

const toError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))
