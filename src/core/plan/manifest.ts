/**
 * The manifest of an application: which sub-topologies it has in Kafka, under which names, with which state objects and
 * sources. It is one record in a topic of its own. What a worker is about to run is held against it before any task starts:
 * names stay what they were, and a change that would leave state behind is refused.
 *
 * Invariants
 * 1. A state object is read from the changelog that the manifest names, and from no other.
 * 2. What the manifest has stays in it, also where the application has it no more: during a rolling deployment both are right.
 * 3. A change is compatible with all changelogs, or refused: no state object begins empty that had a value.
 * 4. A sub-topology's plans stay listed in the order in which they came, so that each worker knows which of two is the newer,
 *    also one that is started again with the older one. An operator's word makes an older one the newest: then it is listed
 *    once more (roll-back.ts), and its last place counts.
 * 5. No changelog has a state object of a version above the manifest's: `withVersions` comes before the first commit that may.
 *    So an application that knows less is refused (STATE_NEWER), and one that only started leaves no trace.
 */
import type { PartitionerName } from '../../api/definition.js'
import { shapeText } from '../../api/windows.js'
import { PotorooError } from '../../errors.js'
import { isList, isRecord, isText, isTexts, parseOr } from '../json-shape.js'
import { planHash } from './plan-hash.js'
import { hasChangelog, upgradesIn, type SubTopology, type Topology } from './topology.js'

export interface Manifest {
  readonly v: 1
  /** One more with each change. */
  readonly generation: number
  /** A reset was begun and has not ended: no worker may start. */
  readonly resetting?: true
  readonly subTopologies: readonly ManifestEntry[]
}
export interface ManifestEntry {
  /** Of its tasks, its transactional ids and its changelog. */
  readonly name: string
  readonly partitions: number
  /** Of its keys; absent where that is not known, or there are none. */
  readonly partitioner?: PartitionerName
  readonly sources: readonly ManifestSource[]
  /** What its changelog has: state objects, tables, and calls. */
  readonly states: readonly ManifestState[]
  /** Hashes of the plans that it has had, the oldest first; absent where only one is known, which is that of this entry. */
  readonly plans?: readonly string[]
  /** State objects came to what had none before: where its changelog has no commit yet, the group knows where it was. */
  readonly beganAtGroup?: true
}
export interface ManifestSource {
  /** Without the prefix (`--topic-prefix`). */
  readonly topic: string
  readonly isRepartition: boolean
  /** Of a repartition, where brokers have ids: one of this name with another id does not have what was in this one. */
  readonly topicId?: string
}
export interface ManifestState {
  readonly name: string
  /** The newest that may be in the changelog: how many upgrades its state objects have been through. Absent: 0. */
  readonly version?: number
  /** Of windows: what they are, as in `tumbling(60000)`; of an interval join `within(60000)`. Absent for other state objects. */
  readonly windows?: string
  /** Whether it is a call: which messages it has been made for. */
  readonly call?: true
}

export interface Change {
  /** `upgraded`: kept, and upgraded to that version as messages find it. */
  readonly kind: 'created' | 'kept' | 'upgraded' | 'orphaned'
  readonly what: 'sub-topology' | 'state object' | 'call' | 'source' | 'repartition'
  readonly name: string
  /** Of a state object with upgrades. */
  readonly version?: number
}
export interface Reconciled {
  /** The topology, with the names that its sub-topologies have in Kafka. */
  readonly topology: Topology
  /** What the manifest is to be; the one there is where nothing changes. */
  readonly manifest: Manifest
  readonly changes: readonly Change[]
  /** Of each sub-topology, by the name that it has in Kafka. */
  readonly plans: ReadonlyMap<string, PlanOfSubTopology>
  /** TOPOLOGY_INCOMPATIBLE, each naming both sides and the way out, or STATE_NEWER. */
  readonly problems: readonly PotorooError[]
}

export interface PlanOfSubTopology {
  /** Its place in the manifest's list. */
  readonly number: number
  readonly hash: string
  /**
   * How many upgrades its state objects have, all together. Of two versions with one plan, the one with more is the newer: upgrades are
   * added, and never taken away. They are no part of the plan, which the manifest lists when a worker starts: a version
   * that has stored nothing leaves no trace (invariant 5).
   */
  readonly upgrades: number
}

/**
 * Pure: what becomes of a topology where this manifest is there. A sub-topology goes on as the one that has one of its state
 * objects, or else one of its sources: under the same transactional ids, which fence, and with the positions of the same
 * changelog. Where several have some of them, it can't go on as all of these.
 */
export function reconcile(manifest: Manifest | undefined, topology: Topology, counts: Counts): Reconciled {
  const { application } = topology
  const entries = manifest?.subTopologies ?? []
  const taken = new Map<ManifestEntry, SubTopology>()
  const problems: PotorooError[] = []
  const changes: Change[] = []
  const refuse = (text: string): void => {
    problems.push(new PotorooError('TOPOLOGY_INCOMPATIBLE', text))
  }

  const names = new Set(entries.map(({ name }) => name))
  const placed = topology.subTopologies.map((sub) => {
    const [entry, ...others] = entriesOf(sub, entries)
    if (entry === undefined) {
      const name = unused(sub.name, names)
      names.add(name)
      changes.push({ kind: 'created', what: 'sub-topology', name })
      return { sub, name, entry: undefined }
    }
    for (const other of others)
      refuse(`${list(entry)} and ${list(other)} of ${application} are separate, and would now be one sub-topology.`)
    const rival = taken.get(entry)
    if (rival !== undefined)
      refuse(
        `${list(entry)} of ${application} are one sub-topology, and would now be two: ${listOf(rival)} and ${listOf(sub)}.`,
      )
    taken.set(entry, sub)
    for (const text of differences(sub, entry, counts.get(sub) ?? 0))
      refuse(`Sub-topology ${entry.name} of ${application} ${text}.`)
    problems.push(...newerStates(sub, entry, application))
    changes.push({ kind: 'kept', what: 'sub-topology', name: entry.name }, ...changesOf(sub, entry))
    return { sub, name: entry.name, entry }
  })
  for (const entry of entries)
    if (!taken.has(entry)) changes.push({ kind: 'orphaned', what: 'sub-topology', name: entry.name })

  const repartitions = new Set(
    topology.subTopologies.flatMap(({ sources }) => sources.flatMap((one) => (one.isRepartition ? [one.topic] : []))),
  )
  const plans = new Map<string, PlanOfSubTopology>()
  const next = [
    ...placed.map(({ sub, name, entry }) => {
      const partitions = counts.get(sub) ?? 0
      const writes = sub.sinks.flatMap((topic) => (repartitions.has(topic) ? [topic.name] : []))
      const hash = planHash(grown(undefined, sub, name, partitions), writes)
      // What is known of a time before the manifest is too little for a hash.
      const isNew = entry === undefined || manifest?.generation === 0
      const earlier = isNew ? [hash] : (entry.plans ?? [planHash(entry, writes)])
      const listed = earlier.includes(hash) ? earlier : [...earlier, hash]
      plans.set(name, { number: listed.lastIndexOf(hash), hash, upgrades: upgradesIn(sub) })
      const isListed = isNew || entry.plans !== undefined || listed.length > 1
      return { ...grown(entry, sub, name, partitions), ...(isListed ? { plans: listed } : {}) }
    }),
    ...entries.filter((entry) => !taken.has(entry)),
  ]
  const isSame = manifest !== undefined && JSON.stringify(inOrder(next)) === JSON.stringify(inOrder(entries))
  return {
    topology: {
      ...topology,
      subTopologies: placed.map(({ sub, name }) => (name === sub.name ? sub : { ...sub, name })),
    },
    manifest: isSame ? manifest : { v: 1, generation: (manifest?.generation ?? 0) + 1, subTopologies: inOrder(next) },
    changes,
    plans,
    problems,
  }
}

/** With the versions that this sub-topology's state objects have, where it has older ones; the same where it has none. Pure. */
export function withVersions(manifest: Manifest, sub: SubTopology): Manifest {
  if (versionsBeyond(manifest, sub).length === 0) return manifest
  const subTopologies = manifest.subTopologies.map((entry) =>
    entry.name === sub.name
      ? { ...entry, states: entry.states.map((state) => atLeast(state, versionOf(sub, state.name) ?? 0)) }
      : entry,
  )
  return { ...manifest, generation: manifest.generation + 1, subTopologies }
}

/** Names of its state objects that the manifest has in an older version. */
export function versionsBeyond({ subTopologies }: Manifest, sub: SubTopology): readonly string[] {
  const states = subTopologies.find(({ name }) => name === sub.name)?.states ?? []
  return states.flatMap(({ name, version = 0 }) => ((versionOf(sub, name) ?? 0) > version ? [name] : []))
}

const versionOf = ({ states }: SubTopology, name: string): number | undefined =>
  states.find((state) => state.name === name)?.upgrades.length

const atLeast = (state: ManifestState, version: number): ManifestState =>
  version > (state.version ?? 0) ? { ...state, version } : state

/** Partitions by sub-topology. */
export type Counts = ReadonlyMap<SubTopology, number>

/**
 * What the manifest of an application from before there were any would say: a sub-topology was named after what was its first
 * state object then, so the changelogs that exist say what that was. `changelogs`: names of state objects that a changelog
 * is named after.
 */
export function manifestBefore(
  topology: Topology,
  changelogs: ReadonlySet<string>,
  counts: Counts,
): Manifest | undefined {
  const entries = topology.subTopologies.flatMap((sub) =>
    sub.states
      .filter(({ name }) => changelogs.has(name))
      .map((state): ManifestEntry => {
        const { name } = state
        const sources = sub.sources.filter(({ isRepartition }) => !isRepartition)
        return {
          ...grown(undefined, { ...sub, sources }, name, counts.get(sub) ?? 0),
          // Which of the others were there is not known; where there is one changelog, they can only be in that.
          states: [{ name, ...stretchOf(state) }],
        }
      }),
  )
  return entries.length === 0 ? undefined : { v: 1, generation: 0, subTopologies: entries }
}

function entriesOf(sub: SubTopology, entries: readonly ManifestEntry[]): readonly ManifestEntry[] {
  const kept = keptIn(sub)
  const byState = entries.filter(({ states }) => states.some(({ name }) => kept.some((one) => one.name === name)))
  const bySource = entries.filter(({ sources }) =>
    sources.some(({ topic }) => sub.sources.some((source) => source.topic.name === topic)),
  )
  return [...new Set([...byState, ...bySource])]
}

function differences(sub: SubTopology, entry: ManifestEntry, partitions: number): readonly string[] {
  const found: string[] = []
  const now = partitionerOf(sub)
  if (entry.partitioner !== undefined && now !== undefined && entry.partitioner !== now)
    found.push(`has keys partitioned by ${entry.partitioner}, and would now have them partitioned by ${now} now`)
  found.push(...callDifferences(sub, entry))
  if (sub.states.length > 0 && entry.states.length > 0) {
    const hadTopics = entry.sources.some(({ isRepartition }) => !isRepartition)
    const hasTopics = sub.sources.some(({ isRepartition }) => !isRepartition)
    const sides = (had: boolean): string => (had ? 'topics' : 'repartitions')
    // What is added beside one that stays has its keys: a table of a topic, say.
    const stays = sub.sources.some(({ topic }) => entry.sources.some((source) => source.topic === topic.name))
    if (hadTopics !== hasTopics && !stays)
      found.push(
        `is fed by ${sides(hadTopics)} (${entry.sources.map(({ topic }) => topic).join(', ')}), and would be by ${sides(hasTopics)} ` +
          `now (${sub.sources.map(({ topic }) => topic.name).join(', ')}): its state objects would then have other keys`,
      )
  }
  const hadKept = keptIn(sub).length > 0 && entry.states.length > 0
  if (hadKept && entry.sources.every(({ isRepartition }) => isRepartition) && entry.partitions !== partitions)
    found.push(`has ${String(entry.partitions)} partitions, and would have ${String(partitions)} now`)
  for (const state of sub.states) {
    const { name } = state
    const known = entry.states.find((one) => one.name === name)
    const now = stretchOf(state).windows
    if (known !== undefined && known.windows !== now)
      found.push(
        `has ${known.windows ?? 'no windows'} as ${name}, and would have ${now ?? 'no windows'} now: what is stored belongs to ` +
          'other stretches of time',
      )
  }
  return found
}

/** What is done of a call is said by offsets of its one source: those of another one would be other messages. */
function callDifferences({ call, sources }: SubTopology, entry: ManifestEntry): readonly string[] {
  const kind = (isCall: boolean): string => (isCall ? 'a call' : 'state objects')
  const had = entry.states.length > 0 ? entry.states.some((one) => one.call) : call !== undefined
  if (had !== (call !== undefined)) return [`is ${kind(had)}, and would be ${kind(!had)} now`]
  if (call === undefined) return []
  const from = sources.map(({ topic }) => topic.name)
  if (entry.sources.some(({ topic }) => from.includes(topic))) return []
  const before = entry.sources.map(({ topic }) => topic).join(', ')
  return [`gives call ${call.name} the messages of ${before}, and would give it those of ${from.join(', ')} now`]
}

/** Invariant 5. */
const newerStates = (sub: SubTopology, entry: ManifestEntry, application: string): readonly PotorooError[] =>
  entry.states.flatMap(({ name, version = 0 }) => {
    const known = versionOf(sub, name)
    if (known === undefined || version <= known) return []
    return [
      new PotorooError(
        'STATE_NEWER',
        `State object ${name} of ${application} is stored in version ${String(version)}, but the newest version that this application knows is ${String(known)}.`,
      ),
    ]
  })

function changesOf(sub: SubTopology, entry: ManifestEntry): readonly Change[] {
  const kept = keptIn(sub)
  const states = compare(
    entry.states.map(({ name }) => name),
    kept.map(({ name }) => name),
  )
  const isCall = (name: string): boolean => [...entry.states, ...kept].some((one) => one.name === name && one.call)
  const sources = (isRepartition: boolean) =>
    compare(
      entry.sources.filter((one) => one.isRepartition === isRepartition).map(({ topic }) => topic),
      sub.sources.filter((one) => one.isRepartition === isRepartition).map(({ topic }) => topic.name),
    )
  return [
    ...states.map((one): Change => {
      const version = versionOf(sub, one.name) ?? 0
      const stored = entry.states.find(({ name }) => name === one.name)?.version ?? 0
      const kind = one.kind === 'kept' && version > stored ? 'upgraded' : one.kind
      const what = isCall(one.name) ? 'call' : 'state object'
      return { kind, what, name: one.name, ...(version === 0 ? {} : { version }) }
    }),
    ...sources(false).map((one): Change => ({ ...one, what: 'source' })),
    ...sources(true).map((one): Change => ({ ...one, what: 'repartition' })),
  ]
}

const compare = (before: readonly string[], now: readonly string[]): readonly Pick<Change, 'kind' | 'name'>[] => [
  ...now.map((name) => ({ kind: before.includes(name) ? ('kept' as const) : ('created' as const), name })),
  ...before.filter((name) => !now.includes(name)).map((name) => ({ kind: 'orphaned' as const, name })),
]

/** How long messages are kept together: where it changes, what is stored is of no use. */
const stretchOf = ({ windows, pairs }: SubTopology['states'][number]): Pick<ManifestState, 'windows'> => {
  if (windows !== undefined) return { windows: shapeText(windows.shape) }
  return pairs === undefined ? {} : { windows: `within(${String(pairs.withinMs)})` }
}

/** Invariant 2. */
function grown(entry: ManifestEntry | undefined, sub: SubTopology, name: string, partitions: number): ManifestEntry {
  const partitioner = partitionerOf(sub) ?? entry?.partitioner
  const sources = sub.sources.map(({ topic, isRepartition }) => ({ topic: topic.name, isRepartition }))
  const states = keptIn(sub)
  return {
    name,
    partitions,
    ...(partitioner === undefined ? {} : { partitioner }),
    sources: [
      ...(entry?.sources ?? []),
      ...sources.filter(({ topic }) => !entry?.sources.some((one) => one.topic === topic)),
    ],
    states: [
      ...(entry?.states ?? []),
      ...states.filter((state) => !entry?.states.some((one) => one.name === state.name)),
    ],
    ...(entry?.beganAtGroup === true || (entry?.states.length === 0 && states.length > 0)
      ? { beganAtGroup: true }
      : {}),
  }
}

const keptIn = ({ states, call }: Pick<SubTopology, 'states' | 'call'>): readonly ManifestState[] => [
  ...states.map((state) => ({
    name: state.name,
    ...stretchOf(state),
  })),
  ...(call === undefined ? [] : [{ name: call.name, call: true as const }]),
]

const partitionerOf = (sub: SubTopology): PartitionerName | undefined =>
  sub.sources.find(({ topic }) => topic.partitioner !== undefined)?.topic.partitioner

const inOrder = (entries: readonly ManifestEntry[]): readonly ManifestEntry[] =>
  [...entries].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))

const list = ({ name, states, sources }: ManifestEntry): string =>
  states.length > 0
    ? `${states[0]?.call === true ? 'call' : 'state objects'} ${states.map((state) => state.name).join(', ')} (changelog of ${name})`
    : `sources ${sources.map(({ topic }) => topic).join(', ')}`
const listOf = ({ sources, ...sub }: SubTopology): string =>
  hasChangelog(sub)
    ? `that of ${keptIn(sub)
        .map(({ name }) => name)
        .join(', ')}`
    : `that of ${sources.map(({ topic }) => topic.name).join(', ')}`

/** A name may be that of something that is not there any more: then it is not free. */
function unused(name: string, names: ReadonlySet<string>): string {
  if (!names.has(name)) return name
  for (let n = 2; ; n++) if (!names.has(`${name}-${String(n)}`)) return `${name}-${String(n)}`
}

/** The same manifest where nothing changes. `idOf`: of a repartition; undefined: what is known of it stays. */
export function withTopicIds(manifest: Manifest, idOf: (topic: string) => string | undefined): Manifest {
  const learned = ({ topic, isRepartition, topicId }: ManifestSource): string | undefined => {
    const id = isRepartition ? idOf(topic) : undefined
    return id === topicId ? undefined : id
  }
  if (!manifest.subTopologies.some(({ sources }) => sources.some((source) => learned(source) !== undefined)))
    return manifest
  const subTopologies = manifest.subTopologies.map((entry) => ({
    ...entry,
    sources: entry.sources.map((source) => {
      const topicId = learned(source)
      return topicId === undefined ? source : { ...source, topicId }
    }),
  }))
  return { ...manifest, subTopologies }
}

// ---- as a record ----

export const MANIFEST_KEY = 'manifest'

export const encodeManifest = (manifest: Manifest): string => JSON.stringify(manifest)

/** Throws MANIFEST_UNREADABLE: what is newer than this version is not for it to run. */
export function decodeManifest(value: Buffer, where: string): Manifest {
  const parsed = parseOr(() => {
    const found: unknown = JSON.parse(value.toString())
    return isManifest(found) ? found : undefined
  })
  if (parsed !== undefined) return parsed
  throw new PotorooError(
    'MANIFEST_UNREADABLE',
    `${where}: this is not a manifest that this version of Potoroo can read: ${value.toString().slice(0, 200)}`,
  )
}

const isManifest = (value: unknown): value is Manifest =>
  isRecord(value) &&
  value.v === 1 &&
  Number.isSafeInteger(value.generation) &&
  (value.resetting === undefined || value.resetting === true) &&
  isList(value.subTopologies, isEntry)
const isEntry = (value: unknown): value is ManifestEntry =>
  isRecord(value) &&
  isText(value.name) &&
  Number.isSafeInteger(value.partitions) &&
  (value.partitioner === undefined || value.partitioner === 'murmur2' || value.partitioner === 'xxh64') &&
  isList(value.sources, isSource) &&
  isList(value.states, isState) &&
  (value.plans === undefined || isTexts(value.plans)) &&
  (value.beganAtGroup === undefined || value.beganAtGroup === true)
const isSource = (value: unknown): value is ManifestSource =>
  isRecord(value) &&
  isText(value.topic) &&
  typeof value.isRepartition === 'boolean' &&
  (value.topicId === undefined || isText(value.topicId))
const isState = (value: unknown): value is ManifestState =>
  isRecord(value) &&
  isText(value.name) &&
  (value.call === undefined || value.call === true) &&
  (value.version === undefined || (Number.isSafeInteger(value.version) && Number(value.version) > 0)) &&
  (value.windows === undefined || isText(value.windows))
