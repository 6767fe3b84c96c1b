/** One simulated Kafka cluster: its brokers, and clients to them. */
import { Brokers } from './brokers.js'
import { MemoryLog } from './log.js'
import type { BrokersOptions } from './brokers.js'
import type { MemoryLogOptions } from './log.js'
import type { Log } from '../ports/log.js'

export type MemoryClusterOptions = BrokersOptions

export class MemoryCluster extends Brokers {
  /** A client of its own, with its own connections. */
  log(options: MemoryLogOptions): Log {
    return new MemoryLog(this, options)
  }
}
