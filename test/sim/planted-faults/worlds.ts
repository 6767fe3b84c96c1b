/** Transactions of version 2, tasks without a changelog, several state objects, timestamps of any kind. */
import type { PlantedFault } from './planted-fault.js'

export const worldsFaults: readonly PlantedFault[] = []
