/**
 * Holds an answer of the fetcher back until what its records need is there, such as a schema that a registry has.
 *
 * Invariants
 * 1. For the input, an answer that is held back has not come yet: it is passed on whole and once, before any that is asked for
 *    later, and with the ticks that it had, so that what they prove (core/processing/input.ts) is as true then.
 * 2. While an answer is held back nothing more is asked for, and nothing else is passed on.
 * 3. What fails is tried again, with pauses that grow up to a bound, until it succeeds or can't; and it is said.
 * 4. After `end` nothing is passed on any more.
 */
import type { CodecSteps } from '../api/definition.js'
import type { HeldStatus } from '../core/group/worker-status.js'
import { RecordCursor } from '../core/records/records.js'
import type { PotorooError } from '../errors.js'
import type { Clock, Timer } from '../ports/clock.js'
import type { Fetched } from '../ports/log.js'
import type { Lack } from '../ports/observer.js'
import { codecError } from './codecs.js'
import { Retries } from './retries.js'

/** Whose answers they are. */
export interface PreparedInput {
  readonly topic: string
  /** The position that it takes an answer of. */
  expected(): number
  /** Throws nothing. */
  pass(fetched: Fetched): void
  /** It can't be read further. */
  failed(error: unknown): void
  /** Said at first, and now and then while that continues. */
  holds(lack: Lack): void
  /** What was said to be lacking is there. */
  goesOn(waitedMs: number): void
}

export class Preparation {
  #held: Fetched | undefined
  #timer: Timer | undefined
  /** Of the last try, while an answer is held back. */
  #error: PotorooError | undefined
  readonly #retries: Retries

  constructor(
    private readonly prepare: NonNullable<CodecSteps['prepare']>,
    private readonly input: PreparedInput,
    private readonly clock: Clock,
  ) {
    this.#retries = new Retries(clock)
  }

  get isHolding(): boolean {
    return this.#held !== undefined
  }

  /** What is held back, and for what; undefined where nothing is. */
  get held(): HeldStatus | undefined {
    if (this.#held === undefined) return undefined
    const why = this.#error && { why: this.#error.message }
    return { topic: this.input.topic, ...why, waitedMs: this.#retries.waitedMs }
  }

  /** Throws CORRUPT_BATCH. */
  take(fetched: Fetched): void {
    // What the input refuses is worth no wait.
    if (this.#held === undefined && fetched.position === this.input.expected()) {
      this.#held = fetched
      this.#retries.begin()
      this.#step(fetched)
    } else if (this.#held === undefined) this.input.pass(fetched)
    else fetched.release()
  }

  end(): void {
    this.#timer?.cancel()
    this.#held?.release()
    this.#held = undefined
  }

  #step(fetched: Fetched): void {
    const missing = this.#missingIn(fetched)
    if (missing === undefined) this.#pass(fetched)
    else
      missing.then(
        () => {
          // What is not there after all is not asked for again at once.
          this.#whileHeld(fetched, () => {
            if (this.#missingIn(fetched) === undefined) this.#pass(fetched)
            else this.#stepLater(fetched)
          })
        },
        (cause: unknown) => {
          this.#whileHeld(fetched, () => {
            const error = codecError(cause)
            if (!error.retriable) throw error
            this.#error = error
            this.#say(fetched, error)
            this.#stepLater(fetched)
          })
        },
      )
  }

  #stepLater(fetched: Fetched): void {
    this.#timer = this.clock.after(this.#retries.nextPauseMs(), () => {
      this.#whileHeld(fetched, () => {
        this.#step(fetched)
      })
    })
  }

  /** Invariant 4; what is thrown is the input's failure. */
  #whileHeld(fetched: Fetched, work: () => void): void {
    if (this.#held !== fetched) return
    try {
      work()
    } catch (error) {
      this.input.failed(error)
    }
  }

  #pass(fetched: Fetched): void {
    this.#held = undefined
    this.#error = undefined
    const waitedMs = this.#retries.succeeded()
    if (waitedMs !== undefined) this.input.goesOn(waitedMs)
    this.input.pass(fetched)
  }

  #say({ position }: Fetched, { code, message: error }: PotorooError): void {
    const waitedMs = this.#retries.failed()
    if (waitedMs !== undefined) this.input.holds({ position, code, error, waitedMs })
  }

  /** Resolves when all is there that the answer's records need; undefined: it is. */
  #missingIn({ batches, position }: Fetched): Promise<unknown> | undefined {
    const missing = new Set<Promise<void>>()
    const cursor = new RecordCursor()
    for (const batch of batches) {
      cursor.open(batch)
      while (cursor.next()) {
        if (cursor.offset < position || cursor.valueStart < 0) continue
        const one = this.#missingFor(cursor)
        if (one !== undefined) missing.add(one)
      }
    }
    return missing.size === 0 ? undefined : Promise.all(missing)
  }

  #missingFor({ buffer, valueStart, valueEnd }: RecordCursor): Promise<void> | undefined {
    try {
      return this.prepare(buffer, valueStart, valueEnd)
    } catch {
      // What is wrong with the record is said where it is decoded.
      return undefined
    }
  }
}
