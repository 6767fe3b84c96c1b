/** Requests and records that brokers refuse, throttle or can not take. */
import type { PlantedFault } from './planted-fault.js'

export const refusalsFaults: readonly PlantedFault[] = []
