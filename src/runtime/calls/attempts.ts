/**
 * Carries calls out: one attempt after another, each with a signal and a time, and hands over what came of them.
 *
 * Invariants
 * 1. One attempt of a call is under way at a time. What an earlier one gives after its time was over is dropped.
 * 2. Attempts of an activation that is over are aborted, and what they give is dropped.
 * 3. What is outside is called within `make` alone, which the task calls from its runs: there it can be ended from outside.
 * 4. Whatever it gives, throws or rejects with has one outcome, and nothing of it is left unhandled.
 */
import type { CallDefinition } from '../../api/definition.js'
import { PotorooError } from '../../errors.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Outside } from '../../ports/outside.js'

/** A call that is to be made. */
export interface Request {
  readonly id: string
  readonly key: string
  /** Made anew for each attempt: one may have changed what it was given. Throws what the topic's decoder does. */
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
  readonly aborts: Set<AbortController>
  readonly timers: Set<Timer>
}

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
    this.#current = { outcomes: [], due: [], aborts: new Set(), timers: new Set() }
  }

  /** Invariant 2 */
  end(reason: unknown): void {
    const current = this.#current
    this.#current = undefined
    if (current === undefined) return
    for (const timer of current.timers) timer.cancel()
    for (const abort of current.aborts) abort.abort(reason)
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
    this.#after(current, pauseMs, () => {
      current.due.push(attempt)
    })
  }

  /** An attempt whose pause is over. */
  takeDue(): Attempt<R> | undefined {
    return this.#current?.due.shift()
  }

  make({ request, attempt }: Attempt<R>): void {
    const current = this.#current
    if (current === undefined) return
    const { name, timeoutMs } = this.call
    const begunMs = this.clock.monotonic()
    const abort = new AbortController()
    current.aborts.add(abort)
    const timer = this.#after(current, timeoutMs, () => {
      const error = new PotorooError('CALL_TIMED_OUT', `call ${name} has taken longer than ${String(timeoutMs)} ms`)
      settle({ error })
      abort.abort(error)
    })
    let isSettled = false
    const settle = (outcome: { readonly result: unknown } | { readonly error: unknown }): void => {
      // Invariants 1 and 2
      if (isSettled || this.#current !== current) return
      isSettled = true
      timer.cancel()
      current.timers.delete(timer)
      current.aborts.delete(abort)
      current.outcomes.push({ request, attempt, tookMs: this.clock.monotonic() - begunMs, ...outcome })
      this.ready()
    }
    const { id, key } = request
    try {
      const given = this.outside.make(this.call, request.message(), { id, key, attempt, signal: abort.signal })
      Promise.resolve(given).then(
        (result) => {
          settle({ result })
        },
        (error: unknown) => {
          settle({ error })
        },
      )
    } catch (error) {
      settle({ error })
    }
  }

  #after(current: Current<R>, ms: number, call: () => void): Timer {
    const timer = this.clock.after(ms, () => {
      current.timers.delete(timer)
      call()
      this.ready()
    })
    current.timers.add(timer)
    return timer
  }
}
