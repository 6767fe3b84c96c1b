/**
 * Brokers that do not take everything: sinks that refuse the outputs of some orders, for what is in them or for their time;
 * topics so narrow that a commit is several chunks, or that become narrower while workers run; workers whose clock is two
 * hours ahead, which changelogs and dead letters refuse; applications that stop where an order fails. The messages beside a
 * refused one have to come through, and the refused one goes to the dead letters, once.
 */
import type { BrokersOptions } from '../../src/memory/brokers.js'
import { SeededRandom } from '../../src/memory/random.js'
import type { RuntimeOptions } from '../../src/runtime/options.js'
import type { Order } from './application.js'
import type { FeedEvent } from './applications/simulated-application.js'

const HOUR_MS = 3_600_000
/** Of what a sink takes; refused orders are ten hours old. */
const BEFORE_MS = 5 * HOUR_MS
/** A commit record alone has about 300 bytes, an output or a state object not 200. */
const NARROW_BYTES = 700

type Refusing = 'nothing' | 'content' | 'time'

export class Refusals {
  /** Whether this world has any of it. */
  readonly isThere: boolean
  readonly #refusing: Refusing
  readonly #sink: 'checked' | 'noted'
  /** One in so many orders is refused. */
  readonly #every: number
  readonly #phase: number
  readonly #isNarrow: boolean
  readonly #narrowsAtMs: number | undefined
  readonly #stopsOnError: boolean
  readonly #clocksAhead: boolean

  /** `rightClocks`: stores are rebuilt by their age here. `may`: false where the world has another application. */
  constructor(seed: number, rightClocks: boolean, may: boolean) {
    const random = new SeededRandom(seed ^ 0x3c6ef372)
    const isThere = (this.isThere = random.chance(0.35) && may)
    this.#refusing = isThere ? random.pick(['nothing', 'content', 'content', 'time']) : 'nothing'
    this.#sink = random.pick(['checked', 'noted'])
    this.#every = random.pick([3, 20, 100])
    this.#phase = random.below(this.#every)
    this.#isNarrow = isThere && random.chance(0.5)
    this.#narrowsAtMs = isThere && random.chance(0.3) ? random.between(0, 10_000) : undefined
    this.#stopsOnError = isThere && random.chance(0.3)
    this.#clocksAhead = isThere && !rightClocks && random.chance(0.5)
  }

  /** What a topic gets beside what it has anyway. */
  configOf(topic: string): Readonly<Record<string, string>> {
    const isDeadLetters = topic.endsWith('-dead-letters')
    const isRuntimes = isDeadLetters || topic.endsWith('-changelog')
    if (!isRuntimes && topic !== 'checked' && topic !== 'noted') return {}
    return {
      ...(this.#refusing === 'time' && topic === this.#sink
        ? { 'message.timestamp.before.max.ms': String(BEFORE_MS) }
        : {}),
      ...(this.#clocksAhead && isRuntimes ? { 'message.timestamp.after.max.ms': String(HOUR_MS) } : {}),
      ...(this.#isNarrow && !isDeadLetters ? { 'max.message.bytes': String(NARROW_BYTES) } : {}),
    }
  }

  readonly policy: BrokersOptions['policy'] = ({ topic }, { buffer, valueStart, valueEnd }) => {
    if (this.#refusing !== 'content' || topic !== this.#sink) return undefined
    const { id } = JSON.parse(buffer.toString('utf8', valueStart, valueEnd)) as Pick<Order, 'id'>
    return this.#isOne(id) ? 'a rule of the sink' : undefined
  }

  /** The event as it is fed. */
  fed(event: FeedEvent, startMs: number): FeedEvent {
    return this.#refusing === 'time' && this.isRefused(event)
      ? { ...event, timestampMs: startMs + event.atMs - 2 * BEFORE_MS }
      : event
  }

  /** Whether an output of the event is refused, so that all of it is a dead letter. */
  readonly isRefused = ({ topic, text }: FeedEvent): boolean => {
    if (this.#refusing === 'nothing' || topic !== 'orders' || !text.startsWith('{')) return false
    return this.#isOne((JSON.parse(text) as Pick<Order, 'id'>).id)
  }

  /** When sinks and changelog are to take less than they did, ms from the beginning. */
  get narrows(): { readonly atMs: number; readonly config: Readonly<Record<string, string>> } | undefined {
    return this.#narrowsAtMs === undefined
      ? undefined
      : { atMs: this.#narrowsAtMs, config: { 'max.message.bytes': String(NARROW_BYTES) } }
  }

  /** By how much the clock of a worker's life is ahead, ms. */
  clockOffMs(life: number): number {
    return this.#clocksAhead && life % 2 === 1 ? 2 * HOUR_MS : 0
  }

  /** What a worker that starts now is told. Once all is well, somebody has it continue without what fails. */
  onError(isCalm: boolean): Pick<RuntimeOptions, 'onError'> {
    return { onError: this.#stopsOnError && !isCalm ? 'stop' : 'dead-letter' }
  }

  get stopsOnError(): boolean {
    return this.#stopsOnError
  }

  #isOne(id: string): boolean {
    return Number(id.slice(1)) % this.#every === this.#phase
  }
}
