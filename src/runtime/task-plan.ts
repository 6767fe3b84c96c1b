/** A task's place in Kafka: what it reads and writes, under which names. */
import type { KnownSubTopology } from '../core/group/assignor.js'
import type { PlanOfSubTopology } from '../core/plan/manifest.js'
import type { MarkedTopic } from '../core/processing/marks.js'
import type { ProcessorPlan } from '../core/processing/processor.js'
import type { BroadcastPlan } from './broadcasts.js'
import type { VersionsInUse } from './versions-in-use.js'

export interface TaskSource {
  readonly topic: string
  /** Undefined where brokers have no ids. */
  readonly id?: string | undefined
  readonly start: 'earliest' | 'latest'
  /** Whether it is a repartition: then its position is the changelog's alone, and what is behind that is purged. */
  readonly isRepartition: boolean
}

/** How time comes to a task, and continues from it: see core/plan/time-flow.ts. */
export interface TaskTime {
  /** In the order of the sources: the tasks that say in it how far they are; none: time does not wait for it. Undefined for topics. */
  readonly writers: readonly (readonly string[] | undefined)[]
  /** Repartitions that it says so in. */
  readonly marks: readonly MarkedTopic[]
}

export interface TaskPlan {
  readonly id: string
  readonly partition: number
  readonly transactionalId: string
  readonly group: string
  /** Which version of its sub-topology it belongs to. */
  readonly version: PlanOfSubTopology
  /** In the order of declaration; topics by their names in Kafka. */
  readonly sources: readonly TaskSource[]
  /** Undefined for a sub-topology without state. */
  readonly changelog:
    { readonly topic: string; readonly id?: string | undefined; readonly deleteRetentionMs: number } | undefined
  /** Undefined where it has no time. */
  readonly time?: TaskTime | undefined
  /** Of its state objects, where some are newer than the manifest knows; it is to be told before they are committed. */
  readonly versions?: VersionsInUse | undefined
  /** Of its sub-topology; the worker reads them. */
  readonly broadcasts: readonly BroadcastPlan[]
  readonly processor: Omit<ProcessorPlan, 'load' | 'storeWasEmpty' | 'maxStateBytes' | 'secret' | 'lookUp'>
}

/** What a worker with these plans tells the group that it knows. */
export const knownIn = (plans: Iterable<TaskPlan>): readonly KnownSubTopology[] => [
  ...new Map(
    [...plans].map(({ version, processor }) => {
      const { name } = processor.subTopology
      const { number: plan, hash, upgrades } = version
      return [name, { name, partitions: processor.partitions, plan, hash, upgrades }]
    }),
  ).values(),
]
