/** Asking for state objects from outside of computations: what `worker.query()` gives. */

/** Of which commit an answer is. */
export interface AsOf {
  /** When it was made, ms since the epoch, by the clock of the worker that made it; 0 where nothing was ever committed. */
  readonly commitMs: number
  /** Where its record lies in the changelog; -1 where nothing was ever committed. Later commits of a key have higher ones. */
  readonly changelogPosition: number
}

/** A timer that is set (docs/time.md). */
export interface SetTimer {
  /** The timer's. */
  readonly name: string
  /** What it was set with. */
  readonly id: string
  /** When it is due, ms since the epoch. */
  readonly dueMs: number
}

export interface Answer<S> {
  /** A copy; undefined: the key has none. */
  readonly state: S | undefined
  /** Those of the state object that are set, in the order in which they are due; mostly none. */
  readonly timers: readonly SetTimer[]
  readonly asOf: AsOf
  readonly from: 'owner' | 'standby'
  /** The name of the worker that has answered. Absent where that is of an earlier version of Potoroo. */
  readonly worker?: string
}

export interface QueryOptions {
  /**
   * `committed` (default): what the owner has committed; another worker that has taken over within the last second may have
   * committed more. `fenced`: linearizable, for a transaction has proven after the question that nobody has: some 6 ms more.
   * A number: of the owner or a standby, so many ms old at most, 0 to 3,600,000.
   */
  readonly consistency?: 'committed' | 'fenced' | number
  /**
   * The `changelogPosition` of an answer for the same key that was seen before, from whichever worker: this one is of that commit or
   * a later one. Default: whatever this worker has given before for the key's partition.
   */
  readonly atLeast?: number
}

export type KeyRange = { readonly prefix: string } | { readonly from?: string; readonly before?: string }

/** What an interval join has open of a key: messages that others could still come to meet. */
export interface OpenMessages<L, R> {
  readonly left: readonly SideMessage<L>[]
  readonly right: readonly SideMessage<R>[]
}
export interface SideMessage<M> {
  /** ms since the epoch. A side is in their order. */
  readonly timestampMs: number
  /** Whether it has met one of the other side. */
  readonly hasMet: boolean
  readonly message: M
}

export interface Queries<S> {
  /**
   * What is committed for a key. Rejects with QUERY_INVALID; QUERY_UNANSWERED where nobody could answer for 5 s, and it may be asked
   * again; STATE_NEWER, STATE_UPGRADE_FAILED, and what an unpack of yours throws.
   */
  get(key: string, options?: QueryOptions): Promise<Answer<S>>
  /**
   * The state objects of a range of keys, in the order of their UTF-8 bytes, page by page: `from` included, `before` not. Each is as of
   * the commit that it names, or a later one; keys that come and go meanwhile may be there or not. As `get`.
   */
  scan(
    range: KeyRange,
    options?: Pick<QueryOptions, 'consistency'>,
  ): AsyncIterable<{ readonly key: string } & Answer<S>>
}
