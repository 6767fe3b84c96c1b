/** Reading state objects from outside computations: what `worker.query()` returns. */

/** The commit that an answer reflects. */
export interface AsOf {
  /** When it was made, ms since the epoch, by the clock of the worker that made it; 0 if nothing was ever committed. */
  readonly commitMs: number
  /**
   * The offset of its record in the changelog; -1 if nothing was ever committed. Later commits of a key have higher
   * offsets.
   */
  readonly changelogPosition: number
}

/** A timer that is set (docs/time.md). */
export interface SetTimer {
  /** The timer's name. */
  readonly name: string
  /** The id that it was set with. */
  readonly id: string
  /** When it is due, ms since the epoch. */
  readonly dueMs: number
}

export interface Answer<S> {
  /** A copy; undefined if the key has none. */
  readonly state: S | undefined
  /** The timers that are set on the state object, in the order in which they are due; usually none. */
  readonly timers: readonly SetTimer[]
  readonly asOf: AsOf
  readonly from: 'owner' | 'standby'
  /** The name of the worker that has answered. Absent where that is of an earlier version of Potoroo. */
  readonly worker?: string
}

export interface QueryOptions {
  /**
   * `committed` (default): what the owner has committed; another worker that took over within the last second may have
   * committed more. `fenced`: linearizable, because a transaction after the query proves that no one has; takes some 6
   * ms longer. A number: an answer of the owner or a standby that is at most so many ms old, 0 to 3,600,000.
   */
  readonly consistency?: 'committed' | 'fenced' | number
  /**
   * The `changelogPosition` of an earlier answer for the same key, from whichever worker: this answer reflects that
   * commit or a later one. Default: the last answer that this worker has given for the key's partition.
   */
  readonly atLeast?: number
}

export type KeyRange = { readonly prefix: string } | { readonly from?: string; readonly before?: string }

/** What an interval join has open for a key: messages that others may still meet. */
export interface OpenMessages<L, R> {
  readonly left: readonly SideMessage<L>[]
  readonly right: readonly SideMessage<R>[]
}
export interface SideMessage<M> {
  /** ms since the epoch. Each side is in this order. */
  readonly timestampMs: number
  /** Whether it has met a message of the other side. */
  readonly hasMet: boolean
  readonly message: M
}

export interface Queries<S> {
  /**
   * What is committed for a key. Rejects with QUERY_INVALID; QUERY_UNANSWERED if no worker could answer for 5 s, in
   * which case you may ask again; STATE_NEWER, STATE_UPGRADE_FAILED, and what your own unpack throws.
   */
  get(key: string, options?: QueryOptions): Promise<Answer<S>>
  /**
   * The state objects of a range of keys, in the order of their UTF-8 bytes, page by page: `from` is included, `before`
   * is not. Each reflects the commit that it names, or a later one; keys that are added or removed meanwhile may be
   * included or not. Rejects as `get`.
   */
  scan(
    range: KeyRange,
    options?: Pick<QueryOptions, 'consistency'>,
  ): AsyncIterable<{ readonly key: string } & Answer<S>>
}
