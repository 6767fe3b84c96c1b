/** Leaders that move, answers of stale ones, high watermarks that lag, logs that are truncated. */
import type { PlantedFault } from './planted-fault.js'

export const leadersFaults: readonly PlantedFault[] = []
