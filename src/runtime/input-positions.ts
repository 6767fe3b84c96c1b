/** Where a task's inputs are read from: step A3 of task.ts. */
import type { CommitRecord } from '../core/commit-record.js'
import { decodeOffsetNote, encodeOffsetNote, type OffsetNote } from '../core/offset-note.js'
import { choosePosition, type KnownPosition } from '../core/restore-plan.js'
import { PotorooError } from '../errors.js'
import type { CommittedOffset } from '../ports/log.js'
import { topicReplaced } from './cures.js'
import type { Ports } from './options.js'
import type { TaskPlan } from './task-plan.js'

export interface InputPositions {
  /** In the order of the sources. */
  readonly positions: number[]
  /** Those that changelog and group have both, with all that belongs to them; NaN: to be committed anew. */
  readonly known: number[]
}

/** `group`: what it has, in the order of the sources. Rejects with TOPIC_REPLACED, TOPIC_CHANGED, or what the log throws. */
export async function inputPositions(
  plan: TaskPlan,
  env: Pick<Ports, 'log' | 'logger'>,
  commit: CommitRecord | undefined,
  group: readonly (CommittedOffset | undefined)[],
): Promise<InputPositions> {
  const all = await Promise.all(
    plan.sources.map(async (source, i) => {
      const note = decodeOffsetNote(group[i]?.note ?? '')
      const known = knownPosition(plan, source, commit, group[i], note)
      return { position: await positionOf(plan, source, known, env), committed: committedPosition(plan, known, note) }
    }),
  )
  return { positions: all.map(({ position }) => position), known: all.map(({ committed }) => committed) }
}

/** What the group is to keep beside the offset of each source. */
export const offsetNotes = ({ sources }: TaskPlan, changelog: string | undefined): readonly string[] =>
  sources.map(({ id }) => encodeOffsetNote({ topicId: id, changelog }))

/**
 * A task without state has its positions in the group alone. Where that has none, nobody can tell a first start from a group
 * that was deleted, or that brokers forgot (`offsets.retention.minutes`), and whose outputs are now written once more.
 */
export async function sayBeginnings(
  plan: TaskPlan,
  { log, logger }: Pick<Ports, 'log' | 'logger'>,
  isFirstActivation: boolean,
  group: readonly (CommittedOffset | undefined)[],
  positions: readonly number[],
): Promise<void> {
  for (const [i, { topic, start }] of plan.sources.entries()) {
    if (group[i] !== undefined) continue
    const where = { topic, partition: plan.partition }
    const [earliest = 0] = await log.listOffsets([where], 'earliest')
    const [end = 0] = await log.listOffsets([where], 'end')
    if (earliest === end) continue
    const fields = { task: plan.id, ...where, group: plan.group, start, position: positions[i], earliest, end }
    if (isFirstActivation)
      logger.info(fields, 'the group has no position of this source: it begins as its topic declares')
    else
      logger.warn(
        fields,
        'the group has no position of this source, though the task was active before: it begins as its topic declares, and what ' +
          'was done already may be done again, or skipped',
      )
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
  { topic, start }: Source,
  known: KnownPosition,
  { log, logger }: Pick<Ports, 'log' | 'logger'>,
): Promise<number> {
  const where = { topic, partition: plan.partition }
  const choice = choosePosition(known, start, plan.changelog !== undefined)
  if (choice === 'replaced') throw await replaced(plan, topic, known, log)
  if (choice.warning !== undefined) logger.warn({ task: plan.id, ...where }, choice.warning)
  if (typeof choice.position === 'number') return choice.position
  const [found = 0] = await log.listOffsets([where], choice.position === 'earliest' ? 'earliest' : 'end')
  return found
}

/** The position that changelog and group agree on, if nothing has to be added to either. */
function committedPosition(plan: TaskPlan, known: KnownPosition, note: OffsetNote | undefined): number {
  const { committed, group = NaN, idThen, id } = known
  const inLog = plan.changelog === undefined ? group : committed
  // A position that only one of them has is committed anew, to both; so is one without the id of its topic.
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
    return new PotorooError('TOPIC_CHANGED', `${topic} was deleted and made anew since this worker started`)
  const position = String(committed ?? group)
  return topicReplaced(
    plan,
    topic,
    `task ${plan.id}: ${topic}, partition ${String(plan.partition)}: the position ${position} is of a topic of this name that was ` +
      `deleted since (its id was ${idThen}); the one that is there now (${String(id)}) has other messages`,
    { log },
  )
}
