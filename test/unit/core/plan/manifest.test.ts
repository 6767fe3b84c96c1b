/** src/core/plan/manifest.ts: what becomes of an application that is changed. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { application, definitionOf } from '../../../../src/api/application.js'
import { from, intervalJoin, type Pipeline } from '../../../../src/api/stream.js'
import { stateObject } from '../../../../src/api/state-object.js'
import { topic } from '../../../../src/api/topic.js'
import { session, tumbling, windowed } from '../../../../src/api/windows.js'
import {
  decodeManifest,
  encodeManifest,
  manifestBefore,
  reconcile,
  versionsBeyond,
  withVersions,
  type Manifest,
  type Reconciled,
} from '../../../../src/core/plan/manifest.js'
import { partitionCounts } from '../../../../src/core/plan/partition-counts.js'
import { topologyOf, type Topology } from '../../../../src/core/plan/topology.js'
import { isPotorooError } from '../../../../src/errors.js'
import { anySchema } from '../../../support/schemas.js'

interface Item {
  readonly id: string
}
const named = (name: string, partitioner: 'murmur2' | 'xxh64' = 'murmur2') =>
  topic(name, { schema: anySchema<Item>(), key: (item) => item.id, partitioner })
const [a, b, c, out] = [named('a'), named('b'), named('c'), named('out')]
const states = new Map(['s', 't', 'u'].map((name) => [name, stateObject(name, () => ({ n: 0 }))]))
const state = (name: string) => states.get(name) ?? expect.unreachable(name)
const into = (source: typeof a, name: string): Pipeline => from(source).to(state(name), () => undefined)
const rekeyed = (source: typeof a, name: string): Pipeline =>
  from(source)
    .keyBy((item) => item.id)
    .to(state(name), () => undefined)

const topologyWith = (...pipelines: readonly [Pipeline, ...Pipeline[]]): Topology =>
  topologyOf(definitionOf(application('app', ...pipelines)))
const with8 = (topology: Topology) => partitionCounts(topology.subTopologies, () => 8)
const change = (manifest: Manifest | undefined, topology: Topology): Reconciled =>
  reconcile(manifest, topology, with8(topology))
const after = (...pipelines: readonly [Pipeline, ...Pipeline[]]): Manifest =>
  change(undefined, topologyWith(...pipelines)).manifest

const namesOf = ({ topology }: Reconciled): string[] =>
  topology.subTopologies.map(({ name, states: all }) => `${name}: ${all.map((one) => one.name).join()}`)
const refused = ({ problems }: Reconciled): string =>
  problems
    .map((problem) => (isPotorooError(problem, 'TOPOLOGY_INCOMPATIBLE') ? problem.message : 'another error'))
    .join('\n')

describe('a manifest', () => {
  it('is the same after it was written and read', () => {
    const manifest = after(into(a, 's'), rekeyed(b, 't'), from(c).sink(a))
    expect(decodeManifest(Buffer.from(encodeManifest(manifest)), 'here')).toEqual(manifest)
  })

  it.each([
    '',
    '{',
    '{"v":2,"generation":1,"subTopologies":[]}',
    '{"v":1,"generation":1,"subTopologies":[{}]}',
    'null',
  ])('that is none of this version is refused: %s', (text) => {
    expect(() => decodeManifest(Buffer.from(text), 'app-manifest')).toThrow(
      expect.toSatisfy((error) => isPotorooError(error, 'MANIFEST_UNREADABLE')),
    )
  })

  it('stays the one that it is where nothing changes, in whatever order pipelines stand', () => {
    const manifest = after(into(a, 's'), into(b, 't'))
    expect(change(manifest, topologyWith(into(b, 't'), into(a, 's'))).manifest).toBe(manifest)
  })

  it('refuses another withinMs of an interval join, as it does another stretch of windows: what is open is of the old one', () => {
    const join = (withinMs: number, name = 'near') => intervalJoin(name, from(a), from(b), { withinMs }).left.sink(out)
    const nothing = (): undefined => undefined
    const tumble = (sizeMs: number) =>
      from(a).to(
        windowed('w', tumbling(sizeMs), () => ({ n: 0 })),
        nothing,
      )
    const visits = from(a).to(
      windowed('w', session(60_000), () => ({ n: 0 }), { merge: nothing }),
      nothing,
    )
    const near = after(join(60_000))
    expect(change(near, topologyWith(join(60_000))).manifest).toBe(near)
    for (const withinMs of [59_999, 60_001, 0])
      expect(refused(change(near, topologyWith(join(withinMs))))).toContain(
        `has within(60000) as near, and would have within(${String(withinMs)}) now`,
      )
    // Under another name it is another one.
    expect(change(near, topologyWith(join(60_001, 'nearer'))).problems).toEqual([])
    const minutes = after(tumble(60_000))
    for (const [windows, text] of [
      [tumble(30_000), 'tumbling(30000)'],
      [visits, 'session(60000)'],
    ] as const)
      expect(refused(change(minutes, topologyWith(windows)))).toContain(
        `has tumbling(60000) as w, and would have ${text} now`,
      )
    // A join is no state object of computations.
    expect(refused(change(after(join(60_000, 's')), topologyWith(into(a, 's'))))).toContain(
      'has within(60000) as s, and would have no windows now',
    )
  })

  it('keeps what the application has no more, so that both versions of a rolling deployment find it as they know it', () => {
    const manifest = after(into(a, 's'), into(b, 't'))
    const { manifest: smaller, changes, problems } = change(manifest, topologyWith(into(a, 's')))
    expect([smaller, problems]).toEqual([manifest, []])
    expect(changes).toContainEqual({ kind: 'orphaned', what: 'sub-topology', name: 't' })
  })
})

describe('names stay what they were', () => {
  it('where a state object is declared in front', () => {
    const now = change(after(into(a, 's')), topologyWith(into(a, 't'), into(a, 's')))
    expect([namesOf(now), refused(now)]).toEqual([['s: t,s'], ''])
  })
  it('where a state object is renamed: it is a new one, in the same changelog', () => {
    const now = change(after(into(a, 's')), topologyWith(into(a, 't')))
    expect([namesOf(now), refused(now)]).toEqual([['s: t'], ''])
    expect(now.changes).toContainEqual({ kind: 'orphaned', what: 'state object', name: 's' })
  })
  it('where state comes to what had none: the fences are the same', () => {
    const now = change(after(from(a).sink(c)), topologyWith(from(a).sink(c), into(a, 's')))
    expect([namesOf(now), refused(now)]).toEqual([['a: s'], ''])
    expect(now.manifest.subTopologies[0]?.beganAtGroup).toBe(true)
  })
  it('and a new sub-topology takes none of them', () => {
    const renamed = change(after(into(a, 's')), topologyWith(into(a, 't')))
    const now = change(renamed.manifest, topologyWith(into(a, 't'), into(b, 'u'), from(c, 's').sink(a)))
    expect(namesOf(now)).toEqual(['s: t', 'u: u', 's-2: '])
  })
})

describe('refused, with both sides and the ways out', () => {
  it.each<[string, Manifest, Topology, RegExp]>([
    [
      'two sub-topologies that a pipeline connects',
      after(into(a, 's'), into(b, 't')),
      topologyWith(into(a, 's'), into(b, 't'), into(b, 's')),
      /state objects s \(changelog of s\) and state objects t \(changelog of t\).*now be one sub-topology/,
    ],
    [
      'one that becomes two',
      after(into(a, 's'), into(b, 's'), into(b, 't')),
      topologyWith(into(a, 's'), into(b, 't')),
      /are one sub-topology, and would now be two: that of s and that of t/,
    ],
    [
      'a source without state that is to be read with the state of another',
      after(into(a, 's'), from(b).sink(c)),
      topologyWith(into(a, 's'), into(b, 's')),
      /state objects s \(changelog of s\) and sources b/,
    ],
    [
      'a repartition in place of a topic',
      after(into(a, 's')),
      topologyWith(rekeyed(b, 's')),
      /is fed by topics \(a\), and would be by repartitions now \(app-b-s-repartition\)/,
    ],
    [
      'a topic in place of a repartition',
      after(rekeyed(b, 's')),
      topologyWith(into(a, 's')),
      /is fed by repartitions \(app-b-s-repartition\), and would be by topics now \(a\)/,
    ],
    [
      'another partitioner',
      after(into(a, 's')),
      topologyWith(into(named('a', 'xxh64'), 's')),
      /keys partitioned by murmur2, and would now have them partitioned by xxh64/,
    ],
  ])('%s', (_, manifest, topology, message) => {
    expect(refused(change(manifest, topology))).toMatch(message)
  })

  it('another number of partitions after repartitions alone', () => {
    const topology = topologyWith(rekeyed(a, 's'))
    const other = new Map([...with8(topology)].map(([sub]) => [sub, 4]))
    expect(refused(reconcile(after(rekeyed(a, 's')), topology, other))).toMatch(
      /has 8 partitions, and would have 4 now/,
    )
  })
})

describe('versions of state objects (invariant 5)', () => {
  const upgrade = (stored: object) => ({ ...stored })
  const versioned = (version: number): Topology =>
    topologyWith(
      into(b, 't'),
      from(a).to(
        stateObject('s', () => ({ n: 0 }), { upgrades: Array.from({ length: version }, () => upgrade) }),
        () => undefined,
      ),
    )
  const sub = (topology: Topology) => topology.subTopologies.find(({ name }) => name === 's') ?? expect.unreachable('s')
  /** What the manifest is once that version was used. */
  const used = (version: number, before?: Manifest): Manifest => {
    const { manifest, topology, problems } = change(before, versioned(version))
    expect(problems).toEqual([])
    return withVersions(manifest, sub(topology))
  }
  const stateIn = ({ subTopologies }: Manifest) => subTopologies.find(({ name }) => name === 's')?.states

  it('are in it once they are used, and not before', () => {
    const before = change(undefined, versioned(0)).manifest
    const started = change(before, versioned(2))
    expect([started.manifest, versionsBeyond(before, sub(started.topology))]).toEqual([before, ['s']])
    const after = withVersions(before, sub(started.topology))
    expect([stateIn(after), after.generation]).toEqual([[{ name: 's', version: 2 }], before.generation + 1])
    expect(decodeManifest(Buffer.from(encodeManifest(after)), 'here')).toEqual(after)
    expect(withVersions(after, sub(started.topology))).toBe(after)
    expect(change(after, versioned(2)).manifest).toBe(after)
  })

  it('are no part of the plan, so that one which only started leaves no trace; more of them are newer', () => {
    const before = change(undefined, versioned(0))
    const plans = [0, 1, 2].map((version) => change(before.manifest, versioned(version)).plans.get('s'))
    expect(plans).toEqual([0, 1, 2].map((upgrades) => ({ ...before.plans.get('s'), upgrades })))
  })

  it('leave a manifest without them as it always was', () => {
    expect(encodeManifest(used(0))).not.toContain('version')
  })

  it('never go back, and the newer of two that are used at once stays', () => {
    const two = used(2)
    expect(withVersions(two, sub(versioned(1)))).toBe(two)
    expect(stateIn(used(3, two))).toEqual([{ name: 's', version: 3 }])
  })

  it('are said of what is deployed: created, kept or upgraded', () => {
    const shown = (before: Manifest | undefined, version: number) =>
      change(before, versioned(version)).changes.filter(({ what, name }) => what === 'state object' && name === 's')
    const one = used(1)
    expect(shown(one, 1)).toEqual([{ kind: 'kept', what: 'state object', name: 's', version: 1 }])
    expect(shown(one, 2)).toEqual([{ kind: 'upgraded', what: 'state object', name: 's', version: 2 }])
    expect(shown(used(0), 0)).toEqual([{ kind: 'kept', what: 'state object', name: 's' }])
  })

  it('that the application does not know are refused, unless it has the state object no more', () => {
    const { problems } = change(used(2), versioned(1))
    expect(problems.map((problem) => [problem.code, problem.message])).toEqual([
      [
        'STATE_NEWER',
        'State object s of app is stored in version 2, but the newest version that this application knows is 1.',
      ],
    ])
    expect(change(used(2), topologyWith(into(b, 't'))).problems).toEqual([])
  })

  it.each(['-1', '0', '1.5', '"1"', 'null'])('that are none are refused: %s', (version) => {
    const text = encodeManifest(used(1)).replace('"version":1', `"version":${version}`)
    expect(() => decodeManifest(Buffer.from(text), 'app-manifest')).toThrow('this is not a manifest')
  })
})

describe('an application from before there were manifests', () => {
  const before = (topology: Topology, ...changelogs: string[]) =>
    manifestBefore(topology, new Set(changelogs), with8(topology))

  it('goes on under the name of the changelog that it has, wherever that state object stands now', () => {
    const topology = topologyWith(into(a, 't'), into(a, 's'))
    expect(namesOf(change(before(topology, 's'), topology))).toEqual(['s: t,s'])
  })
  it('is refused where a pipeline has connected two', () => {
    const topology = topologyWith(into(a, 's'), into(b, 't'), into(b, 's'))
    expect(refused(change(before(topology, 's', 't'), topology))).toMatch(/changelog of s\) and .*changelog of t/)
  })
  it('has none where it has no changelog', () => {
    expect(before(topologyWith(into(a, 's')))).toBeUndefined()
  })
})

/** Any application over three topics and three state objects. */
const anyPipelines = fc
  .uniqueArray(
    fc.record({
      source: fc.constantFrom(a, b, c),
      state: fc.constantFrom('s', 't', 'u', undefined),
      keyed: fc.boolean(),
    }),
    { minLength: 1, maxLength: 5, selector: ({ source, state: to }) => `${source.name} ${String(to)}` },
  )
  .map((all) =>
    all.map(({ source, state: to, keyed }) =>
      to === undefined ? from(source).sink(out) : keyed ? rekeyed(source, to) : into(source, to),
    ),
  )

it('any edits: each state object is read from the changelog that has its values, or the edit is refused (invariants 1 and 3)', () => {
  fc.assert(
    fc.property(fc.array(anyPipelines, { minLength: 2, maxLength: 6 }), (versions) => {
      let manifest: Manifest | undefined
      /** By state object: the changelog that its values are in. */
      const home = new Map<string, string>()
      /** By source: the transactional id of who read it. */
      const fence = new Map<string, string>()
      for (const pipelines of versions) {
        let topology: Topology
        try {
          topology = topologyWith(...(pipelines as [Pipeline, ...Pipeline[]]))
        } catch (error) {
          if (isPotorooError(error, 'INVALID_DEFINITION')) continue
          throw error
        }
        const next = change(manifest, topology)
        if (next.problems.length > 0) continue
        manifest = next.manifest
        const names = next.topology.subTopologies.map(({ name }) => name)
        expect(new Set(names).size).toBe(names.length)
        for (const { name, states: all, sources } of next.topology.subTopologies) {
          for (const one of all) {
            expect(home.get(one.name) ?? name, `changelog of ${one.name}`).toBe(name)
            home.set(one.name, name)
          }
          for (const { topic: source } of sources) {
            expect(fence.get(source.name) ?? name, `fence of ${source.name}`).toBe(name)
            fence.set(source.name, name)
          }
        }
      }
    }),
    { numRuns: 500 },
  )
})

describe('plans of a sub-topology (invariant 4)', () => {
  const one = topologyWith(into(a, 's'))
  const two = topologyWith(into(a, 's'), into(a, 't'))
  const plan = (reconciled: Reconciled): number | undefined => reconciled.plans.get('s')?.number

  it('are numbered as they came, also for an older version that is started again', () => {
    const first = change(undefined, one)
    const second = change(first.manifest, two)
    const third = change(second.manifest, topologyWith(into(a, 's'), into(b, 's')))
    expect([first, second, third].map(plan)).toEqual([0, 1, 2])
    for (const [topology, number] of [
      [one, 0],
      [two, 1],
    ] as const) {
      const again = change(third.manifest, topology)
      expect([plan(again), again.manifest]).toEqual([number, third.manifest])
    }
  })

  it('are others where other topics, state objects or repartitions belong to it, and the same for other code or another order', () => {
    const { manifest } = change(undefined, one)
    const others: readonly (readonly [Topology, number])[] = [
      [
        topologyWith(
          from(a)
            .filter(() => false)
            .to(state('s'), () => undefined),
        ),
        0,
      ],
      [topologyWith(into(c, 'u'), into(a, 's')), 0],
      [topologyWith(into(a, 's'), from(a).sink(out)), 0],
      [topologyWith(into(a, 's'), into(b, 's')), 1],
      [two, 1],
      [topologyWith(into(a, 's'), rekeyed(a, 't')), 1],
    ]
    expect(others.map(([topology]) => plan(change(manifest, topology)))).toEqual(others.map(([, number]) => number))
  })

  it('begin with the one that a manifest without any list has, which stays as it is while nothing changes', () => {
    const { manifest } = change(undefined, two)
    const unlisted = {
      ...manifest,
      subTopologies: manifest.subTopologies.map(({ plans: _, ...entry }) => entry),
    }
    const same = change(unlisted, two)
    expect([plan(same), same.manifest]).toEqual([0, unlisted])
    const other = change(unlisted, one)
    expect(plan(other)).toBe(1)
    expect(plan(change(other.manifest, two))).toBe(0)
  })

  it('begin with today’s for an application from before there were manifests: what it was then is not known', () => {
    const before = manifestBefore(two, new Set(['s']), with8(two))
    const now = change(before, two)
    expect(plan(now)).toBe(0)
    expect(plan(change(now.manifest, one))).toBe(1)
  })
})
