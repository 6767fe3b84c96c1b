/**
 * Becoming active, the decisions: where to replay the changelog from, and where to read the inputs from.
 *
 * A store's changelog position is that of the commit record of its last transaction: replay begins with a record that
 * has to be there and has to name the changelog's identity, so a store of another changelog is found out.
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
  if (store === undefined) return { kind: 'replay', from: earliest }
  if (end === 0 && store.changelogPosition > 0)
    return {
      kind: 'lost',
      why: 'the changelog is empty, but the store was filled from it: it was deleted and made anew',
    }
  const rebuild = (why: string): RestorePlan => ({ kind: 'rebuild', from: earliest, why })
  if (store.changelogPosition >= end)
    return rebuild(`its position ${String(store.changelogPosition)} is past the changelog's end ${String(end)}`)
  if (store.changelogPosition < earliest)
    return rebuild(
      `its position ${String(store.changelogPosition)} is before the changelog's start ${String(earliest)}`,
    )
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
}

/** Pure: where one input is read from. */
export function choosePosition(
  { committed, groupThen, group }: KnownPosition,
  start: 'earliest' | 'latest',
  stateful: boolean,
): PositionChoice {
  if (group === undefined) return { position: committed ?? start }
  if (committed !== undefined && (group === committed || group === groupThen)) return { position: committed }
  if (committed === undefined)
    return stateful
      ? { position: group, warning: `no commit in the changelog yet: starting at the group's offset ${String(group)}` }
      : { position: group }
  return {
    position: group,
    warning: `the group's offset ${String(group)} is not the committed position ${String(committed)}: it was reset, and is honoured`,
  }
}
