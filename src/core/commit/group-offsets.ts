/**
 * When a commit takes the positions along as the offsets of the consumer group. The changelog has them in every commit, and
 * that is where they are read from; the group has them for people, and for tools that show lag. To have them there in every
 * transaction, too, would be a third of its requests, and all of a group's offsets lie in one partition: one broker would
 * take a batch and a marker for each transaction of the whole application.
 */
export interface OffsetsAge {
  /** Since the group was given positions last, ms. */
  readonly sinceMs: number
  /** Messages that were processed since then, those of this commit included. */
  readonly messages: number
  /** Since the transaction before was ended, ms. */
  readonly sinceTransactionMs: number
  /** How long its end took to be answered, ms. */
  readonly endingMs: number
}

/** The group is this much behind at most. */
const MAX_BEHIND_MS = 500
const MAX_BEHIND_MESSAGES = 1000
/** Once there was no transaction for so long, the group is not behind any more. */
const QUIET_MS = 100
/**
 * An end is answered when the coordinator has written that the transaction will be committed. Behind that come the markers,
 * and that they are there: two more writes of that kind.
 */
const WRITES_BEHIND_END = 2

/**
 * Where the transaction before was ended so recently that brokers may still write its markers, they would refuse what begins
 * with a Produce: src/kafka/transactions.ts says why it had better begin with the offsets then.
 */
export const takesOffsets = ({ sinceMs, messages, sinceTransactionMs, endingMs }: OffsetsAge): boolean =>
  sinceMs >= MAX_BEHIND_MS ||
  messages >= MAX_BEHIND_MESSAGES ||
  sinceTransactionMs >= QUIET_MS ||
  sinceTransactionMs < endingMs * WRITES_BEHIND_END

/** When a task that has nothing to commit gives the group its positions, on the clock of both: when it last did, and last committed. */
export const offsetsDueMs = (givenMs: number, committedMs: number): number =>
  Math.min(givenMs + MAX_BEHIND_MS, committedMs + QUIET_MS)
