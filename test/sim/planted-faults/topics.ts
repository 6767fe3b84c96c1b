/** A topic is not its name: sources, changelogs and groups that are deleted, made anew or emptied. */
import type { PlantedFault } from './planted-fault.js'

export const topicsFaults: readonly PlantedFault[] = []
