/**
 * Whether the repartitions that an application had still exist, and are the same (core/plan/topic-plan.ts, invariant
 * 4). The manifest lists them, by name and, if brokers have ids, by id; without such a manifest, the group's offsets
 * prove that a repartition was read.
 */
import { decodeOffsetNote } from '../core/commit/offset-note.js'
import type { Manifest } from '../core/plan/manifest.js'
import { doubtfulRepartitions, type DoubtfulRepartition } from '../core/plan/topic-plan.js'
import type { Names, Topology } from '../core/plan/topology.js'
import type { PotorooError } from '../errors.js'
import type { Log, TopicInfo } from '../ports/log.js'
import { repartitionLost } from './cures.js'
import { describeNew } from './new-topics.js'
import type { Ports } from './options.js'

type Asked = Pick<Log, 'describeTopics' | 'committedOffsets' | 'committedPositions' | 'bootstrapServers'>
type Environment = { readonly log: Asked } & Pick<Ports, 'clock'>

/** REPARTITION_LOST. Also finds topics that have appeared meanwhile. */
export async function lostRepartition(
  topology: Topology,
  before: Manifest | undefined,
  names: Names,
  found: Map<string, TopicInfo>,
  env: Environment,
  signal: AbortSignal,
): Promise<PotorooError | undefined> {
  for (const doubtful of doubtfulRepartitions(topology, names, found, before)) {
    const lost = await lostOne(doubtful, names, found, env, signal)
    if (lost !== undefined) return lost
  }
  return undefined
}

async function lostOne(
  { name, partitions, doubt, knownId }: DoubtfulRepartition,
  names: Names,
  found: Map<string, TopicInfo>,
  { log, clock }: Environment,
  signal: AbortSignal,
): Promise<PotorooError | undefined> {
  const lost = { group: names.group, repartition: name, partitions }
  const there = found.get(name)
  if (there !== undefined) {
    if (await isDecided(there, names, log)) return undefined
    return repartitionLost(
      lost,
      `${name} was deleted and recreated: by the manifest ${names.manifest} its id is ${String(knownId)}, and it is ` +
        `${String(there.id)} now`,
      { log },
    )
  }
  if (doubt === 'unknown' && !(await hasRead(name, partitions, names, log))) return undefined
  // Another worker that starts at the same time may have created it meanwhile.
  const appeared = (await describeNew([name], { log, clock }, signal)).get(name)
  if (appeared !== undefined) {
    found.set(name, appeared)
    return undefined
  }
  const proof = doubt === 'missing' ? `the manifest ${names.manifest} has it` : `the group ${names.group} has read it`
  return repartitionLost({ ...lost, isMissing: true }, `${name} does not exist, but ${proof}`, { log })
}

/**
 * Whether an operator has set, for each partition, where to continue in the new topic: only operators set offsets
 * there.
 */
async function isDecided({ name, id, partitions }: TopicInfo, { group }: Names, log: Asked): Promise<boolean> {
  const offsets = await log.committedOffsets(group, partitionsOf(name, partitions))
  return offsets.every((offset) => {
    if (offset === undefined) return false
    const note = decodeOffsetNote(offset.note)
    // A worker that continued from there.
    return note === undefined || note.topicId === id
  })
}

async function hasRead(name: string, partitions: number, { group }: Names, log: Asked): Promise<boolean> {
  const positions = await log.committedPositions(group, partitionsOf(name, partitions))
  return positions.some((position) => position !== undefined)
}

const partitionsOf = (topic: string, count: number) =>
  Array.from({ length: count }, (_, partition) => ({ topic, partition }))
