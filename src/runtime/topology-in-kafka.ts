/** An application's topology, and what Kafka has of it: for workers, and for the command line. */
import type { Manifest, Reconciled } from '../core/plan/manifest.js'
import { comparedWithKafka, topicNames } from '../core/plan/topic-plan.js'
import type { Names, Topology } from '../core/plan/topology.js'
import type { Log, TopicInfo } from '../ports/log.js'
import { readManifest } from './manifest-topic.js'

export type ReadingLog = Pick<Log, 'describeTopics' | 'listOffsets' | 'fetcher'>

/** An application's topology beside what Kafka has of it. */
export interface TopologyInKafka {
  readonly reconciled: Reconciled
  /** The manifest that is there, and what it is taken to be where there is none. */
  readonly stored: Manifest | undefined
  readonly before: Manifest | undefined
  /** The topics that exist, by their names in Kafka. */
  readonly found: Map<string, TopicInfo>
}

/** Reads, and changes nothing. Throws MANIFEST_UNREADABLE. */
export async function topologyInKafka(
  declared: Topology,
  log: ReadingLog,
  names: Names,
  signal: AbortSignal = new AbortController().signal,
): Promise<TopologyInKafka> {
  const found = new Map(await log.describeTopics(topicNames(declared, names)))
  const stored = found.has(names.manifest) ? await readManifest(log, names.manifest, signal) : undefined
  const { reconciled, before } = comparedWithKafka(declared, names, found, stored)
  // What has another name than it would have today may have its topics under it.
  const renamed = topicNames(reconciled.topology, names).filter((name) => !found.has(name))
  for (const [name, info] of await log.describeTopics(renamed)) found.set(name, info)
  return { reconciled, stored, before, found }
}
