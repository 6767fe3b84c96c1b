/**
 * Where a task's inputs are read from: step A3 of task.ts.
 *
 * Only the changelog has a repartition's position: what is below it is purged, so it can't be set back. The group has
 * it too, so that tools show lag; here that only proves that a commit was made. In a recreated repartition there is no
 * position: an offset that was set there since says where to continue, as in a source.
 */
import type { CommitRecord, CommittedTime } from '../core/commit/commit-record.js'
import { decodeOffsetNote, encodeOffsetNote, type OffsetNote } from '../core/commit/offset-note.js'
import { choosePosition, type KnownPosition, type PositionChoice } from '../core/commit/restore-plan.js'
import { PotorooError } from '../errors.js'
import type { CommittedOffset } from '../ports/log.js'
import { abortable } from './abortable.js'
import { changelogLost, repartitionLost, topicReplaced } from './cures.js'
import type { ObservedPorts, Ports } from './options.js'
import type { TaskPlan } from './task-plan.js'

type Environment = Pick<ObservedPorts, 'log' | 'observer'> & { readonly stores: Pick<Ports['stores'], 'directory'> }

export interface InputPositions {
  /** In the order of the sources. */
  readonly positions: number[]
  /** Those on which changelog and group agree, with everything that belongs to them; NaN: to be committed again. */
  readonly known: number[]
}

interface Chosen {
  readonly source: Source
  readonly note: OffsetNote | undefined
  readonly known: KnownPosition
  readonly choice: PositionChoice | 'replaced'
}

/** `group`: what it has, in the order of the sources. */
export const choosePositions = (
  plan: TaskPlan,
  commit: CommitRecord | undefined,
  group: readonly (CommittedOffset | undefined)[],
): readonly Chosen[] =>
  plan.sources.map((source, i) => {
    const note = decodeOffsetNote(group[i]?.note ?? '')
    const known = knownPosition(plan, source, commit, group[i], note)
    // In a recreated one, an operator may have set where to continue.
    const isChangelogs = source.isRepartition && !isOfAnother(known)
    const asked = isChangelogs ? { ...known, group: undefined, groupThen: undefined } : known
    return { source, note, known, choice: choosePosition(asked, source.start, plan.changelog !== undefined) }
  })

/** Whether it would be logged, or end the worker: a later owner may be the reason. */
export const isDoubtful = ({ source, known, choice }: Chosen): boolean =>
  choice === 'replaced' || choice.warning !== undefined || (source.isRepartition && isMisplaced(known))

const isOfAnother = ({ idThen, id }: KnownPosition): boolean =>
  idThen !== undefined && id !== undefined && idThen !== id

/** A worker's transaction gave the group an offset that the last commit record does not explain. */
const isMisplaced = ({ committed, groupThen, group, isGroupOurs = false }: KnownPosition): boolean =>
  isGroupOurs && group !== committed && group !== groupThen

/** Rejects with TOPIC_REPLACED, TOPIC_CHANGED, REPARTITION_LOST, CHANGELOG_LOST, what the log throws, or the signal's reason when it is aborted. */
export async function inputPositions(
  plan: TaskPlan,
  env: Environment,
  commit: CommitRecord | undefined,
  group: readonly (CommittedOffset | undefined)[],
  signal: AbortSignal,
): Promise<InputPositions> {
  const choices = choosePositions(plan, commit, group)
  return {
    positions: await Promise.all(choices.map((chosen) => positionOf(plan, chosen, env, signal))),
    known: choices.map(({ known, note }) => committedPosition(plan, known, note)),
  }
}

/** The time of a task without a changelog, from its offsets; undefined if it has none. */
export function timeInNotes(
  plan: TaskPlan,
  group: readonly (CommittedOffset | undefined)[],
): CommittedTime | undefined {
  if (plan.changelog !== undefined || plan.time === undefined) return undefined
  const notes = plan.sources.map(({ topic, id }, i) => {
    const note = decodeOffsetNote(group[i]?.note ?? '')
    return { topic, ...(note?.topicId === id ? note : undefined) }
  })
  const of = (ms: 'boundMs' | 'behindMs'): Readonly<Record<string, number>> =>
    Object.fromEntries(notes.flatMap((note) => (note[ms] === undefined ? [] : [[note.topic, note[ms]]])))
  return { bounds: of('boundMs'), behind: of('behindMs') }
}

/** The metadata that the group is to store with the offset of each source. */
export const offsetNotes = ({ sources }: TaskPlan, changelog: string | undefined): readonly string[] =>
  sources.map(({ id }) => encodeOffsetNote({ topicId: id, changelog }))

/**
 * A task without state has its positions only in the group. If they are missing, a first start looks the same as a
 * group that was deleted, or that brokers forgot (`offsets.retention.minutes`), and whose outputs are now written
 * again.
 */
export async function sayBeginnings(
  plan: TaskPlan,
  { log, observer }: Pick<ObservedPorts, 'log' | 'observer'>,
  isFirstActivation: boolean,
  group: readonly (CommittedOffset | undefined)[],
  positions: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  for (const [i, { topic, start }] of plan.sources.entries()) {
    if (group[i] !== undefined) continue
    const where = { topic, partition: plan.partition }
    const [earliest = 0] = await abortable(signal, log.listOffsets([where], 'earliest'))
    const [end = 0] = await abortable(signal, log.listOffsets([where], 'end'))
    if (earliest === end) continue
    const { id: task, group: groupId } = plan
    const found = { task, ...where, group: groupId, start, position: positions[i], earliest, end }
    observer.observe({ kind: 'source-begins', ...found, wasActive: !isFirstActivation })
  }
}

type Source = TaskPlan['sources'][number]

function knownPosition(
  plan: TaskPlan,
  { topic, id }: Source,
  commit: CommitRecord | undefined,
  group: CommittedOffset | undefined,
  note: OffsetNote | undefined,
): KnownPosition {
  const committed = commit?.positions[topic]
  return {
    committed,
    groupThen: commit?.group?.[topic] ?? committed,
    group: group?.position,
    isGroupOurs: note !== undefined,
    idThen: plan.changelog === undefined ? note?.topicId : commit?.topicIds?.[topic],
    id,
  }
}

async function positionOf(
  plan: TaskPlan,
  { source: { topic, isRepartition }, known, choice }: Chosen,
  { log, observer, stores }: Environment,
  signal: AbortSignal,
): Promise<number> {
  const where = { topic, partition: plan.partition }
  if (choice === 'replaced' && isRepartition) throw ofAnother(plan, topic, known, { log })
  if (choice === 'replaced') throw await abortable(signal, replaced(plan, topic, known, log))
  if (choice.warning !== undefined)
    observer.observe({ kind: 'position-corrected', task: plan.id, ...where, warning: choice.warning })
  if (typeof choice.position === 'number') return choice.position
  const which = choice.position === 'earliest' ? 'earliest' : 'end'
  const [found = 0] = await abortable(signal, log.listOffsets([where], which))
  // The changelog has no position, so nothing was processed, and nothing purged.
  if (isRepartition && found > 0) throw purgedUnread(plan, topic, found, { log, stores })
  return found
}

const ofAnother = (
  { id, group, partition, processor: { partitions } }: TaskPlan,
  topic: string,
  { committed, idThen = '', id: idNow }: KnownPosition,
  env: { readonly log: Pick<Ports['log'], 'bootstrapServers'> },
): PotorooError =>
  repartitionLost(
    { group, repartition: topic, partitions },
    `task ${id}: ${topic}, partition ${String(partition)}: the position ${String(committed)} is of a topic of this name that was ` +
      `deleted since (its id was ${idThen}, it is ${String(idNow)} now)`,
    env,
  )

const purgedUnread = (
  { id, group, partition, changelog, sources }: TaskPlan,
  topic: string,
  start: number,
  env: Pick<Environment, 'stores'> & { readonly log: Pick<Ports['log'], 'bootstrapServers'> },
): PotorooError =>
  changelogLost(
    { group, changelog: changelog?.topic ?? '', sources: sources.filter(({ isRepartition }) => !isRepartition) },
    `task ${id}: ${topic}, partition ${String(partition)} was processed up to ${String(start)} at least, but ` +
      `${changelog?.topic ?? 'no changelog'} has no commit of it: its state objects are gone`,
    env,
  )

/** The position on which changelog and group agree, if nothing has to be added to either. */
function committedPosition(plan: TaskPlan, known: KnownPosition, note: OffsetNote | undefined): number {
  const { committed, group = NaN, idThen, id } = known
  const inLog = plan.changelog === undefined ? group : committed
  // A position that only one of them has is committed again, to both; so is one without the id of its topic.
  return inLog === group && note !== undefined && idThen === id ? group : NaN
}

async function replaced(
  plan: TaskPlan,
  topic: string,
  { committed, group, idThen = '', id }: KnownPosition,
  log: Ports['log'],
): Promise<PotorooError> {
  const now = (await log.describeTopics([topic])).get(topic)?.id
  if (now !== undefined && now !== id)
    return new PotorooError('TOPIC_CHANGED', `${topic} was deleted and recreated since this worker started`)
  const position = String(committed ?? group)
  return topicReplaced(
    plan,
    topic,
    `task ${plan.id}: ${topic}, partition ${String(plan.partition)}: the position ${position} is of a topic of this name that was ` +
      `deleted since (its id was ${idThen}); the one that is there now (${String(id)}) is a different topic with other messages`,
    { log },
  )
}
