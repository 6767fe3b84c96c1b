/**
 * Whether the repartitions that an application had are there, and are those that it had. Messages that are on their way are
 * nowhere else, so one that is missing, or that was made anew, is no new one. What it had, the manifest says, by name and,
 * where brokers have ids, by id; where there is no manifest that does, the group's offsets prove that it was read.
 */
import { decodeOffsetNote } from '../core/commit/offset-note.js'
import type { Manifest, ManifestSource } from '../core/plan/manifest.js'
import type { namesOf, SubTopology } from '../core/plan/topology.js'
import type { Log, TopicInfo } from '../ports/log.js'
import { repartitionLost } from './cures.js'
import { describeNew } from './new-topics.js'
import type { Ports } from './options.js'

type Names = ReturnType<typeof namesOf>

/** Throws REPARTITION_LOST. What has appeared meanwhile is found, too. `counts`: how many partitions each has to have, by what reads it. */
export async function requireRepartitions(
  manifest: Manifest | undefined,
  counts: ReadonlyMap<SubTopology, number>,
  names: Names,
  found: Map<string, TopicInfo>,
  { log, clock }: Pick<Ports, 'log' | 'clock'>,
  signal: AbortSignal,
): Promise<void> {
  for (const [sub, count] of counts) {
    const entry = manifest?.subTopologies.find(({ sources }) =>
      sources.some(({ topic }) => sub.sources.some((source) => source.isRepartition && source.topic.name === topic)),
    )
    for (const { topic } of sub.sources.filter((source) => source.isRepartition)) {
      const name = names.topic(topic.name)
      const known = entry?.sources.find((source) => source.isRepartition && source.topic === topic.name)
      const partitions = known === undefined ? count : (entry?.partitions ?? count)
      const lost = { group: names.group, repartition: name, partitions }
      const info = found.get(name)
      if (info !== undefined) {
        if (!isAnother(info, known) || (await isDecided(info, names, log))) continue
        throw repartitionLost(
          lost,
          `${name} was deleted and made anew: by the manifest ${names.manifest} its id is ${String(known?.topicId)}, and it is ` +
            `${String(info.id)} now`,
          { log },
        )
      }
      const proof =
        known !== undefined
          ? `the manifest ${names.manifest} has it`
          : (await hasRead(name, partitions, names, log))
            ? `the group ${names.group} has read it`
            : undefined
      if (proof === undefined) continue
      // Of workers that start at the same time, another one may have made it since.
      const appeared = (await describeNew([name], { log, clock }, signal)).get(name)
      if (appeared !== undefined) found.set(name, appeared)
      else throw repartitionLost({ ...lost, isMissing: true }, `${name} does not exist, but ${proof}`, { log })
    }
  }
}

const isAnother = ({ id }: TopicInfo, known: ManifestSource | undefined): boolean =>
  id !== undefined && known?.topicId !== undefined && known.topicId !== id

/** Whether somebody has said of each partition where to go on in the new topic: only an operator's hand sets offsets there. */
async function isDecided({ name, id, partitions }: TopicInfo, { group }: Names, log: Log): Promise<boolean> {
  const offsets = await log.committedOffsets(group, partitionsOf(name, partitions))
  return offsets.every((offset) => {
    if (offset === undefined) return false
    const note = decodeOffsetNote(offset.note)
    // A worker that went on from there.
    return note === undefined || note.topicId === id
  })
}

async function hasRead(name: string, partitions: number, { group }: Names, log: Log): Promise<boolean> {
  const positions = await log.committedPositions(group, partitionsOf(name, partitions))
  return positions.some((position) => position !== undefined)
}

const partitionsOf = (topic: string, count: number) =>
  Array.from({ length: count }, (_, partition) => ({ topic, partition }))
