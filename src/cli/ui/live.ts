/**
 * Looks at an application again and again, and tells everybody who watches. It goes on while nobody does, more seldom, so that
 * who opens the page sees what was before.
 *
 * Invariants
 * 1. One look is under way at a time, however many watch.
 * 2. A look that fails, or takes long, is told as such, with for how long nothing was seen; and it is tried again.
 */
import { isPotorooError, messageOf } from '../../errors.js'
import type { Clock, Timer } from '../../ports/clock.js'
import { abortable } from '../../runtime/abortable.js'
import type { StatusReport } from '../status/report.js'
import { countersOf, History, nowOf, type Counters } from './figures.js'
import type { Away, Now, UiEvent } from './wire.js'

export interface LiveSource {
  /** Rejects with what keeps it from being seen. */
  look(signal: AbortSignal): Promise<StatusReport>
  /** How many dead letters are open; null: not known. Never rejects. */
  deadLetters(): number | null
}

const WATCHED_MS = 1_000
const UNWATCHED_MS = 5_000
/** A look that takes longer says that something is wrong. */
const LATE_MS = 3_000

type Listener = (event: UiEvent) => void

export class Live {
  readonly #listeners = new Set<Listener>()
  readonly #history = new History()
  readonly #ended = new AbortController()
  #counters: Counters | undefined
  #now: Now | undefined
  #away: Away | undefined
  #seenAtMs: number
  #wake: (() => void) | undefined

  constructor(
    private readonly source: LiveSource,
    private readonly clock: Clock,
    private readonly watchedMs = WATCHED_MS,
    private readonly lateMs = LATE_MS,
  ) {
    this.#seenAtMs = clock.monotonic()
  }

  get history(): History {
    return this.#history
  }

  /** Those that can be asked, as of the last look. */
  get members(): readonly { readonly memberId: string; readonly address: string }[] {
    return (this.#now?.workers ?? []).flatMap(({ memberId, address }) =>
      address === null ? [] : [{ memberId, address }],
    )
  }

  /** Tells what is known already, then all that comes. Returns what ends that. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener)
    if (this.#now !== undefined) listener({ event: 'now', data: this.#now })
    if (this.#away !== undefined) listener({ event: 'away', data: this.#away })
    // It may sleep longer than who came wants to wait.
    this.#wake?.()
    return () => this.#listeners.delete(listener)
  }

  /** Resolves after `stop`. */
  async run(): Promise<void> {
    const { signal } = this.#ended
    while (!this.#isEnded()) {
      const beganMs = this.clock.monotonic()
      const late = this.#repeat(this.lateMs, () => {
        this.#tellAway('BROKER_UNREACHABLE', 'Kafka has not answered yet')
      })
      try {
        // What it asks may be on its way to a broker that is gone: stopping does not wait for that.
        const report = await abortable(signal, this.source.look(signal))
        if (this.#isEnded()) return
        this.#seen(report)
      } catch (error) {
        if (this.#isEnded()) return
        this.#tellAway(isPotorooError(error) ? error.code : 'REQUEST_FAILED', messageOf(error))
      } finally {
        late.cancel()
      }
      await this.#sleep(beganMs)
    }
  }

  stop(): void {
    this.#ended.abort(new Error('the page is served no more'))
    this.#wake?.()
  }

  /** A function, for the compiler to forget what it knew before an await. */
  readonly #isEnded = (): boolean => this.#ended.signal.aborted

  #seen(report: StatusReport): void {
    this.#now = nowOf(report, this.#counters, this.source.deadLetters())
    this.#counters = countersOf(report)
    this.#away = undefined
    this.#seenAtMs = this.clock.monotonic()
    this.#history.add(this.#now.sample)
    this.#tell({ event: 'now', data: this.#now })
  }

  #tellAway(code: string, message: string): void {
    this.#away = { code, message, forMs: Math.round(this.clock.monotonic() - this.#seenAtMs) }
    this.#tell({ event: 'away', data: this.#away })
  }

  #tell(event: UiEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  async #sleep(beganMs: number): Promise<void> {
    const left = (): number =>
      beganMs + (this.#listeners.size > 0 ? this.watchedMs : UNWATCHED_MS) - this.clock.monotonic()
    while (!this.#isEnded() && left() > 0)
      await new Promise<void>((resolve) => {
        const timer = this.clock.after(left(), resolve)
        this.#wake = () => {
          timer.cancel()
          resolve()
        }
      })
    this.#wake = undefined
  }

  #repeat(firstMs: number, call: () => void): Timer {
    let timer: Timer | undefined
    const next = (ms: number): void => {
      timer = this.clock.after(ms, () => {
        call()
        next(this.watchedMs)
      })
    }
    next(firstMs)
    return { cancel: () => timer?.cancel() }
  }
}
