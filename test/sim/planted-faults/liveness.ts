/** Workers that are slow, stand still, or are told to stop while something is under way. */
import type { PlantedFault } from './planted-fault.js'

export const livenessFaults: readonly PlantedFault[] = []
