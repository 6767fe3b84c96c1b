/** Why a worker would refuse the topics that it finds (core/plan/topic-plan.ts). It reads, and changes nothing. */
import {
  missingChangelogs,
  missingTopics,
  unfinishedReset,
  unfitTopics,
  type MissingChangelog,
} from '../core/plan/topic-plan.js'
import type { Names, Topology } from '../core/plan/topology.js'
import type { PotorooError } from '../errors.js'
import type { Log } from '../ports/log.js'
import { changelogLost } from './cures.js'
import { describeNew } from './new-topics.js'
import type { Ports } from './options.js'
import { lostRepartition } from './repartitions.js'
import type { TopologyInKafka } from './topology-in-kafka.js'

export type RefusalsEnvironment = {
  readonly log: Pick<Log, 'describeTopics' | 'committedOffsets' | 'committedPositions' | 'bootstrapServers'>
  readonly stores: Pick<Ports['stores'], 'directory'>
} & Pick<Ports, 'clock'>

/**
 * Why a worker with this topology would not start. Only the first kind of reason that applies, because later checks
 * depend on earlier ones: TOPIC_MISSING, RESET_UNFINISHED, REPARTITION_LOST, TOPOLOGY_INCOMPATIBLE, STATE_NEWER,
 * PARTITION_COUNTS_DIFFER, CHANGELOG_UNFIT or CHANGELOG_LOST. Topics that have appeared meanwhile are added to `found`.
 */
export async function refusals(
  declared: Topology,
  { found, stored, before, reconciled }: TopologyInKafka,
  names: Names,
  env: RefusalsEnvironment,
  signal: AbortSignal,
): Promise<readonly PotorooError[]> {
  const { topology } = reconciled
  const early = missingTopics(declared, names, found) ?? unfinishedReset(stored, declared)
  if (early !== undefined) return [early]
  // Before the manifest is compared: a missing one may have been created with another number of partitions.
  const repartition = await lostRepartition(topology, before, names, found, env, signal)
  if (repartition !== undefined) return [repartition]
  if (reconciled.problems.length > 0) return reconciled.problems
  const unfit = unfitTopics(topology, names, found)
  if (unfit.length > 0) return unfit
  for (const changelog of missingChangelogs(topology, names, found, before)) {
    const lost = await lostChangelog(changelog, names, env, signal)
    if (lost !== undefined) return [lost]
  }
  return []
}

/** To continue without a changelog that existed would mean to continue without its state. */
async function lostChangelog(
  { subTopology, name, partitions, isInManifest }: MissingChangelog,
  names: Names,
  env: RefusalsEnvironment,
  signal: AbortSignal,
): Promise<PotorooError | undefined> {
  const { sources } = subTopology
  const all = sources.flatMap(({ topic }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic: names.topic(topic.name), partition })),
  )
  const isRead = async () => (await env.log.committedPositions(names.group, all)).some((one) => one !== undefined)
  if (!isInManifest && !(await isRead())) return undefined
  // Another worker that starts at the same time may have created it meanwhile.
  if ((await describeNew([name], env, signal)).has(name)) return undefined
  const proof = isInManifest ? `the manifest ${names.manifest} has it` : `the group ${names.group} has read its sources`
  return changelogLost(
    {
      group: names.group,
      changelog: name,
      isMissing: true,
      sources: sources.flatMap(({ topic, isRepartition }) =>
        isRepartition ? [] : [{ topic: names.topic(topic.name) }],
      ),
    },
    `${name} does not exist, but ${proof}: the state objects are gone`,
    env,
  )
}
