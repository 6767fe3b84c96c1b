/**
 * Faults to plant, each a breach of one numbered step or invariant: what the simulation is good for shows in that it
 * finds them all. Texts that are not in the sources any more make the test fail: plant again where the code went.
 */
import { broadcastsFaults } from './broadcasts.js'
import { calledTimeFaults, slowClocksFaults } from './called-time.js'
import { callsFaults } from './calls.js'
import { changesFaults } from './changes.js'
import { formatsFaults } from './formats.js'
import { frontiersFaults } from './frontiers.js'
import { joinsFaults } from './joins.js'
import { leadersFaults } from './leaders.js'
import { livenessFaults } from './liveness.js'
import { pairsFaults } from './pairs.js'
import { protocolFaults } from './protocol.js'
import { queriesFaults } from './queries.js'
import { refusalsFaults } from './refusals.js'
import { replaysFaults } from './replays.js'
import { routingFaults } from './routing.js'
import { snapshotsFaults } from './snapshots.js'
import { timeFaults } from './time.js'
import { topicsFaults } from './topics.js'
import { upgradesFaults } from './upgrades.js'
import { windowsFaults } from './windows.js'
import { wireFaults } from './wire.js'
import { worldsFaults } from './worlds.js'
import type { PlantedFault } from './planted-fault.js'

export type { PlantedFault } from './planted-fault.js'

export const plantedFaults: readonly PlantedFault[] = [
  ...protocolFaults,
  ...topicsFaults,
  ...leadersFaults,
  ...refusalsFaults,
  ...livenessFaults,
  ...snapshotsFaults,
  ...upgradesFaults,
  ...worldsFaults,
  ...wireFaults,
  ...routingFaults,
  ...timeFaults,
  ...changesFaults,
  ...formatsFaults,
  ...replaysFaults,
  ...joinsFaults,
  ...pairsFaults,
  ...windowsFaults,
  ...queriesFaults,
  ...callsFaults,
  ...frontiersFaults,
  ...broadcastsFaults,
  ...calledTimeFaults,
  ...slowClocksFaults,
]
