/**
 * Whether the repartitions that an application had are there, and are those that it had (core/plan/topic-plan.ts, invariant 4).
 * What it had, the manifest says, by name and, where brokers have ids, by id; where there is no manifest that does, the
 * group's offsets prove that it was read.
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

/** REPARTITION_LOST. What has appeared meanwhile is found, too. */
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
  // Of workers that start at the same time, another one may have made it since.
  const appeared = (await describeNew([name], { log, clock }, signal)).get(name)
  if (appeared !== undefined) {
    found.set(name, appeared)
    return undefined
  }
  const proof = doubt === 'missing' ? `the manifest ${names.manifest} has it` : `the group ${names.group} has read it`
  return repartitionLost({ ...lost, isMissing: true }, `${name} does not exist, but ${proof}`, { log })
}

/** Whether somebody has said of each partition where to continue in the new topic: only an operator's hand sets offsets there. */
async function isDecided({ name, id, partitions }: TopicInfo, { group }: Names, log: Asked): Promise<boolean> {
  const offsets = await log.committedOffsets(group, partitionsOf(name, partitions))
  return offsets.every((offset) => {
    if (offset === undefined) return false
    const note = decodeOffsetNote(offset.note)
    // A worker that went on from there.
    return note === undefined || note.topicId === id
  })
}

async function hasRead(name: string, partitions: number, { group }: Names, log: Asked): Promise<boolean> {
  const positions = await log.committedPositions(group, partitionsOf(name, partitions))
  return positions.some((position) => position !== undefined)
}

const partitionsOf = (topic: string, count: number) =>
  Array.from({ length: count }, (_, partition) => ({ topic, partition }))
