/** Faults drawn from the seed: how long requests and writes take, which are lost, and in the midst of which a process dies. */
import type { Api, Fate, Faults, RequestInfo, WriteFate } from '../../src/memory/faults.js'
import type { SeededRandom } from '../../src/memory/random.js'

export interface Climate {
  /** Of requests that go wrong in some way. */
  readonly faultRate: number
  /** Of steps of commits and hand-offs in the midst of which the process dies. */
  readonly crashRate: number
  /** Of requests that take seconds. */
  readonly lateRate: number
  readonly latencyMs: number
  /** Of partitions of a fetch that a broker comes to some time after the one before. */
  readonly readPauseRate: number
  readonly markerMs: number
  readonly diskMs: number
  readonly diskFullRate: number
}

export function drawClimate(random: SeededRandom): Climate {
  const fair = random.chance(0.25)
  return {
    faultRate: fair ? 0 : random.pick([0, 0.002, 0.01, 0.05]),
    crashRate: fair ? 0 : random.pick([0, 0.002, 0.01]),
    lateRate: fair ? 0 : random.pick([0, 0.001, 0.005]),
    latencyMs: random.pick([0.2, 1, 5, 20]),
    markerMs: random.pick([0.2, 2, 30, 300]),
    diskMs: random.pick([0.2, 2, 30, 300]),
    diskFullRate: fair ? 0 : random.pick([0, 0, 0.002]),
    readPauseRate: random.pick([0, 0.02, 0.2]),
  }
}

/** Where a crash is worth most. */
const crashPoints: ReadonlySet<Api> = new Set<Api>([
  'initProducerId',
  'addPartitionsToTxn',
  'addOffsetsToTxn',
  'produce',
  'txnOffsetCommit',
  'endTxn',
  'listOffsets',
  'offsetFetch',
  'joinGroup',
  'syncGroup',
  'leaveGroup',
])

const requestFaults = ['request-lost', 'answer-lost', 'cut', 'refused'] as const
/** An end that comes late meets the transaction after it: worth more than its share, because it has to hit few milliseconds. */
const endFaults = [...requestFaults, 'cut', 'cut', 'cut', 'cut'] as const

/** So late that somebody may have given up on it. */
const LATE_MS = 1_000

export const groupRequests: ReadonlySet<Api> = new Set<Api>(['joinGroup', 'syncGroup', 'heartbeat', 'leaveGroup'])

/** A good part of what a worker waits for before it says that a transaction is open. */
const LATE_MARKER_MS = 2_000

export interface WeatherEvents {
  /** That process dies, after so many ms; 0: now. */
  crash(process: string, why: string, afterMs: number): void
  said(what: () => string): void
  /** A request is on its way. `wrong`: it is lost, refused, late or not answered. */
  sent(request: RequestInfo, wrong: boolean): void
  writeFailed(process: string): void
  /** A transaction that has been decided stays open for seconds. */
  markerIsLate(): void
}

export class Weather implements Faults {
  /** From here on all is well. */
  calm = false
  /** Processes that don't reach the group coordinator, though they reach everybody else. */
  readonly cutOff = new Set<string>()

  constructor(
    private readonly random: SeededRandom,
    private readonly climate: Climate,
    private readonly events: WeatherEvents,
  ) {}

  request(request: RequestInfo): Fate {
    const fate = this.#fate(request)
    this.events.sent(request, fate.fault !== undefined || fate.toBrokerMs + fate.toClientMs > LATE_MS)
    this.events.said(
      () =>
        `${request.process} → ${String(request.broker)} ${request.api} ${request.subject} ` +
        `(${fate.toBrokerMs.toFixed(1)}/${fate.toClientMs.toFixed(1)} ms${fate.fault === undefined ? '' : `, ${fate.fault}`})`,
    )
    return fate
  }

  readMs(): number {
    const { climate, random } = this
    return this.calm || !random.chance(climate.readPauseRate) ? 0 : random.between(0, 20)
  }

  markerMs(): number {
    if (this.calm) return 0.5
    const ms = this.#about(this.climate.markerMs)
    if (ms >= LATE_MARKER_MS) this.events.markerIsLate()
    return ms
  }

  write({ process, task }: { readonly process: string; readonly task: string }): WriteFate {
    const { climate, random } = this
    if (this.calm) return { durableAfterMs: 0.5, knownAfterMs: 0.2 }
    const fate = { durableAfterMs: this.#about(climate.diskMs), knownAfterMs: this.#about(climate.diskMs) }
    if (random.chance(climate.crashRate)) {
      const atMs = random.next() * (fate.durableAfterMs + fate.knownAfterMs) * 1.2
      this.events.crash(process, `while the store of ${task} is written`, atMs)
    }
    const fails = random.chance(climate.diskFullRate)
    if (fails) this.events.writeFailed(process)
    if (fails) this.events.said(() => `${process}: a write of ${task} fails`)
    return { ...fate, fails }
  }

  openMs(): number {
    return this.calm ? 0.5 : this.#about(this.climate.diskMs)
  }

  #fate(request: RequestInfo): Fate {
    const { random, climate } = this
    if (this.cutOff.has(request.process) && groupRequests.has(request.api))
      return { toBrokerMs: 1, toClientMs: 1, fault: 'request-lost' }
    if (this.calm) return { toBrokerMs: 0.3, toClientMs: 0.3 }
    const toBrokerMs = random.chance(climate.lateRate) ? random.between(100, 15_000) : this.#about(climate.latencyMs)
    const toClientMs = random.chance(climate.lateRate) ? random.between(100, 5_000) : this.#about(climate.latencyMs)
    let fault: Fate['fault']
    const ends = request.api === 'endTxn'
    if (random.chance(climate.faultRate * (ends ? 2 : 1))) fault = random.pick(ends ? endFaults : requestFaults)
    // What is under way still when its sender has given up on it comes late, and must change nothing.
    if (fault === 'cut')
      return {
        toBrokerMs: random.pick([toBrokerMs, random.between(1, 50), random.between(1, ends ? 400 : 3_000)]),
        toClientMs,
        fault,
      }
    if (crashPoints.has(request.api) && random.chance(climate.crashRate)) {
      const atMs = random.pick([0, random.next() * toBrokerMs, toBrokerMs + random.next() * toClientMs])
      if (atMs === 0) fault = 'request-lost'
      this.events.crash(request.process, `at ${request.api} of ${request.subject}`, atMs)
    }
    return { toBrokerMs, toClientMs, fault }
  }

  /** Mostly near it, now and then far above. */
  #about(ms: number): number {
    const { random } = this
    return random.chance(0.05) ? ms * random.between(2, 20) : ms * random.between(0.5, 1.5)
  }
}
