/**
 * Applications that are edited, step by step: pipelines and state objects come, go and change places, a keyBy() is put in, two
 * sub-topologies are connected. Whatever the edits: each state object is read from the changelog that has its values, under the
 * same fences and with as many partitions, or the edit is refused (src/core/plan/manifest.ts, invariants 1 to 3).
 */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { application, definitionOf } from '../../../../src/api/application.js'
import { from, merge, type Keyed, type Pipeline } from '../../../../src/api/stream.js'
import { stateObject } from '../../../../src/api/state-object.js'
import { topic } from '../../../../src/api/topic.js'
import { decodeManifest, encodeManifest, reconcile, type Manifest } from '../../../../src/core/plan/manifest.js'
import { partitionCounts } from '../../../../src/core/plan/partition-counts.js'
import { topologyOf, type Topology } from '../../../../src/core/plan/topology.js'
import { isPotorooError } from '../../../../src/errors.js'
import { anySchema } from '../../../support/schemas.js'

interface Item {
  readonly id: string
  readonly other: string
}
const topics = ['a', 'b', 'c'].map((name) => topic(name, { schema: anySchema<Item>(), key: ({ id }) => id }))
const out = topic('out', { schema: anySchema<Item>(), key: ({ id }) => id })
const states = ['s', 't', 'u', 'v'].map((name) => stateObject(name, () => ({ n: 0 })))
const COUNTS: Readonly<Record<string, number>> = { a: 8, b: 8, c: 3 }

/** A pipeline in data: sources that are merged, and what comes after them. */
interface Line {
  readonly sources: readonly number[]
  readonly steps: readonly (number | 'keyBy' | 'filter')[]
}

function build({ sources, steps }: Line): Pipeline {
  const [first, ...rest] = sources.map((at) => from(topics[at] ?? expect.unreachable()))
  let stream: Keyed<Item> = first === undefined ? expect.unreachable() : merge(first, ...rest)
  for (const step of steps)
    if (step === 'keyBy') stream = stream.keyBy(({ other }) => other)
    else if (step === 'filter') stream = stream.filter(({ id }) => id !== '')
    else stream = stream.to(states[step] ?? expect.unreachable(), (_, item) => item)
  return stream.sink(out)
}

type Edit =
  | { readonly kind: 'add'; readonly line: Line; readonly at: number }
  | { readonly kind: 'remove' | 'swap'; readonly at: number }
  | { readonly kind: 'step'; readonly at: number; readonly place: number; readonly step: Line['steps'][number] }
  | { readonly kind: 'unstep'; readonly at: number; readonly place: number }
  | { readonly kind: 'source'; readonly at: number; readonly source: number }

function edited(lines: readonly Line[], edit: Edit): readonly Line[] {
  const at = edit.at % Math.max(1, lines.length)
  const change = (of: (line: Line) => Line): readonly Line[] => lines.map((line, i) => (i === at ? of(line) : line))
  switch (edit.kind) {
    case 'add':
      return [...lines.slice(0, at), edit.line, ...lines.slice(at)]
    case 'remove':
      return lines.length === 1 ? lines : lines.filter((_, i) => i !== at)
    case 'swap':
      return [...lines.slice(at), ...lines.slice(0, at)]
    case 'step':
      return change(({ sources, steps }) => {
        const place = edit.place % (steps.length + 1)
        return { sources, steps: [...steps.slice(0, place), edit.step, ...steps.slice(place)] }
      })
    case 'unstep':
      return change(({ sources, steps }) => {
        return { sources, steps: steps.filter((_, i) => i !== edit.place % Math.max(1, steps.length)) }
      })
    case 'source':
      return change(({ sources, steps }) => ({ sources: [...new Set([...sources, edit.source])], steps }))
  }
}

const place = fc.nat({ max: 9 })
const source = fc.nat({ max: topics.length - 1 })
const step = fc.oneof(fc.nat({ max: states.length - 1 }), fc.constantFrom('keyBy' as const, 'filter' as const))
const line = fc.record({
  sources: fc.uniqueArray(source, { minLength: 1, maxLength: 2 }),
  steps: fc.array(step, { maxLength: 5 }),
})
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constant('add' as const), line, at: place }),
  fc.record({ kind: fc.constantFrom('remove' as const, 'swap' as const), at: place }),
  fc.record({ kind: fc.constant('step' as const), at: place, place, step }),
  fc.record({ kind: fc.constant('unstep' as const), at: place, place }),
  fc.record({ kind: fc.constant('source' as const), at: place, source }),
)

/** Undefined where it is no application. */
function topologyWith(lines: readonly Line[]): Topology | undefined {
  try {
    return topologyOf(definitionOf(application('app', ...(lines.map(build) as [Pipeline, ...Pipeline[]]))))
  } catch (error) {
    if (isPotorooError(error, 'INVALID_DEFINITION')) return undefined
    throw error
  }
}

/** What the application has in Kafka, and whose values are where. */
class Deployed {
  manifest: Manifest | undefined
  /** Partitions of the repartitions that were made. */
  readonly #made = new Map<string, number>()
  /** Partitions of the changelogs that were made. */
  readonly #changelogs = new Map<string, number>()
  /** By state object: its changelog, with the partitions that its keys are spread over. */
  readonly #home = new Map<string, string>()
  /** By sub-topology: what it has read: whatever is read beside one of these has the same keys. */
  readonly #read = new Map<string, Set<string>>()
  /** By topic or repartition: whose transactional ids fence its readers. */
  readonly #fence = new Map<string, string>()
  accepted = 0
  refused = 0

  deploy(topology: Topology): void {
    const countsOf = ({ subTopologies }: Topology) =>
      partitionCounts(subTopologies, ({ name }) => COUNTS[name] ?? this.#made.get(name))
    const { problems, manifest, topology: named, changes } = reconcile(this.manifest, topology, countsOf(topology))
    // What runs with sources of different counts is refused elsewhere (PARTITION_COUNTS_DIFFER).
    const differ = topology.subTopologies.some(
      ({ sources }) =>
        new Set(sources.flatMap(({ topic: { name } }) => COUNTS[name] ?? this.#made.get(name) ?? [])).size > 1,
    )
    // So is a changelog with another count than its sources (CHANGELOG_UNFIT), before anything is written down.
    const isUnfit = [...countsOf(named)].some(
      ([{ name, states: all }, count]) => all.length > 0 && (this.#changelogs.get(name) ?? count) !== count,
    )
    if (problems.length > 0 || differ || isUnfit) {
      for (const problem of problems) expect(problem).toMatchObject({ code: 'TOPOLOGY_INCOMPATIBLE' })
      this.refused++
      return
    }
    this.accepted++
    // Readable by whoever comes next, and nothing that was there is gone.
    expect(decodeManifest(Buffer.from(encodeManifest(manifest)), 'here')).toEqual(manifest)
    for (const before of this.manifest?.subTopologies ?? [])
      expect(manifest.subTopologies.find(({ name }) => name === before.name)).toMatchObject({
        name: before.name,
        sources: expect.arrayContaining([...before.sources]) as unknown,
        states: expect.arrayContaining([...before.states]) as unknown,
      })
    this.manifest = manifest
    const names = named.subTopologies.map(({ name }) => name)
    expect(new Set(names).size, 'each has a name of its own').toBe(names.length)
    expect(new Set(names)).toEqual(
      new Set(changes.flatMap(({ kind, what, name }) => (what === 'sub-topology' && kind !== 'orphaned' ? name : []))),
    )
    const counts = countsOf(named)
    for (const sub of named.subTopologies) {
      const partitions = counts.get(sub) ?? 0
      expect(partitions).toBeGreaterThan(0)
      const side = sub.sources.some(({ isRepartition }) => !isRepartition) ? 'topics' : 'repartitions'
      const reads = sub.sources.map(({ topic: { name } }) => name)
      const known = this.#read.get(sub.name) ?? new Set([...reads, side])
      const isSame = [...reads, side].some((one) => known.has(one))
      this.#read.set(sub.name, new Set([...known, ...reads, side]))
      if (sub.states.length > 0) this.#changelogs.set(sub.name, partitions)
      for (const { name } of sub.states) {
        expect(isSame || !this.#home.has(name), `the values of ${name} have other keys now`).toBe(true)
        const home = `${sub.name}, ${String(partitions)} partitions`
        expect(this.#home.get(name) ?? home, `where the values of ${name} are`).toBe(home)
        this.#home.set(name, home)
      }
      for (const { topic: of, isRepartition } of sub.sources) {
        expect(this.#fence.get(of.name) ?? sub.name, `who fences the readers of ${of.name}`).toBe(sub.name)
        this.#fence.set(of.name, sub.name)
        if (isRepartition) this.#made.set(of.name, this.#made.get(of.name) ?? partitions)
      }
    }
    // The same once more changes nothing.
    expect(reconcile(manifest, topology, countsOf(topology))).toMatchObject({ manifest, problems: [] })
  }
}

it('any edits: the right changelog for each state object, or refused', () => {
  let [accepted, refused] = [0, 0]
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 3 }), fc.array(edit, { maxLength: 8 }), (first, edits) => {
      const deployed = new Deployed()
      let lines: readonly Line[] = first
      for (const next of [undefined, ...edits]) {
        if (next !== undefined) lines = edited(lines, next)
        const topology = topologyWith(lines)
        if (topology !== undefined) deployed.deploy(topology)
      }
      accepted += deployed.accepted
      refused += deployed.refused
    }),
    { numRuns: 500 },
  )
  // Of either there are many.
  expect(accepted).toBeGreaterThan(500)
  expect(refused).toBeGreaterThan(100)
})
