/**
 * The broadcasts of a worker: each is read once from its beginning, whatever tasks use it, and then followed.
 *
 * Invariants
 * 1. No task starts before all of them were read to their end once.
 * 2. A task's message continues when they are proven for the tick at which it arrived
 *    (core/processing/broadcast-copy.ts). The proof is requested when the message arrives, not when its turn comes: in
 *    a backlog, the proof for later messages is in progress while earlier ones are processed.
 * 3. A broadcast that the log has moved past (its first records were deleted before they were read) is read again from
 *    its beginning, and no messages continue meanwhile.
 * 4. Records are taken when they can be decoded (preparation.ts): until then their partition proves nothing new.
 */
import type { BroadcastDefinition } from '../api/definition.js'
import type { BroadcastStatus, HeldStatus } from '../core/group/worker-status.js'
import { BroadcastCopy } from '../core/processing/broadcast-copy.js'
import type { Gate } from '../core/processing/gated-merge.js'
import { isPotorooError, messageOf, PotorooError } from '../errors.js'
import type { Clock, Timer } from '../ports/clock.js'
import type { Fetched, Fetcher, FetchInput, Log } from '../ports/log.js'
import type { Observer } from '../ports/observer.js'
import { abortable } from './abortable.js'
import { sleep } from './options.js'
import { Preparation } from './preparation.js'

/** A broadcast's place in Kafka. */
export interface BroadcastPlan {
  readonly definition: BroadcastDefinition
  readonly topic: string
  /** Undefined where brokers have no ids. */
  readonly id: string | undefined
  readonly partitions: number
}

export interface BroadcastsEnvironment {
  readonly log: Pick<Log, 'listOffsets'>
  readonly clock: Clock
  readonly observer: Observer
  /**
   * A fetcher of its own: a topic may also be a source, and each answer of a fetcher goes to one reader of a partition.
   */
  readonly fetcher: Fetcher
}

/** What a task needs of its broadcasts. */
export interface TaskBroadcasts extends Gate {
  /** Records have arrived at that tick. */
  arrived(tick: number): void
  /** What they wait for. */
  readonly held: readonly HeldStatus[]
  close(): void
}

/** After this long, it is logged that messages wait. */
const SAY_AFTER_MS = 5_000
/** Pause before a broadcast is read again. */
const AGAIN_MS = 1_000

export class Broadcasts {
  readonly #copies: readonly Followed[]
  readonly #waiting = new Set<Waiting>()

  constructor(
    plans: readonly BroadcastPlan[],
    private readonly env: BroadcastsEnvironment,
    /** One of them can't be read, or is too large: no message can continue. */
    failed: (error: PotorooError) => void,
  ) {
    const told = {
      proven: () => {
        for (const waiting of [...this.#waiting]) waiting.opened()
      },
      willReread: () => {
        for (const waiting of this.#waiting) waiting.forget()
      },
      failed,
    }
    this.#copies = plans.map((plan) => new Followed(plan, env, told))
  }

  /**
   * Resolves when all of them were read to their end. Rejects with the reason why they can't be read, or the signal's
   * reason.
   */
  async load(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#copies.map((copy) => copy.load(signal)))
  }

  /** `ready`: what had to wait may continue. */
  of(definitions: readonly BroadcastDefinition[], ready: () => void): TaskBroadcasts {
    const copies = definitions.map((definition) => this.#copyOf(definition))
    const waiting = new Waiting(copies, ready, () => this.#waiting.delete(waiting))
    this.#waiting.add(waiting)
    return waiting
  }

  lookup(definition: BroadcastDefinition, key: string): object | undefined {
    return this.#copyOf(definition).copy.get(key)
  }

  get status(): readonly BroadcastStatus[] {
    return this.#copies.map(({ copy, plan }) => {
      return { broadcast: copy.definition.name, topic: plan.topic, entries: copy.entries, bytes: copy.bytes }
    })
  }

  async close(): Promise<void> {
    for (const copy of this.#copies) copy.close()
    this.#waiting.clear()
    await this.env.fetcher.close()
  }

  #copyOf(definition: BroadcastDefinition): Followed {
    const found = this.#copies.find(({ copy }) => copy.definition === definition)
    if (found === undefined) throw new PotorooError('INTERNAL', `broadcast ${definition.name} is not read here`)
    return found
  }
}

/** A task. */
class Waiting implements TaskBroadcasts {
  /** What it is known to be proven for. */
  #proven = -1
  #isClosed = false

  constructor(
    private readonly copies: readonly Followed[],
    private readonly ready: () => void,
    private readonly gone: () => void,
  ) {}

  arrived(tick: number): void {
    for (const copy of this.copies) copy.want(tick)
  }

  isOpenFor(arrived: number): boolean {
    if (arrived <= this.#proven) return true
    this.#proven = Math.min(...this.copies.map(({ copy }) => copy.provenUpTo))
    if (arrived <= this.#proven) return true
    this.#isClosed = true
    for (const copy of this.copies) copy.want(arrived)
    return false
  }

  /** One of them is read again. */
  forget(): void {
    this.#proven = -1
  }

  get held(): readonly HeldStatus[] {
    return this.#isClosed ? this.copies.flatMap(({ held = [] }) => held) : []
  }

  opened(): void {
    if (!this.#isClosed) return
    this.#isClosed = false
    this.ready()
  }

  close(): void {
    this.gone()
  }
}

interface Told {
  /** There is another answer that proves something. */
  proven(): void
  /** What it was proven for no longer holds. */
  willReread(): void
  failed(error: PotorooError): void
}

/** One broadcast. */
class Followed {
  readonly copy: BroadcastCopy
  /** It is about to be read again. */
  #isRestarting = false
  #inputs: readonly FetchInput[] = []
  /** Of its partitions, where records may need something before they are decoded. */
  #preparations: Preparation[] = []
  /** The last tick that something waits for; the worker waits for the first answers. */
  #wanted = 0
  #isClosed = false
  /** While it is loaded. */
  #loading: { readonly resolve: () => void; readonly reject: (error: PotorooError) => void } | undefined
  #saying: Timer | undefined
  /** Whether it was logged that messages wait, and since when they do, on the monotonic clock. */
  #waited: { readonly sinceMs: number; said: boolean } | undefined

  constructor(
    readonly plan: BroadcastPlan,
    private readonly env: BroadcastsEnvironment,
    private readonly told: Told,
  ) {
    const { definition, topic } = plan
    this.copy = new BroadcastCopy(definition, ({ partition, offset, error: { code, message } }) => {
      const broadcast = definition.name
      env.observer.observe({
        kind: 'broadcast-record-refused',
        broadcast,
        topic,
        partition,
        offset,
        code,
        error: message,
      })
    })
  }

  async load(signal: AbortSignal): Promise<void> {
    const { clock, observer } = this.env
    const { definition, topic } = this.plan
    const beganMs = clock.monotonic()
    await abortable(signal, this.#begin())
    await abortable(
      signal,
      new Promise<void>((resolve, reject) => {
        this.#loading = { resolve, reject }
        this.#tellProven()
      }),
    )
    const { entries, bytes } = this.copy
    const tookMs = Math.round(clock.monotonic() - beganMs)
    observer.observe({ kind: 'broadcast-loaded', broadcast: definition.name, topic, entries, bytes, tookMs })
  }

  want(tick: number): void {
    // It may be read again, and have lost what it was proven for.
    if (this.#isClosed || (tick <= this.#wanted && this.#waited !== undefined)) return
    this.#wanted = Math.max(this.#wanted, tick)
    if (this.copy.provenUpTo >= tick) return
    this.#waited ??= { sinceMs: this.env.clock.monotonic(), said: false }
    this.#saying ??= this.env.clock.after(SAY_AFTER_MS, () => {
      this.#sayWaiting()
    })
    this.env.fetcher.wake()
  }

  /** Undefined while nothing waits. */
  get held(): HeldStatus | undefined {
    if (this.#waited === undefined) return undefined
    const { definition, topic } = this.plan
    const waitedMs = Math.round(this.env.clock.monotonic() - this.#waited.sinceMs)
    const why = this.#lacking?.why
    return { topic, broadcast: definition.name, ...(why !== undefined && { why }), waitedMs }
  }

  /** What decoding its records needs. */
  get #lacking(): HeldStatus | undefined {
    return this.#preparations.map(({ held }) => held).find((held) => held?.why !== undefined)
  }

  close(): void {
    this.#isClosed = true
    this.#saying?.cancel()
    this.#endInputs()
  }

  #endInputs(): void {
    for (const input of this.#inputs) this.env.fetcher.remove(input)
    this.#inputs = []
    for (const preparation of this.#preparations.splice(0)) preparation.end()
  }

  async #begin(): Promise<void> {
    const { topic, partitions } = this.plan
    const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
    const positions = await this.env.log.listOffsets(all, 'earliest', { refresh: true })
    if (this.#isClosed) return
    this.copy.begin(positions)
    this.#inputs = all.map(({ partition }) => this.#inputOf(partition))
    for (const input of this.#inputs) this.env.fetcher.add(input)
  }

  #inputOf(partition: number): FetchInput {
    const { copy } = this
    const accept = (fetched: Fetched): void => {
      try {
        copy.accept(fetched)
      } catch (error) {
        this.#fail(error)
        return
      }
      this.#tellProven()
    }
    const preparation = this.#preparation(partition, accept)
    return {
      topic: this.plan.topic,
      topicId: this.plan.id,
      partition,
      wanted: () => (preparation?.isHolding === true ? undefined : copy.position(partition)),
      hurried: () => !copy.isProvenFor(partition, this.#wanted),
      deliver: (fetched) => {
        if (preparation === undefined) accept(fetched)
        else
          try {
            preparation.take(fetched)
          } catch (error) {
            this.#fail(error)
          }
      },
      failed: (error) => {
        if (isPotorooError(error, 'OFFSET_OUT_OF_RANGE')) void this.#again(error)
        // It has no position that an operator would have to decide on.
        else if (isPotorooError(error, 'TOPIC_REPLACED')) this.#fail(new PotorooError('TOPIC_CHANGED', error.message))
        else this.#fail(error)
      },
    }
  }

  /** Undefined if records can be decoded as they come. */
  #preparation(partition: number, accept: (fetched: Fetched) => void): Preparation | undefined {
    const { copy, env } = this
    const prepare = copy.definition.topic.codec?.prepare
    if (prepare === undefined) return undefined
    const where = { ...this.#where(), partition }
    const preparation = new Preparation(
      prepare,
      {
        topic: this.plan.topic,
        expected: () => copy.position(partition),
        pass: (fetched) => {
          accept(fetched)
          env.fetcher.wake()
        },
        failed: (error) => {
          this.#fail(error)
        },
        holds: (lack) => {
          env.observer.observe({ kind: 'broadcast-holds', ...where, ...lack })
        },
        goesOn: (waitedMs) => {
          env.observer.observe({ kind: 'broadcast-goes-on', ...where, waitedMs })
        },
      },
      env.clock,
    )
    this.#preparations.push(preparation)
    return preparation
  }

  #tellProven(): void {
    const { provenUpTo } = this.copy
    if (provenUpTo < 0) return
    this.#loading?.resolve()
    this.#loading = undefined
    if (provenUpTo >= this.#wanted) {
      this.#saying?.cancel()
      this.#saying = undefined
      if (this.#waited?.said === true) this.#sayWaited(this.#waited.sinceMs)
      this.#waited = undefined
    }
    this.told.proven()
  }

  /** Invariant 3 */
  async #again(error: PotorooError): Promise<void> {
    if (this.#isRestarting) return
    this.#isRestarting = true
    this.told.willReread()
    const { clock, observer } = this.env
    observer.observe({ kind: 'broadcast-again', ...this.#where(), error: error.message })
    this.#endInputs()
    this.copy.begin([])
    for (;;) {
      if (this.#isClosed) return
      try {
        await this.#begin()
        this.#isRestarting = false
        return
      } catch (failure) {
        if (!isPotorooError(failure) || !failure.retriable) {
          this.#fail(failure)
          return
        }
        await sleep(clock, AGAIN_MS)
      }
    }
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return
    this.close()
    const what = `reading broadcast ${this.plan.definition.name}: ${messageOf(error)}`
    const known = isPotorooError(error) ? error : new PotorooError('INTERNAL', what, { cause: error })
    // A worker that is starting gets the error where it waits.
    if (this.#loading === undefined) this.told.failed(known)
    else this.#loading.reject(known)
  }

  #sayWaiting(): void {
    // It was logged that something else is missing.
    if (this.#waited === undefined || this.#lacking !== undefined) return
    this.#waited.said = true
    const waitedMs = Math.round(this.env.clock.monotonic() - this.#waited.sinceMs)
    this.env.observer.observe({ kind: 'broadcast-awaited', ...this.#where(), waitedMs })
  }

  #sayWaited(sinceMs: number): void {
    const waitedMs = Math.round(this.env.clock.monotonic() - sinceMs)
    this.env.observer.observe({ kind: 'broadcast-caught-up', ...this.#where(), waitedMs })
  }

  #where() {
    return { broadcast: this.plan.definition.name, topic: this.plan.topic }
  }
}
