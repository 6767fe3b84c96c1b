/** Faults of bytes, connections and leaders, drawn from a seed: what a simulated network has beyond `Weather`. */
import type { SeededRandom } from '../../../src/memory/random.js'
import { errors } from './errors.js'
import type { WireFaults } from './network.js'

export interface WireClimate {
  readonly brokers: number
  /** Of frames that come in several pieces. */
  readonly pieceRate: number
  /** Of requests with which a connection goes silent, and neither side is told. */
  readonly stallRate: number
  /** Of connections. */
  readonly refusedRate: number
  /** Of requests that a broker refuses, or half refuses, beyond those of `Climate.faultRate`. */
  readonly refusalRate: number
  readonly hangRate: number
  readonly throttleRate: number
  readonly latencyMs: number
  /** What brokers know of `transaction.version` (2), or don't (1), or know and are not to use yet. */
  readonly transactions: 'version 1' | 'version 2' | 'upgrade' | 'downgrade'
  /** Whether leaders ask the coordinator before they take a record of version 1, as they do since Kafka 3.6. */
  readonly verifies: boolean
  readonly firstEpoch: number
  /** How late brokers learn of a leader that moved, at most. */
  readonly lagMs: number
  readonly loadingMs: number
  /** How many leaders and coordinators move though nothing has failed. */
  readonly moves: number
  /** Whether topics have ids, as they do since Kafka 2.8. */
  readonly topicIds: boolean
}

/** Nothing goes wrong, and bytes come in pieces. */
export const fairClimate: WireClimate = {
  brokers: 1,
  pieceRate: 0.3,
  stallRate: 0,
  refusedRate: 0,
  refusalRate: 0,
  hangRate: 0,
  throttleRate: 0,
  latencyMs: 0.2,
  transactions: 'version 2',
  verifies: true,
  firstEpoch: 0,
  lagMs: 0,
  loadingMs: 0,
  moves: 0,
  topicIds: true,
}

export function drawWireClimate(random: SeededRandom): WireClimate {
  const fair = random.chance(0.25)
  const rate = (...rates: readonly number[]): number => (fair ? 0 : random.pick(rates))
  return {
    brokers: random.pick([1, 2, 3, 3]),
    pieceRate: random.pick([0.02, 0.2, 0.5]),
    stallRate: rate(0, 0.0005, 0.002),
    refusedRate: rate(0, 0.02, 0.1),
    refusalRate: rate(0, 0.01, 0.05),
    hangRate: rate(0, 0.01),
    throttleRate: rate(0, 0, 0.01),
    latencyMs: random.pick([0.2, 1, 5]),
    transactions: random.pick(['version 1', 'version 1', 'version 2', 'version 2', 'upgrade', 'downgrade']),
    verifies: random.chance(0.7),
    firstEpoch: random.pick([0, 0, 0, 32_700, 32_760]),
    lagMs: random.pick([0, 20, 300]),
    loadingMs: random.pick([0, 50, 500]),
    moves: rate(0, 3, 10),
    topicIds: random.chance(0.7),
  }
}

/** Codes that Kafka answers these requests with when they are to be sent again, or when it is unknown what has happened. */
const refusals = {
  coordinator: [errors.COORDINATOR_LOAD_IN_PROGRESS, errors.COORDINATOR_NOT_AVAILABLE, errors.NOT_COORDINATOR],
  listOffsets: [
    errors.NOT_LEADER_OR_FOLLOWER,
    errors.LEADER_NOT_AVAILABLE,
    errors.UNKNOWN_TOPIC_OR_PARTITION,
    errors.KAFKA_STORAGE_ERROR,
  ],
  fetch: [
    errors.NOT_LEADER_OR_FOLLOWER,
    errors.UNKNOWN_TOPIC_OR_PARTITION,
    errors.KAFKA_STORAGE_ERROR,
    errors.UNKNOWN_SERVER_ERROR,
  ],
  produce: [
    errors.NOT_ENOUGH_REPLICAS,
    errors.NOT_ENOUGH_REPLICAS,
    errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    errors.NOT_LEADER_OR_FOLLOWER,
    errors.REQUEST_TIMED_OUT,
    errors.KAFKA_STORAGE_ERROR,
    errors.UNKNOWN_SERVER_ERROR,
  ],
  produce2: [
    errors.NOT_ENOUGH_REPLICAS,
    errors.CONCURRENT_TRANSACTIONS,
    errors.REQUEST_TIMED_OUT,
    errors.NOT_LEADER_OR_FOLLOWER,
  ],
  createTopics: [errors.NOT_CONTROLLER, errors.REQUEST_TIMED_OUT],
  deleteRecords: [errors.NOT_LEADER_OR_FOLLOWER, errors.REQUEST_TIMED_OUT, errors.OFFSET_OUT_OF_RANGE],
} as const
export type Refusable = keyof typeof refusals

export class WireWeather implements WireFaults {
  constructor(
    readonly random: SeededRandom,
    readonly climate: WireClimate,
    /** From some time on all is well. */
    private readonly calm: () => boolean,
  ) {}

  connecting(): ReturnType<WireFaults['connecting']> {
    const { random, climate } = this
    const afterMs = this.calm() ? 0.5 : climate.latencyMs * random.between(0.5, 2)
    if (this.#happens(climate.refusedRate)) return { afterMs, fate: 'refused' }
    return { afterMs, fate: this.#happens(climate.hangRate) ? 'hangs' : 'made' }
  }

  pieces(bytes: number): ReturnType<WireFaults['pieces']> {
    const { random, climate } = this
    if (!random.chance(climate.pieceRate)) return { at: [], gapMs: 0 }
    const at = Array.from({ length: 1 + random.below(3) }, () => random.below(bytes)).sort((a, b) => a - b)
    // Above what arrives together.
    return { at, gapMs: random.pick([0, 0.1, 1]) }
  }

  cutsFrameAt(bytes: number): number {
    return this.random.below(bytes)
  }
  stalls(): boolean {
    return this.#happens(this.climate.stallRate)
  }
  refuses(): boolean {
    return this.#happens(this.climate.refusalRate)
  }
  resets(): boolean {
    return this.random.chance(0.5)
  }
  worksOffWhatIsLeft(): boolean {
    return this.random.chance(0.7)
  }
  tellsItsClients(): boolean {
    return this.calm() || this.random.chance(0.8)
  }

  throttleMs(): number {
    return this.#happens(this.climate.throttleRate) ? this.random.pick([1, 20, 200]) : 0
  }
  lagMs(): number {
    return this.calm() ? 0 : this.random.between(0, this.climate.lagMs)
  }
  loadingMs(): number {
    return this.calm() ? 0 : this.random.between(0, this.climate.loadingMs)
  }
  refusal(what: Refusable): number {
    return this.random.pick(refusals[what])
  }

  #happens(rate: number): boolean {
    return !this.calm() && this.random.chance(rate)
  }
}
