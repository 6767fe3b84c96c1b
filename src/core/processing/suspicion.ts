/**
 * Finding the message whose records a broker does not take. A commit holds the records of many messages, and is refused as
 * a whole. So after a refusal fewer messages go into a commit, until one is refused alone: it is the failing message, and those
 * beside it are committed. Where refusals are rare this takes some tens of commits, however many messages there were.
 *
 * Invariants
 * 1. After each refusal fewer messages go into a commit, or one is the failing message: it ends.
 * 2. A failing message is named only by the refusal of a commit that held nothing but its records.
 * 3. Nobody is suspected behind `until`: what the refused commit did not hold goes on as usual.
 */
import type { PotorooError } from '../../errors.js'

/** A record of a source: which input, and where in it. Or what was due: then both are -1. */
export interface Place {
  readonly input: number
  readonly offset: number
  /** What tells it from all else that is due. */
  readonly due?: string | undefined
}
export interface FailingMessage extends Place {
  readonly error: PotorooError
}
export interface Suspicion {
  /** Behind these positions it ends, by input; and behind these times, where the task has one. */
  readonly until: readonly number[]
  /** Messages of a commit, until it ends. */
  readonly atMost: number
  /** Whose commit was refused, when it was alone in it. */
  readonly failingMessage: FailingMessage | undefined
}
/** What a refused commit held. */
export interface Refused {
  readonly messages: number
  /** The last message of it; known where there was a suspicion. */
  readonly last: Place | undefined
  /** Positions of the inputs now, and the task's times, behind all that it held. */
  readonly positions: readonly number[]
  readonly error: PotorooError
}

/** A sixteenth: of a hundred thousand messages, one is found after five refusals. */
const NARROWER = 16

/** Undefined where no message is at fault: the commit held none, or nothing but what was put in place of a failing message's records. */
export function suspect(before: Suspicion | undefined, refused: Refused): Suspicion | undefined {
  const { messages, last, positions, error } = refused
  if (messages === 0) return undefined
  if (before === undefined || messages > 1)
    return { until: before?.until ?? positions, atMost: Math.ceil(messages / NARROWER), failingMessage: undefined }
  if (last === undefined || isFailingMessage(before, last)) return undefined
  return { ...before, atMost: 1, failingMessage: { ...last, error } }
}

/** A commit went through: when it had as many messages as it may, the next may have more. */
export function trust(before: Suspicion, { messages, last }: Pick<Refused, 'messages' | 'last'>): Suspicion {
  if (messages === 1 && last !== undefined && isFailingMessage(before, last))
    return { ...before, failingMessage: undefined }
  return before.failingMessage === undefined && messages >= before.atMost
    ? { ...before, atMost: before.atMost * 2 }
    : before
}

export const isFailingMessage = (suspicion: Suspicion | undefined, { input, offset, due }: Place): boolean =>
  suspicion?.failingMessage?.input === input &&
  suspicion.failingMessage.offset === offset &&
  suspicion.failingMessage.due === due

/** Whether all that is suspected is done. */
export const isOver = ({ until }: Suspicion, positions: readonly number[]): boolean =>
  positions.every((position, i) => position >= (until[i] ?? 0))
