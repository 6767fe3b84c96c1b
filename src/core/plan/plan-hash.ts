/**
 * What tells two versions of a sub-topology apart: what decides which messages belong to which task, and which state objects
 * come of them, also after a repartition. Not code: other code may follow on the same state objects. The order of declaration says nothing, either;
 * nor do upgrades of state objects, which have an order of their own (PlanOfSubTopology).
 */
import { fingerprint } from '../records/fingerprint.js'

export interface HashedPlan {
  readonly name: string
  readonly partitions: number
  readonly partitioner?: string | undefined
  readonly sources: readonly { readonly topic: string; readonly isRepartition: boolean }[]
  readonly states: readonly { readonly name: string }[]
}

/** `repartitions`: those that it writes to. */
export const planHash = (
  { name, partitions, partitioner, sources, states }: HashedPlan,
  repartitions: readonly string[],
): string =>
  fingerprint(
    JSON.stringify([
      name,
      partitions,
      partitioner ?? '',
      sources.map(({ topic, isRepartition }) => `${isRepartition ? 'repartition' : 'topic'} ${topic}`).sort(),
      states.map((state) => state.name).sort(),
      [...repartitions].sort(),
    ]),
  )
