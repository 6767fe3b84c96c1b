/** The answers to calls of an application under test: nothing outside of the test is called. */
import type { Call } from '../api/call.js'
import type { ApplicationDefinition, CallContext, CallDefinition } from '../api/definition.js'
import { callsOf } from '../api/graph.js'
import { shown } from '../api/names.js'
import { PotorooError } from '../errors.js'
import type { Scheduler } from '../memory/scheduler.js'
import type { Outside } from '../ports/outside.js'
import type { World } from './world.js'

export interface AnswerOptions {
  /**
   * How long an answer takes, ms of the driver's time; default 0. If that exceeds the call's `timeoutMs`, the attempt
   * fails.
   */
  readonly afterMs?: number
}

/** Returns the result of the call, or a promise of it; throws or rejects to make the attempt fail. */
export type Answer = (message: never, call: Call) => unknown

interface Answering {
  readonly answer: Answer
  readonly afterMs: number
}

/** Calls of the application in the driver's world. */
export interface DrivenCalls {
  /**
   * Sets the answer to a call from now on. A call without an answer throws INVALID_TEST from whatever lets the driver's
   * time advance: its own function is never called. What `answer` awaits must settle without real time passing, because
   * Node's timers don't run here. Throws INVALID_TEST.
   */
  answer(name: string, answer: Answer, options?: AnswerOptions): void
}

export class Calls implements DrivenCalls, Outside {
  readonly #answers = new Map<string, Answering>()
  #world: World | undefined

  constructor(private readonly application: ApplicationDefinition) {}

  answer(name: string, answer: Answer, { afterMs = 0 }: AnswerOptions = {}): void {
    const names = callsOf(this.application).map(({ call }) => call.name)
    if (!names.includes(name))
      throw new PotorooError(
        'INVALID_TEST',
        `Application ${this.application.name} has no call ${shown(name)}: it has ${names.length === 0 ? 'none' : names.join(', ')}.`,
      )
    if (typeof answer !== 'function')
      throw new PotorooError(
        'INVALID_TEST',
        `calls.answer('${name}') was given ${shown(answer)}: it must be a function.`,
      )
    if (!(afterMs >= 0 && afterMs < Infinity))
      throw new PotorooError(
        'INVALID_TEST',
        `calls.answer('${name}') was given afterMs: ${String(afterMs)}, which is not a number of ms.`,
      )
    this.#answers.set(name, { answer, afterMs })
  }

  /** Before anything runs. */
  in(world: World): void {
    this.#world = world
  }

  make({ name }: CallDefinition, message: unknown, context: CallContext): unknown {
    const answering = this.#answers.get(name)
    const world = this.#world
    if (answering === undefined || world === undefined) {
      const error = new PotorooError(
        'INVALID_TEST',
        `Call ${name} was made, but has no answer: set one with driver.calls.answer('${name}', (message, call) => …).`,
      )
      world?.fail(error)
      throw error
    }
    const { answer, afterMs } = answering
    const given = (): unknown => answer(message as never, context)
    return afterMs === 0 ? given() : later(world.scheduler, afterMs, given)
  }
}

const later = (scheduler: Scheduler, ms: number, given: () => unknown): Promise<unknown> =>
  new Promise((resolve, reject) => {
    scheduler.after(undefined, ms, () => {
      Promise.resolve().then(given).then(resolve, reject)
    })
  })
