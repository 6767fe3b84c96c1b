/** Where calls stand among sub-topologies, and what becomes of one when the application changes. */
import { describe, expect, it } from 'vitest'
import { application, definitionOf } from '../../../../src/api/application.js'
import { from, merge, type Keyed, type Pipeline } from '../../../../src/api/stream.js'
import { stateObject } from '../../../../src/api/state-object.js'
import { topic } from '../../../../src/api/topic.js'
import { reconcile, type Manifest } from '../../../../src/core/plan/manifest.js'
import { partitionCounts } from '../../../../src/core/plan/partition-counts.js'
import { planTopics } from '../../../../src/core/plan/topic-plan.js'
import { namesOf, topologyOf, type Topology } from '../../../../src/core/plan/topology.js'
import { isPotorooError } from '../../../../src/errors.js'
import { anySchema } from '../../../support/schemas.js'

interface Item {
  readonly id: string
}
const named = (name: string) => topic(name, { schema: anySchema<Item>(), key: (item) => item.id })
const [a, b, out] = [named('a'), named('b'), named('out')]
const s = stateObject('s', () => ({ n: 0 }))
const same = async (item: Item) => Promise.resolve(item)
const asked = (stream: Keyed<Item>, name = 'ask') => stream.call(name, same)
const kept = (stream: Keyed<Item>) => stream.to(s, () => undefined)
const again = (stream: Keyed<Item>) => stream.to(s, (_, item) => item)

const topologyWith = (...pipelines: readonly [Pipeline, ...Pipeline[]]): Topology =>
  topologyOf(definitionOf(application('app', ...pipelines)))
const shapeOf = (...pipelines: readonly [Pipeline, ...Pipeline[]]): string[] =>
  topologyWith(...pipelines).subTopologies.map(({ name, sources, sinks, call, states }) => {
    const ends = (all: readonly { readonly name: string }[]): string => all.map((one) => one.name).join()
    const reads = ends(sources.map((source) => source.topic))
    return `${name}${call === undefined ? '' : ' (call)'}: ${reads} -> ${ends(sinks)}${states.length > 0 ? `, keeps ${ends(states)}` : ''}`
  })

describe('a call', () => {
  it('reads the source that it stands right behind, and writes to sinks itself', () => {
    expect(shapeOf(asked(from(a)).sink(out))).toEqual(['ask (call): a -> out'])
    expect(
      shapeOf(
        asked(from(a))
          .map((item) => item)
          .keyBy(({ id }) => id)
          .sink(out),
      ),
    ).toEqual(['ask (call): a -> out'])
  })

  it('has a repartition where something else reads that source, or stands between them', () => {
    expect(shapeOf(asked(from(a)).sink(out), kept(from(a)))).toEqual([
      's: a -> app-a-ask-repartition, keeps s',
      'ask (call): app-a-ask-repartition -> out',
    ])
    expect(shapeOf(asked(from(a).filter(() => true)).sink(out))).toEqual([
      'a: a -> app-a-ask-repartition',
      'ask (call): app-a-ask-repartition -> out',
    ])
    expect(shapeOf(asked(again(from(a))).sink(out))).toEqual([
      's: a -> app-s-ask-repartition, keeps s',
      'ask (call): app-s-ask-repartition -> out',
    ])
  })

  it('has one after it where something with state comes next, or another call', () => {
    expect(shapeOf(kept(asked(from(a))))).toEqual([
      'ask (call): a -> app-ask-s-repartition',
      's: app-ask-s-repartition -> , keeps s',
    ])
    expect(shapeOf(asked(asked(from(a)), 'two').sink(out))).toEqual([
      'ask (call): a -> app-ask-two-repartition',
      'two (call): app-ask-two-repartition -> out',
    ])
  })

  it('may be in a loop', () => {
    expect(shapeOf(asked(again(from(a))).to(s, () => undefined))).toEqual([
      's: a,app-ask-s-repartition -> app-s-ask-repartition, keeps s',
      'ask (call): app-s-ask-repartition -> app-ask-s-repartition',
    ])
  })

  it('is fed by keyBy() without another repartition, whatever steps stand between', () => {
    expect(shapeOf(asked(from(a).keyBy(({ id }) => id)).sink(out))).toEqual([
      'a: a -> app-a-ask-repartition',
      'ask (call): app-a-ask-repartition -> out',
    ])
    expect(shapeOf(asked(from(a).keyBy(({ id }) => id, { name: 'mine' })).sink(out))).toEqual([
      'a: a -> app-mine-repartition',
      'ask (call): app-mine-repartition -> out',
    ])
    expect(
      shapeOf(
        asked(
          merge(
            from(a).keyBy(({ id }) => id),
            from(b),
          ).filter(() => true),
        ).sink(out),
      ),
    ).toEqual([
      'a: a -> app-a-ask-repartition',
      'b: b -> app-a-ask-repartition',
      'ask (call): app-a-ask-repartition -> out',
    ])
  })

  it('has as many tasks as what feeds it has partitions, and a changelog', () => {
    const topology = topologyWith(asked(again(from(a))).sink(out))
    const names = namesOf('', 'app')
    const found = new Map([['a', { name: 'a', partitions: 6, cleanupPolicy: ['delete'] }]])
    const created = planTopics(topology, names, found).flatMap(({ create }) =>
      create ? [`${create.name} ${String(create.partitions)}`] : [],
    )
    expect(created).toEqual(expect.arrayContaining(['app-s-ask-repartition 6', 'app-ask-changelog 6']))
  })

  it.each([
    ['two calls of a name', () => application('app', asked(from(a)).sink(out), asked(from(b)).sink(out))],
    ['a call with the name of a state object', () => application('app', asked(again(from(a)), 's').sink(out))],
    ['a call with the name of a pipeline', () => application('app', asked(from(b), 'b').sink(out))],
  ])('is refused: %s', (_, define) => {
    expect(define).toThrow(/named/)
  })
})

describe('an application that changes', () => {
  const counts = (topology: Topology) => partitionCounts(topology.subTopologies, () => 8)
  const after = (...pipelines: readonly [Pipeline, ...Pipeline[]]): Manifest => {
    const topology = topologyWith(...pipelines)
    return reconcile(undefined, topology, counts(topology)).manifest
  }
  const changed = (manifest: Manifest, ...pipelines: readonly [Pipeline, ...Pipeline[]]) => {
    const topology = topologyWith(...pipelines)
    const { changes, problems } = reconcile(manifest, topology, counts(topology))
    const incompatible = problems.map((one) => (isPotorooError(one, 'TOPOLOGY_INCOMPATIBLE') ? one.message : 'another'))
    return { changes: changes.map(({ kind, what, name }) => `${what} ${name} ${kind}`), incompatible }
  }

  it('may get a call, and lose one', () => {
    const [without, withOne] = [after(kept(from(a))), after(asked(again(from(a))).sink(out))]
    const gains = changed(without, asked(again(from(a))).sink(out))
    expect(gains.incompatible).toEqual([])
    expect(gains.changes).toContain('sub-topology ask created')
    const loses = changed(withOne, kept(from(a)))
    expect(loses.incompatible).toEqual([])
    expect(loses.changes).toContain('sub-topology ask orphaned')
  })

  it('continues with a call as it is', () => {
    const same1 = changed(after(asked(from(a)).sink(out)), asked(from(a)).sink(out))
    expect(same1).toEqual({
      changes: ['sub-topology ask kept', 'call ask kept', 'source a kept'],
      incompatible: [],
    })
  })

  it('has another call where one is renamed', () => {
    const { changes, incompatible } = changed(
      after(asked(again(from(a))).sink(out)),
      asked(again(from(a)), 'tell').sink(out),
    )
    expect(incompatible).toEqual([])
    expect(changes).toEqual(expect.arrayContaining(['sub-topology tell created', 'sub-topology ask orphaned']))
  })

  it('is refused where a call would get its messages from another topic', () => {
    const before = after(asked(from(a)).sink(out))
    expect(changed(before, asked(from(b)).sink(out)).incompatible).toEqual([
      'Sub-topology ask of app gives call ask the messages of a, and would give it those of b now.',
    ])
    expect(changed(before, asked(from(a).filter(() => true)).sink(out)).incompatible).not.toEqual([])
  })

  it('is refused where a call would be a state object, or a state object a call', () => {
    const isCall = after(asked(from(a), 's').sink(out))
    expect(changed(isCall, kept(from(a))).incompatible).toEqual([
      'Sub-topology s of app is a call, and would be state objects now.',
    ])
    const isState = after(kept(from(a)))
    expect(changed(isState, asked(from(a), 's').sink(out)).incompatible).toEqual([
      'Sub-topology s of app is state objects, and would be a call now.',
    ])
  })

  it('continues where a stateless pipeline was, with a call in it', () => {
    const { incompatible, changes } = changed(after(from(a).sink(out)), asked(from(a)).sink(out))
    expect(incompatible).toEqual([])
    expect(changes).toContain('call ask created')
  })
})
