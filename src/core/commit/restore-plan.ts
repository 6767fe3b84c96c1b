/**
 * Becoming active, the decisions: where to replay the changelog from, and where to read the inputs from.
 *
 * Invariants
 * 1. A store's changelog position is that of the commit record of its last transaction: replay begins with a record that
 *    has to be there and has to name the changelog's identity, so a store of another changelog is found out.
 * 2. State objects don't get lost in silence. Nothing but the deletion of records moves the start of a compacted topic: what is
 *    not in a store that goes that far is gone (`lost`). Where a changelog has no commit record, a store that was filled, or an
 *    offset that was committed with it (core/commit/offset-note.ts), proves that it had one.
 * 3. A topic is not its name: a position of one that was deleted and recreated is no position of the one that is there now.
 *    Only an offset that was set since, by somebody else than a worker, says where to continue.
 */
export interface StoreSummary {
  readonly changelogPosition: number
  readonly identity: string
  readonly atEndMs: number
}
export interface ChangelogSummary {
  /** Log start. */
  readonly earliest: number
  /** High watermark, listed after fencing. */
  readonly end: number
  readonly deleteRetentionMs: number
}

export type RestorePlan =
  | { readonly kind: 'replay'; readonly from: number }
  /** The store doesn't fit: set it aside, and replay from the start. */
  | { readonly kind: 'rebuild'; readonly from: number; readonly why: string }
  /** The store holds what the changelog has lost. */
  | { readonly kind: 'lost'; readonly why: string }

/** Pure: what to do with what the store holds. */
export function restorePlan(store: StoreSummary | undefined, changelog: ChangelogSummary, nowMs: number): RestorePlan {
  const { earliest, end, deleteRetentionMs } = changelog
  if (earliest > 0 && (store === undefined || store.changelogPosition < earliest))
    return {
      kind: 'lost',
      why:
        `its records below ${String(earliest)} were deleted, and the store ` +
        (store === undefined ? 'is empty' : `has them up to ${String(store.changelogPosition)} only`),
    }
  if (store === undefined) return { kind: 'replay', from: earliest }
  if (end === 0)
    return {
      kind: 'lost',
      why: 'it is empty, but the store was filled from it: it was deleted and recreated',
    }
  const rebuild = (why: string): RestorePlan =>
    earliest === 0
      ? { kind: 'rebuild', from: earliest, why }
      : { kind: 'lost', why: `its records below ${String(earliest)} were deleted, and the store does not fit: ${why}` }
  if (store.changelogPosition >= end)
    return rebuild(`its position ${String(store.changelogPosition)} is past the changelog's end ${String(end)}`)
  if (nowMs - store.atEndMs > deleteRetentionMs / 2)
    return rebuild(
      `it was last at the changelog's end ${String(Math.round((nowMs - store.atEndMs) / 1000))} s ago, longer than half of ` +
        `delete.retention.ms (${String(deleteRetentionMs)}): deletions may be compacted away`,
    )
  return { kind: 'replay', from: store.changelogPosition }
}

export interface PositionChoice {
  readonly position: number | 'earliest' | 'latest'
  /** Something that an operator should know. */
  readonly warning?: string
}

/** What is known of an input's position. */
export interface KnownPosition {
  /** From the changelog's last commit record. */
  readonly committed: number | undefined
  /** What the group had as its offset at that commit: `committed`, or the position of a commit before. */
  readonly groupThen: number | undefined
  /** The group's offset. */
  readonly group: number | undefined
  /** Whether a worker has committed that offset: else an operator has set it, or another consumer. */
  readonly isGroupOurs?: boolean
  /** Of the topic that the positions are of; undefined where nobody has written it down. */
  readonly idThen?: string | undefined
  /** Of the topic that is there; undefined where brokers have no ids. */
  readonly id?: string | undefined
}

/** Pure: where one input is read from. */
export function choosePosition(
  { committed, groupThen, group, isGroupOurs = false, idThen, id }: KnownPosition,
  start: 'earliest' | 'latest',
  stateful: boolean,
): PositionChoice | 'replaced' {
  if (idThen !== undefined && id !== undefined && idThen !== id) {
    if (group === undefined || isGroupOurs) return 'replaced'
    return {
      position: group,
      warning: `the topic was deleted and recreated; the group's offset ${String(group)} was set since, so the worker starts there`,
    }
  }
  if (group === undefined) return { position: committed ?? start }
  if (committed !== undefined && (group === committed || group === groupThen)) return { position: committed }
  if (committed === undefined)
    return stateful
      ? { position: group, warning: `no commit in the changelog yet: starting at the group's offset ${String(group)}` }
      : { position: group }
  return {
    position: group,
    warning: `the group's offset ${String(group)} is not the committed position ${String(committed)}: it was reset, so the worker starts there`,
  }
}
