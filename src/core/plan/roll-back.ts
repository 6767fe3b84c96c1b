/**
 * Going back to an older version of an application for good. Workers with an older plan of a sub-topology stand still once a
 * newer one has processed in it (TOPOLOGY_OUTDATED): what state objects of the newer one miss, nobody could say later. That
 * is an operator's to decide: the plans of the older version are listed once more, as the newest (manifest.ts, invariant 4).
 *
 * Positions of sources that the older version does not read, and state objects that it does not know, stay as they are: the
 * newer version continues with them when it is made the newest in turn. What was processed in between, these state objects have
 * missed. Versions of state objects have no way back (STATE_NEWER), nor have changes that were refused.
 */
import { PotorooError } from '../../errors.js'
import type { Manifest, Reconciled } from './manifest.js'

/** A sub-topology of which the manifest has a newer plan than this version of the application. */
export interface Outdated {
  readonly name: string
  readonly plan: number
  readonly newest: number
}

export const outdatedIn = ({ manifest, plans }: Pick<Reconciled, 'manifest' | 'plans'>): readonly Outdated[] =>
  manifest.subTopologies.flatMap(({ name, plans: listed = [] }) => {
    const plan = plans.get(name)?.number
    const newest = listed.length - 1
    return plan === undefined || plan >= newest ? [] : [{ name, plan, newest }]
  })

/** The same manifest where this version is the newest already. */
export function rolledBack({ manifest, plans }: Pick<Reconciled, 'manifest' | 'plans'>): Manifest {
  const outdated = new Set(outdatedIn({ manifest, plans }).map(({ name }) => name))
  if (outdated.size === 0) return manifest
  return {
    ...manifest,
    generation: manifest.generation + 1,
    subTopologies: manifest.subTopologies.map((entry) => {
      const hash = outdated.has(entry.name) ? plans.get(entry.name)?.hash : undefined
      return hash === undefined ? entry : { ...entry, plans: [...(entry.plans ?? []), hash] }
    }),
  }
}

/** What a worker of this version says, or does not start to find out. */
export const outdatedProblems = (application: string, outdated: readonly Outdated[]): readonly PotorooError[] =>
  outdated.map(
    ({ name, plan, newest }) =>
      new PotorooError(
        'TOPOLOGY_OUTDATED',
        `sub-topology ${name} of ${application}: this version has plan ${String(plan)}, and the manifest has a newer one, ${String(newest)}: ` +
          'tasks in which workers of that have processed anything would stand still',
      ),
  )
