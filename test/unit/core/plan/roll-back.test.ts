/** src/core/plan/roll-back.ts: an older version of an application is made the newest. */
import { describe, expect, it } from 'vitest'
import { application, definitionOf } from '../../../../src/api/application.js'
import { from, type Pipeline } from '../../../../src/api/stream.js'
import { stateObject } from '../../../../src/api/state-object.js'
import { topic } from '../../../../src/api/topic.js'
import { reconcile, type Manifest } from '../../../../src/core/plan/manifest.js'
import { partitionCounts } from '../../../../src/core/plan/partition-counts.js'
import { outdatedIn, outdatedProblems, rolledBack } from '../../../../src/core/plan/roll-back.js'
import { topologyOf, type Topology } from '../../../../src/core/plan/topology.js'
import { anySchema } from '../../../support/schemas.js'

const named = (name: string) => topic(name, { schema: anySchema<{ id: string }>(), key: ({ id }) => id })
const [a, b] = [named('a'), named('b')]
const [s, t, u] = ['s', 't', 'u'].map((name) => stateObject(name, () => ({ n: 0 }))) as [
  ReturnType<typeof stateObject>,
  ReturnType<typeof stateObject>,
  ReturnType<typeof stateObject>,
]
const into = (source: typeof a, state: typeof s): Pipeline => from(source).to(state, () => undefined)
const version = (...pipelines: readonly [Pipeline, ...Pipeline[]]): Topology =>
  topologyOf(definitionOf(application('app', ...pipelines)))
const on = (manifest: Manifest | undefined, topology: Topology) =>
  reconcile(
    manifest,
    topology,
    partitionCounts(topology.subTopologies, () => 4),
  )

const older = version(into(a, s), into(b, u))
const newer = version(into(a, s), into(a, t), into(b, u))
const both = on(on(undefined, older).manifest, newer).manifest

describe('an older version', () => {
  it('is outdated where the manifest has a newer plan, and nowhere else', () => {
    expect(outdatedIn(on(both, older))).toEqual([{ name: 's', plan: 0, newest: 1 }])
    expect(outdatedIn(on(both, newer))).toEqual([])
    expect(outdatedIn(on(undefined, older))).toEqual([])
    expect(outdatedProblems('app', outdatedIn(on(both, older))).map(({ code, message }) => [code, message])).toEqual([
      ['TOPOLOGY_OUTDATED', expect.stringContaining('sub-topology s of app: this version has plan 0')],
    ])
  })

  it('is the newest once it was rolled back to, and the other one the older, until that is', () => {
    const back = rolledBack(on(both, older))
    expect(back.generation).toBe(both.generation + 1)
    const plans = (manifest: Manifest) =>
      [older, newer].map((topology) => on(manifest, topology).plans.get('s')?.number)
    expect([plans(both), plans(back)]).toEqual([
      [0, 1],
      [2, 1],
    ])
    // Nobody changes it by starting.
    for (const topology of [older, newer]) expect(on(back, topology).manifest).toBe(back)
    const forward = rolledBack(on(back, newer))
    expect(plans(forward)).toEqual([2, 3])
    // What has not changed is listed as it was.
    const ofU = ({ subTopologies }: Manifest) => subTopologies.find(({ name }) => name === 'u')
    expect(ofU(forward)).toEqual(ofU(both))
  })

  it('that is the newest already changes nothing', () => {
    expect(rolledBack(on(both, newer))).toBe(both)
  })
})
