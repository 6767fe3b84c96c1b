/** Copies of stores, and stores that must not be trusted. */
import type { PlantedFault } from './planted-fault.js'

export const snapshotsFaults: readonly PlantedFault[] = []
