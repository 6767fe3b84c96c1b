/**
 * Carries calls out: one attempt after another, each with a signal and a time, and hands over what came of them.
 *
 * Invariants
 * 1. One attempt of a call is under way at a time. What an earlier one gives after its time was over is dropped.
 * 2. Attempts of an activation that is over are aborted, and what they give is dropped.
 * 3. What is outside is called within `make` alone, which the task calls from its runs: there it can be ended from outside.
 * 4. Whatever it gives, throws or rejects with has one outcome, and nothing of it is left unhandled.
 * 5. One timer is set for all attempts under way: they take equally long at most, so the first that began is the first whose time is over.
 *    A signal is made when it is asked for: most calls never do.
 */
import type { CallDefinition } from '../../api/definition.js'
import { PotorooError } from '../../errors.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Outside } from '../../ports/outside.js'

/** A call that is to be made. */
export interface Request {
  readonly id: string
  readonly key: string
  /** Made again for each attempt: one may have changed what it was given. Throws what the topic's decoder does. */
  message(): unknown
}

export interface Attempt<R extends Request> {
  readonly request: R
  /** 1 for the first. */
  readonly attempt: number
}
export type Outcome<R extends Request> = Attempt<R> & { readonly tookMs: number } & (
    { readonly result: unknown } | { readonly error: unknown }
  )

interface Current<R extends Request> {
  readonly outcomes: Outcome<R>[]
  /** Attempts whose pause is over. */
  readonly due: Attempt<R>[]
  /** In the order in which they have begun. */
  readonly underWay: Set<UnderWay<R>>
  /** Of the first of them, or of one before it. */
  deadline: Timer | undefined
  /** Of pauses. */
  readonly pauses: Set<Timer>
}

type Came = { readonly result: unknown } | { readonly error: unknown }

/** An attempt, and what a call is given of it. */
class UnderWay<R extends Request> {
  #abort: AbortController | undefined
  #aborted: { readonly reason: unknown } | undefined

  constructor(
    readonly request: R,
    readonly attempt: number,
    readonly begunMs: number,
  ) {}

  abort(reason: unknown): void {
    this.#aborted = { reason }
    this.#abort?.abort(reason)
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.#aborted !== undefined) this.#abort.abort(this.#aborted.reason)
    }
    return this.#abort.signal
  }
}

/** Sums of fractions may come out so much too large. */
const ROUNDING_MS = 0.001

export class Attempts<R extends Request> {
  #current: Current<R> | undefined

  constructor(
    private readonly call: CallDefinition,
    private readonly clock: Pick<Clock, 'after' | 'monotonic'>,
    private readonly outside: Outside,
    /** There is an outcome, or an attempt is due. */
    private readonly ready: () => void,
  ) {}

  begin(): void {
    this.#current = { outcomes: [], due: [], underWay: new Set(), deadline: undefined, pauses: new Set() }
  }

  /** Invariant 2 */
  end(reason: unknown): void {
    const current = this.#current
    this.#current = undefined
    if (current === undefined) return
    current.deadline?.cancel()
    for (const pause of current.pauses) pause.cancel()
    for (const one of current.underWay) one.abort(reason)
  }

  /** What is here was not looked at yet. */
  get hasMore(): boolean {
    const current = this.#current
    return current !== undefined && current.outcomes.length + current.due.length > 0
  }

  take(): Outcome<R> | undefined {
    return this.#current?.outcomes.shift()
  }

  /** After a pause, `takeDue` gives it. */
  makeLater(attempt: Attempt<R>, pauseMs: number): void {
    const current = this.#current
    if (current === undefined) return
    const pause = this.clock.after(pauseMs, () => {
      current.pauses.delete(pause)
      current.due.push(attempt)
      this.ready()
    })
    current.pauses.add(pause)
  }

  /** An attempt whose pause is over. */
  takeDue(): Attempt<R> | undefined {
    return this.#current?.due.shift()
  }

  make({ request, attempt }: Attempt<R>): void {
    const current = this.#current
    if (current === undefined) return
    const one = new UnderWay(request, attempt, this.clock.monotonic())
    current.underWay.add(one)
    if (current.deadline === undefined) this.#watch(current, this.call.timeoutMs)
    const { id, key } = request
    const context = {
      id,
      key,
      attempt,
      get signal() {
        return one.signal
      },
    }
    try {
      const given = this.outside.make(this.call, request.message(), context)
      Promise.resolve(given).then(
        (result) => {
          this.#settle(current, one, { result })
        },
        (error: unknown) => {
          this.#settle(current, one, { error })
        },
      )
    } catch (error) {
      this.#settle(current, one, { error })
    }
  }

  #settle(current: Current<R>, one: UnderWay<R>, came: Came): void {
    // Invariants 1 and 2
    if (this.#current !== current || !current.underWay.delete(one)) return
    const { request, attempt, begunMs } = one
    current.outcomes.push({ request, attempt, tookMs: this.clock.monotonic() - begunMs, ...came })
    this.ready()
  }

  /** Invariant 5. What has begun first may be through when it goes off. */
  #watch(current: Current<R>, afterMs: number): void {
    current.deadline = this.clock.after(afterMs, () => {
      current.deadline = undefined
      const { name, timeoutMs } = this.call
      for (const one of current.underWay) {
        const leftMs = one.begunMs + timeoutMs - this.clock.monotonic()
        if (leftMs > ROUNDING_MS) {
          this.#watch(current, leftMs)
          return
        }
        const error = new PotorooError('CALL_TIMED_OUT', `call ${name} has taken longer than ${String(timeoutMs)} ms`)
        this.#settle(current, one, { error })
        one.abort(error)
      }
    })
  }
}
