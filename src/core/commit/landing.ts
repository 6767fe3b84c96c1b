/**
 * One writer has a changelog's partition at a time, so each batch lands where the one before it ended, and the first one
 * where the log was said to end. One that lands elsewhere shows that the end was not known: a leader that was replaced had
 * answered, say, and what its successor took meanwhile was not replayed. Nothing that rests on it may be committed.
 *
 * (A marker that a transaction coordinator writes a second time, when it moves, leads to the same. Then nothing was missing,
 * and the changelog is read once more for nothing.)
 */
import { PotorooError } from '../../errors.js'
import type { TopicPartition } from '../records/fetched.js'

/** Behind each transaction stands one record that ends it. */
export const MARKER_RECORDS = 1

/** The changelog is longer than it was taken for: it is to be read again, at least up to `end`. */
export class LongerChangelog extends PotorooError {
  constructor(
    code: 'TRANSACTION_FAILED' | 'FENCED',
    message: string,
    readonly end: number,
    options?: { readonly cause?: unknown },
  ) {
    super(code, message, options)
  }
}

export class LandedElsewhere extends LongerChangelog {
  constructor({ topic, partition }: TopicPartition, due: number, end: number, landed: number) {
    super(
      'TRANSACTION_FAILED',
      `${topic}, partition ${String(partition)}: records landed at offset ${String(landed)} instead of ${String(due)}, ` +
        'the end of the log as the broker listed it, or of the last batch: the listed end was too low, or another process writes ' +
        'to this topic. The transaction is not committed',
      end,
    )
  }
}

/** Where the records of one partition have to land, from batch to batch. */
export class Landing {
  constructor(
    private readonly of: TopicPartition,
    /** Undefined: others write there, too. */
    private due: number | undefined,
  ) {}

  /** Throws LandedElsewhere. Returns the position after the batch. */
  landed(offset: number, count: number): number {
    const end = offset + count
    if (this.due !== undefined && offset !== this.due) throw new LandedElsewhere(this.of, this.due, end, offset)
    if (this.due !== undefined) this.due = end
    return end
  }
}
