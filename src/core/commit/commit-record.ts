/**
 * The commit record: in every transaction the last record of the changelog, under a reserved key. It says up to where
 * the inputs are worked off in the changelog, and whose changelog it is.
 *
 * State keys are `<name> \0 <key>` in UTF-8, in which no byte is 0xff: the reserved key can't be one of them.
 */
import { PotorooError } from '../../errors.js'

export const COMMIT_KEY = Buffer.from([0xff, 0x63]) // 0xff 'c'

/** Who begins a changelog that is to be read from somewhere else than the sources' start: no worker can have this name. */
export const BY_RESET = 'potoroo reset'

/** By topic. */
export type Positions = Readonly<Record<string, number>>

/** By topic. */
export type TopicIds = Readonly<Record<string, string>>

export interface CommitRecord {
  /** Written by the changelog's first transaction (core/commit/changelog-identity.ts): tells a topic that was deleted and recreated, or is another's. */
  readonly identity: string
  /** Positions of the inputs, by topic. */
  readonly positions: Positions
  /** What the group has as its offsets, where it does not have these positions: see core/commit/group-offsets.ts. */
  readonly group?: Positions | undefined
  /** Ids of the topics that the positions are of, where brokers have ids: a topic that was recreated has another one. */
  readonly topicIds?: TopicIds | undefined
  /**
   * Which of the plans it is that the manifest lists for the sub-topology; absent for the first one. A worker with an older
   * plan must not go on from here: what it does not know would miss what it processes.
   */
  readonly plan?: number | undefined
  /**
   * How many upgrades the state objects of that plan have, all together, in the version that wrote any of them; absent where it
   * has none. A worker with fewer must not go on from here: it would find what it can't read.
   */
  readonly upgrades?: number | undefined
  /** The worker that committed, and when by its clock, ms since the epoch: for the pause of a hand-off. */
  readonly by: string
  readonly atMs: number
  /** The task's time, with the bounds that it came of; absent where nothing uses time. */
  readonly time?: CommittedTime | undefined
  /** Of a call's task: which calls are done; absent elsewhere. */
  readonly calls?: CommittedCalls | undefined
}

/** Which calls of a task are done, as of a commit: all below its position, and these. See core/processing/calls/window.ts. */
export interface CommittedCalls {
  /** Part of the ids of its calls: drawn at random when the changelog begins, and when its source was recreated. */
  readonly generation: string
  /** Bits, in base64: bit n of byte m is for the record 8m + n after the position. Absent where there are none. */
  readonly done?: string | undefined
}

/** Of a task, as of a commit; ms since the epoch. What is absent has no time yet. See core/processing/watermark.ts. */
export interface CommittedTime {
  readonly timeMs?: number | undefined
  /** By topic: up to where its partition has everything but what is late. */
  readonly bounds: Readonly<Record<string, number>>
  /** By topic: how far its newest record lay behind the clock when it was written, at least, where that is more than it may. */
  readonly behind?: Readonly<Record<string, number>> | undefined
  /** By repartition: how far its writers are. Absent where it reads none that brings time. */
  readonly frontiers?: Readonly<Record<string, Frontiers>> | undefined
  /** Up to where timers by the wall clock have fired. */
  readonly wallMs?: number | undefined
}
/** By sub-topology that writes: the least of its tasks, ms since the epoch, and what each is ahead of it; null: it has said nothing. */
export type Frontiers = Readonly<Record<string, readonly (number | null)[]>>

/** Version 2 has a time; version 1 is written where there is none, so that what uses no time can go back to an older Potoroo. */
export const encodeCommitRecord = (record: CommitRecord): string => {
  const { identity, positions, group, topicIds, by, atMs, time, calls } = record
  const [plan, upgrades] = [record.plan, record.upgrades].map((count) => (count === 0 ? undefined : count))
  const v = time === undefined ? 1 : 2
  return JSON.stringify({ v, identity, positions, group, topicIds, plan, upgrades, by, atMs, time, calls })
}

export function decodeCommitRecord(value: Buffer, where: string): CommitRecord {
  try {
    const parsed: unknown = JSON.parse(value.toString())
    if (isCommitRecord(parsed)) {
      const { identity, positions, group, topicIds, plan: number, upgrades, by, atMs, time, calls } = parsed
      return {
        identity,
        positions: plain(positions),
        ...(group && { group: plain(group) }),
        ...(topicIds && { topicIds: plain(topicIds) }),
        ...(number === undefined ? {} : { plan: number }),
        ...(upgrades === undefined ? {} : { upgrades }),
        by,
        atMs,
        ...(calls && { calls }),
        ...(time && {
          time: {
            ...time,
            bounds: plain(time.bounds),
            ...(time.behind && { behind: plain(time.behind) }),
            ...(time.frontiers && { frontiers: plain(time.frontiers) }),
          },
        }),
      }
    }
  } catch {
    // said below
  }
  throw new PotorooError(
    'CHANGELOG_UNFIT',
    `${where}: the commit record is not in a format that this version knows: ${value.toString().slice(0, 200)}`,
  )
}

/** Without a prototype, because a topic may be called `constructor`. */
const plain = <T extends object>(byTopic: T): T => Object.assign(Object.create(null) as T, byTopic)

function isCommitRecord(value: unknown): value is CommitRecord {
  if (typeof value !== 'object' || value === null) return false
  const fields = value as Record<string, unknown>
  const { v, identity, positions, group, topicIds, plan: number, upgrades, by, atMs, time, calls } = fields
  return (
    (v === 2 ? isTime(time) : v === 1 && time === undefined) &&
    typeof identity === 'string' &&
    typeof by === 'string' &&
    typeof atMs === 'number' &&
    arePositions(positions) &&
    (group === undefined || arePositions(group)) &&
    (topicIds === undefined || areIds(topicIds)) &&
    (calls === undefined || areCalls(calls)) &&
    isCount(number) &&
    isCount(upgrades)
  )
}

function isTime(value: unknown): value is CommittedTime {
  if (!isRecord(value)) return false
  const { timeMs, bounds, behind = {}, frontiers = {}, wallMs } = value as Record<string, unknown>
  const isMs = (ms: unknown): boolean => ms === undefined || Number.isFinite(ms)
  const areMs = (of: unknown): boolean => isRecord(of) && Object.values(of).every((ms) => Number.isFinite(ms))
  return isMs(timeMs) && isMs(wallMs) && areMs(bounds) && areMs(behind) && areFrontiers(frontiers)
}

const areFrontiers = (value: unknown): boolean =>
  isRecord(value) &&
  Object.values(value).every(
    (of) =>
      isRecord(of) &&
      Object.values(of).every(
        (tasks) => Array.isArray(tasks) && tasks.every((ms: unknown) => ms === null || Number.isFinite(ms)),
      ),
  )
const areCalls = (value: unknown): boolean => {
  if (!isRecord(value)) return false
  const { generation, done } = value as Record<string, unknown>
  return typeof generation === 'string' && (done === undefined || typeof done === 'string')
}

const isCount = (value: unknown): boolean =>
  value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0)

const isRecord = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const arePositions = (value: unknown): boolean =>
  isRecord(value) &&
  Object.values(value).every((position) => Number.isSafeInteger(position) && (position as number) >= 0)

const areIds = (value: unknown): boolean =>
  isRecord(value) && Object.values(value).every((id) => typeof id === 'string')

/** What a commit record says of other topics than these. */
export function foreignTo(topics: readonly string[], commit: CommitRecord | undefined): Foreign {
  const positions = without(topics, commit?.positions ?? {})
  if (Object.keys(positions).length === 0) return { positions }
  return {
    positions,
    group: commit?.group && without(topics, commit.group),
    topicIds: commit?.topicIds && without(topics, commit.topicIds),
  }
}

/** What another version of the application reads besides, and has left behind in the group. */
export type Foreign = Pick<CommitRecord, 'positions' | 'group' | 'topicIds'>

/** What the group has, of these topics and of others; undefined where it has the positions of all of them. */
export function groupWith({ group: foreign }: Foreign, own: Positions | undefined): Positions | undefined {
  if (own === undefined && (foreign === undefined || Object.keys(foreign).length === 0)) return undefined
  return { ...foreign, ...own }
}

const without = <T>(topics: readonly string[], byTopic: Readonly<Record<string, T>>): Readonly<Record<string, T>> =>
  Object.fromEntries(Object.entries(byTopic).filter(([topic]) => !topics.includes(topic)))

export const isCommitKey = (bytes: Buffer, start: number, end: number): boolean =>
  end - start === 2 && bytes[start] === 0xff && bytes[start + 1] === 0x63
