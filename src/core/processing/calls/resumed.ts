/** What a call's task continues with, and how its calls are named. Pure. */
import type { CallDefinition } from '../../../api/definition.js'
import type { CommitRecord } from '../../commit/commit-record.js'

/** What the last commit says of the calls of a task. */
export interface ResumedCalls {
  /** Undefined: a new one is to be drawn, and committed before the first call. */
  readonly generation: string | undefined
  /** What is done beyond the position. */
  readonly done: string | undefined
}

/**
 * Offsets name messages of one topic: in one that was recreated they name others, which get other ids. Where somebody has set
 * another position, what is done beyond the old one is to be done again, as is what lies before it: under the same ids.
 */
export function resumedCalls(
  commit: Pick<CommitRecord, 'calls' | 'positions' | 'topicIds'> | undefined,
  { topic, id }: { readonly topic: string; readonly id?: string | undefined },
  position: number,
): ResumedCalls {
  const idThen = commit?.topicIds?.[topic]
  const isAnother = idThen !== undefined && id !== undefined && idThen !== id
  if (commit?.calls === undefined || isAnother) return { generation: undefined, done: undefined }
  const { generation, done } = commit.calls
  return { generation, done: commit.positions[topic] === position ? done : undefined }
}

/** Of a random id. Some ten thousand times as many as there are worlds. */
const GENERATION_DIGITS = 16
export const generationOf = (randomId: string): string => randomId.slice(0, GENERATION_DIGITS)

/** The same in each attempt on each worker, and of no other message. */
export const callId = (
  application: string,
  generation: string,
  { name }: Pick<CallDefinition, 'name'>,
  partition: number,
  offset: number,
): string => `${application}-${generation}-${name}-${String(partition)}-${String(offset)}`

/** Before the second attempt, doubled before each one after that, up to the last. */
const FIRST_PAUSE_MS = 100
const LAST_PAUSE_MS = 10_000

/** How long after a failure the next attempt begins; `attempt`: which one it is, 2 or more. */
export const pauseBeforeMs = (attempt: number): number =>
  // 2 ** 10 is beyond the last one, and 2 ** 1100 beyond all numbers.
  Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(10, attempt - 2))
