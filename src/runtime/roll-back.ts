/** Carries out the return to an older version of an application for good (core/plan/roll-back.ts). */
import { reconcile, type Change, type Manifest, type Reconciled } from '../core/plan/manifest.js'
import { outdatedIn, rolledBack, type Outdated } from '../core/plan/roll-back.js'
import { countsIn, refusal, unfinishedReset } from '../core/plan/topic-plan.js'
import type { Names, Topology } from '../core/plan/topology.js'
import type { Ports } from './options.js'
import { changeManifest } from './manifest-topic.js'
import { topologyInKafka } from './topology-in-kafka.js'

export interface RollBackPlan {
  /** The plans that become the newest. Empty: they already are. */
  readonly outdated: readonly Outdated[]
  /** What the newer version has and this one does not. */
  readonly leftBehind: readonly Change[]
  /** Writes the manifest. If others have changed it meanwhile, it is checked again. Rejects as `planRollBack`. */
  readonly run: (signal: AbortSignal) => Promise<void>
}

/**
 * Looks, and changes nothing. Workers of any version may run. Rejects with RESET_UNFINISHED, TOPOLOGY_INCOMPATIBLE or
 * STATE_NEWER if this version could not continue, and with MANIFEST_UNREADABLE.
 */
export async function planRollBack(
  declared: Topology,
  names: Names,
  { log, clock }: Pick<Ports, 'log' | 'clock'>,
): Promise<RollBackPlan> {
  const { found, stored, reconciled } = await topologyInKafka(declared, log, names)
  const counts = countsIn(declared, names, found)
  const possible = (manifest: Manifest | undefined, known: Reconciled): Reconciled => {
    const refused = unfinishedReset(manifest, declared) ?? refusal(known.problems)
    if (refused !== undefined) throw refused
    return known
  }
  possible(stored, reconciled)
  return {
    outdated: stored === undefined ? [] : outdatedIn(reconciled),
    leftBehind: reconciled.changes.filter(({ kind }) => kind === 'orphaned'),
    run: async (signal) => {
      if (stored === undefined) return
      await changeManifest({ log, clock, signal }, names.manifest, names.group, (there = stored) => {
        const now = possible(there, reconcile(there, declared, counts))
        return outdatedIn(now).length === 0 ? there : rolledBack(now)
      })
    },
  }
}
