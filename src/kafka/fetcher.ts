/**
 * Reads partitions, read-committed. One reader per broker (`node-reader.ts`) fetches from the partitions that it leads;
 * here stands which reader an input belongs to, and what happens to inputs whose leader is unknown, moved or unreachable.
 *
 * An input is in one of two places: with the reader of its leader, or among the seekers, which wait (50 ms, growing to
 * 1 s) and then ask the cluster who leads. Every failure of an input or of a connection makes its inputs seekers.
 */
import { isPotorooError, messageOf, PotorooError } from '../errors.js'
import type { Fetcher, FetchInput } from '../ports/log.js'
import { ElectionProof } from '../core/processing/election-proof.js'
import { listOffsets, nameOf } from './admin.js'
import { Backoff } from './backoff.js'
import { type Cluster, reasonOf } from './cluster.js'
import { MAX_UNEXPECTED_ANSWERS } from './error-table.js'
import { BrokerError, codes, LinkError, toPotorooError } from './errors.js'
import type { PartitionAnswer } from './fetch-request.js'
import { NodeReader, type Place, type ReaderHost } from './node-reader.js'

/** For how long a topic may be unknown before its inputs fail: metadata lags, and a broker that starts knows nothing yet. */
const UNKNOWN_TOPIC_MS = 10_000
/**
 * An input that comes to a batch which can't be read fails so much later: a task that fails drops what it has not committed,
 * and what lies in front of the batch must be committed for anybody to skip that batch alone.
 */
const UNREADABLE_MS = 1_000
const unknownTopic: ReadonlySet<number> = new Set([
  codes.UNKNOWN_TOPIC_OR_PARTITION,
  codes.UNKNOWN_TOPIC_ID,
  codes.INCONSISTENT_TOPIC_ID,
])
const FIRST_PAUSE_MS = 50
const MAX_PAUSE_MS = 1_000
/**
 * For how long another leader is looked for that has a position, which is said to be behind the log's end: one that was
 * replaced and has not noticed lacks what its successor took.
 */
const BEYOND_MS = 5_000

export class KafkaFetcher implements Fetcher, ReaderHost {
  readonly #places = new Map<FetchInput, Place>()
  readonly #readers = new Map<number, NodeReader>()
  /** With when each asks. */
  readonly #seekers = new Map<Place, number>()
  #seeking = false
  #wakeSeek: (() => void) | undefined
  #wakePending = false
  #closed = false

  constructor(
    readonly cluster: Cluster,
    /** Its connections have names of their own, so that closing one fetcher leaves the others' alone. */
    private readonly id: number,
    readonly tick: () => number,
    private readonly onClosed: (fetcher: KafkaFetcher) => void,
  ) {}

  add(input: FetchInput): void {
    if (this.#closed) throw new PotorooError('INTERNAL', `input ${nameOf(input)} was added to a closed fetcher`)
    if (this.#places.has(input)) return
    const place: Place = {
      input,
      backoff: new Backoff(FIRST_PAUSE_MS, MAX_PAUSE_MS),
      soughtMs: this.cluster.now(),
      unknownSince: undefined,
      flying: 0,
      rested: false,
      leaderEpoch: undefined,
      beyondSince: undefined,
      proof: new ElectionProof(),
      removed: false,
      failing: undefined,
    }
    this.#places.set(input, place)
    const leader = this.cluster.leaderOf(input)
    if (leader === undefined) this.#seek(place, 0)
    else this.#give(place, leader)
  }

  remove(input: FetchInput): void {
    const place = this.#places.get(input)
    if (!place) return
    place.removed = true
    place.failing?.cancel()
    this.#places.delete(input)
    this.#seekers.delete(place)
    this.#detach(place)
  }

  /** Cheap, however often it is called: readers look once per turn. */
  wake(): void {
    if (this.#wakePending || this.#closed) return
    this.#wakePending = true
    queueMicrotask(() => {
      this.#wakePending = false
      for (const reader of this.#readers.values()) reader.wake()
    })
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const place of this.#places.values()) {
      place.removed = true
      place.failing?.cancel()
    }
    this.#places.clear()
    this.#seekers.clear()
    this.#wakeSeek?.()
    this.cluster.closeLanes(...this.#lanes())
    await Promise.all([...this.#readers.values()].map((reader) => reader.close()))
    this.onClosed(this)
  }

  // what readers ask of it

  get closed(): boolean {
    return this.#closed || this.cluster.closed
  }

  lane(which: 'poll' | 'express'): string {
    return `fetch-${which}-${String(this.id)}`
  }

  /** The connection to a broker broke, or could not be made: its inputs look for their leaders. */
  lost(nodeId: number, places: readonly Place[], error: unknown): void {
    if (this.closed) return
    if (!(error instanceof LinkError || isPotorooError(error))) {
      for (const place of places) this.#unavailable(place, error)
      return
    }
    const address = this.cluster.addressOf(nodeId)
    if (address !== undefined) this.cluster.gone.gone(address, reasonOf(error))
    for (const place of places) {
      // While nobody answers, nobody says that it is missing, or shorter.
      place.unknownSince = place.beyondSince = undefined
      this.cluster.forgetTopic(place.input.topic)
      this.#seek(place, place.backoff.next())
    }
  }

  answered(nodeId: number): void {
    const { gone } = this.cluster
    if (gone.some) gone.answered(this.cluster.addressOf(nodeId))
  }

  /** The broker refused one partition; the others of the same answer are not touched by it. */
  refused(place: Place, position: number, answer: PartitionAnswer): void {
    const { input } = place
    const name = nameOf(input)
    switch (answer.errorCode) {
      case codes.OFFSET_OUT_OF_RANGE:
        this.#detach(place)
        void this.#outOfRange(place, position)
        return
      case codes.CORRUPT_MESSAGE:
        this.unreadable(
          place,
          new PotorooError('CORRUPT_BATCH', `${name} at ${String(position)}: damaged at the broker`),
        )
        return
      default:
        this.#unavailable(place, new BrokerError(answer.errorCode, 'fetch', 'Fetch'))
    }
  }

  /** Takes the input out of the readers, and fails it some time later. */
  unreadable(place: Place, error: Error): void {
    if (place.removed || place.failing !== undefined) return
    this.#detach(place)
    place.failing = this.cluster.settings.clock.after(UNREADABLE_MS, () => {
      this.fail(place, error)
    })
  }

  /** Takes the input out, and tells it. */
  fail(place: Place, error: Error): void {
    if (place.removed) return
    this.remove(place.input)
    place.input.failed(error)
  }

  // --

  #lanes(): string[] {
    return [this.lane('poll'), this.lane('express')]
  }

  #give(place: Place, leader: number): void {
    place.leaderEpoch = this.cluster.epochOf(place.input)
    this.#reader(leader).take(place)
  }

  #reader(nodeId: number): NodeReader {
    const known = this.#readers.get(nodeId)
    if (known) return known
    const reader = new NodeReader(this, nodeId)
    this.#readers.set(nodeId, reader)
    return reader
  }

  #detach(place: Place): void {
    for (const reader of this.#readers.values()) reader.drop(place)
  }

  /** The partition can't be read now: later, where that may help, else never. */
  #unavailable(place: Place, error: unknown): void {
    const { input } = place
    const now = this.cluster.now()
    const code = error instanceof BrokerError ? error.errorCode : undefined
    const kind = error instanceof BrokerError ? error.kind : 'unexpected'
    if (code !== undefined && unknownTopic.has(code)) {
      place.unknownSince ??= now
      if (place.soughtMs - place.unknownSince > UNKNOWN_TOPIC_MS) {
        this.fail(
          place,
          this.#isReplaced(input)
            ? new PotorooError('TOPIC_REPLACED', `${nameOf(input)} is of a topic that was deleted and recreated`)
            : new PotorooError('TOPIC_MISSING', `there is no partition ${nameOf(input)}`),
        )
        return
      }
    } else {
      place.unknownSince = undefined
    }
    if (kind === 'unexpected') place.unexpected = (place.unexpected ?? 0) + 1
    if (kind === 'denied' || kind === 'refused' || (place.unexpected ?? 0) >= MAX_UNEXPECTED_ANSWERS) {
      this.fail(place, toPotorooError(error, nameOf(input)))
      return
    }
    this.cluster.settings.logger.debug({ ...here(input), reason: messageOf(error) }, 'partition is not available')
    this.cluster.forgetTopic(input.topic)
    this.#seek(place, place.backoff.next())
  }

  elected(place: Place): void {
    this.#seek(place, 0)
  }

  /** A new leader is asked for its log's end until it answers: then its empty answers are proof (core/processing/election-proof.ts). */
  unproven(place: Place): void {
    const { input, proof, leaderEpoch: epoch } = place
    if (epoch === undefined || !proof.begin(epoch)) return
    listOffsets(this.cluster, [input], 'end').then(
      () => {
        // Another election may have come in between: then it is asked again, where anybody waits still.
        if (this.cluster.epochOf(input) === epoch) proof.answered(epoch)
        else proof.failed()
        this.wake()
      },
      () => {
        // Fetching goes on, and asks again.
        proof.failed()
      },
    )
  }

  async #outOfRange(place: Place, position: number): Promise<void> {
    const { input } = place
    const asked = `${nameOf(input)}: position ${String(position)} was asked for`
    try {
      const [start = 0] = await listOffsets(this.cluster, [input], 'earliest', { refresh: true })
      const [end = 0] = await listOffsets(this.cluster, [input], 'end')
      place.beyondSince ??= this.cluster.now()
      const isPatient = place.soughtMs - place.beyondSince < BEYOND_MS
      if (position >= start && isPatient) {
        this.#seek(place, place.backoff.next())
        return
      }
      const held = `the log holds ${String(start)} to ${String(end)}`
      this.fail(place, new PotorooError('OFFSET_OUT_OF_RANGE', `${asked}, but ${held} (exclusive)`))
    } catch (error) {
      // Without an answer it is not certain: the leader is looked for again.
      const reason = messageOf(error)
      this.cluster.settings.logger.warn(
        { ...here(input), position, reason },
        "the broker can't be asked where the log begins and ends",
      )
      this.#seek(place, place.backoff.next())
    }
  }

  #seek(place: Place, pauseMs: number): void {
    if (place.removed || this.closed) return
    this.#detach(place)
    this.#seekers.set(place, this.cluster.now() + pauseMs)
    this.#wakeSeek?.()
    if (!this.#seeking) void this.#seekLeaders()
  }

  async #seekLeaders(): Promise<void> {
    this.#seeking = true
    // Several inputs are mostly added in one turn: one request for all of them.
    await Promise.resolve()
    while (!this.closed && this.#seekers.size > 0) {
      const now = this.cluster.now()
      const due: Place[] = []
      let nextAt = Infinity
      for (const [place, dueAt] of this.#seekers) {
        if (dueAt <= now) due.push(place)
        else nextAt = Math.min(nextAt, dueAt)
      }
      if (due.length === 0) {
        await this.#pause(nextAt - now)
        continue
      }
      for (const place of due) {
        this.#seekers.delete(place)
        place.soughtMs = now
      }
      const topics = due
        .filter(({ input }) => this.cluster.leaderOf(input) === undefined)
        .map(({ input }) => input.topic)
      try {
        if (topics.length > 0) await this.cluster.refresh(topics)
      } catch (error) {
        this.#noneReached(error)
        for (const place of due) this.#seek(place, place.backoff.next())
        continue
      }
      for (const place of due) this.#settle(place)
    }
    this.#seeking = false
  }

  #noneReached(error: unknown): void {
    if (!this.closed) this.cluster.gone.gone(undefined, reasonOf(error))
  }

  #settle(place: Place): void {
    if (place.removed || this.closed) return
    // A broker that takes names alone would give what another topic of this name has.
    if (this.#isReplaced(place.input)) {
      this.#unavailable(place, new BrokerError(codes.UNKNOWN_TOPIC_ID, 'metadata', 'Metadata'))
      return
    }
    const leader = this.cluster.leaderOf(place.input)
    if (leader !== undefined) {
      this.#give(place, leader)
      return
    }
    const code = this.cluster.whyLeaderless(place.input)
    this.#unavailable(place, new BrokerError(code, 'metadata', 'Metadata'))
  }

  /** As far as is known: whether the topic of this name is another than the one that is meant. */
  #isReplaced({ topic, topicId }: FetchInput): boolean {
    const known = this.cluster.topicIdOf(topic)
    return topicId !== undefined && known !== undefined && known !== topicId
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel()
        this.#wakeSeek = undefined
        resolve()
      }
      const timer = this.cluster.settings.clock.after(ms, done)
      this.#wakeSeek = done
    })
  }
}

const here = ({ topic, partition }: FetchInput) => ({ topic, partition })
