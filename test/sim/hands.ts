/** A worker's place in a simulated world, and what those may do to the world who draw its trouble. */
import type { MemoryCluster } from '../../src/memory/cluster.js'
import type { Scheduler, SimulatedProcess } from '../../src/memory/scheduler.js'
import type { MemoryDisk } from '../../src/memory/stores.js'
import type { Worker } from '../../src/runtime/worker.js'
import type { Chronicle } from './warnings.js'
import type { Weather } from './weather.js'

export interface Slot {
  readonly name: string
  readonly disk: MemoryDisk
  process: SimulatedProcess | undefined
  worker: Worker | undefined
  lives: number
  /** Of the application, that its next life runs. */
  version: 'first' | 'later' | 'incompatible'
  /** It is to be started again when it is down. */
  wanted: boolean
}

/** Of the world: it continues from here. */
export interface Hands {
  readonly scheduler: Scheduler
  readonly cluster: MemoryCluster
  readonly weather: Weather
  readonly slots: readonly Slot[]
  readonly chronicle: Chronicle
  addSlot(afterMs: number): Slot
  stop(slot: Slot): void
  /** It is started again some time later. */
  kill(slot: Slot, what: string): void
  gone(slot: Slot, restartAfterMs: number): void
  restartBroker(broker: number, downMs: number): void
  say(what: () => string): void
}
