/**
 * Leaders of partitions and coordinators that move, in one of three worlds: on three brokers, with leaders that were replaced
 * and continue answering, clients that are told of an election late, new leaders whose high watermark lags.
 *
 * Draws of its own: the other worlds are what they were before there was any of this.
 */
import { SeededRandom } from '../../src/memory/random.js'
import type { MemoryCluster } from '../../src/memory/cluster.js'
import type { Scheduler } from '../../src/memory/scheduler.js'

export interface LeaderTroubleEvents {
  readonly said: (what: () => string) => void
  /** A worker stops or dies: its tasks go to others. */
  readonly disturb: (random: SeededRandom) => void
}

const BROKERS = 3

export class LeaderTrouble {
  readonly #random: SeededRandom
  readonly isOn: boolean

  /** `isWire`: brokers that speak Kafka's protocol move leaders by themselves. */
  constructor(seed: number, isWire: boolean) {
    this.#random = new SeededRandom(seed ^ 0x1b873593)
    this.isOn = this.#random.chance(1 / 3) && !isWire
  }

  /** Of a world that has drawn so many. */
  brokers(drawn: number): number {
    return this.isOn ? BROKERS : drawn
  }

  /**
   * `mayBeStale`: topics that a leader which was replaced may go on answering for. With a source whose order counts it may
   * not: what its successor acknowledges meanwhile nobody can know of, and other sources go on.
   */
  plan(
    cluster: MemoryCluster,
    scheduler: Scheduler,
    /** The first is worth as much as the others together. */
    topics: readonly string[],
    mayBeStale: (topic: string) => boolean,
    forMs: number,
    { said, disturb }: LeaderTroubleEvents,
  ): void {
    if (!this.isOn) return
    const random = this.#random
    const moves = random.pick([3, 10, 40])
    for (let i = 0; i < moves; i++)
      scheduler.after(undefined, random.between(0, forMs), () => {
        const topic = random.chance(0.5) ? (topics[0] ?? '') : random.pick(topics)
        const to = random.below(BROKERS)
        const staleMs = random.pick([0, 50, 500, 3_000])
        const spreadMs = random.pick([0, 20, 300, 3_000])
        const refusesAfterMs = random.pick([0, 50, 5_000])
        const lagMs = random.pick([0, 50, 500, 2_000])
        const hidden = random.pick([0, 1, 2, 6])
        const { partitions = 0 } = cluster.describeTopic(topic) ?? {}
        if (partitions === 0) return
        const of = { topic, partition: random.below(partitions) }
        const move = { to, spreadMs, refusesAfterMs, lagMs, hidden, staleMs: mayBeStale(topic) ? staleMs : 0 }
        said(() => `another leader for ${topic}-${String(of.partition)}: ${JSON.stringify(move)}`)
        cluster.moveLeader(of, move)
        // What its successor takes meanwhile, the next owner may not be told.
        const within = random.between(50, 2_000)
        if (random.chance(0.3) && move.staleMs >= 500)
          scheduler.after(undefined, within, () => {
            disturb(random)
          })
      })
    const listings = random.pick([0, 1, 4])
    for (let i = 0; i < listings; i++)
      scheduler.after(undefined, random.between(0, forMs), () => {
        const topic = topics[0] ?? ''
        const { partitions = 0 } = cluster.describeTopic(topic) ?? {}
        if (partitions === 0) return
        const of = { topic, partition: random.below(partitions) }
        const ms = random.pick([100, 1_000, 3_000])
        said(() => `${topic}-${String(of.partition)} is listed as it ends now for ${String(ms)} ms`)
        cluster.keepListing(of, ms)
        scheduler.after(undefined, random.between(20, ms), () => {
          disturb(random)
        })
      })
    const coordinators = random.pick([0, 1, 4])
    for (let i = 0; i < coordinators; i++)
      scheduler.after(undefined, random.between(0, forMs), () => {
        const to = random.below(BROKERS)
        const loadsMs = random.pick([0, 20, 500])
        said(() => `broker ${String(to)} coordinates, once it has loaded for ${String(loadsMs)} ms`)
        cluster.moveCoordinator(to, loadsMs)
      })
  }
}
