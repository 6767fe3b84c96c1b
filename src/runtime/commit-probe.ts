/**
 * Looks for a commit record in a changelog, before a store that does not fit is set aside for it. A changelog without one
 * was lost, and the store is all that is left of the state objects.
 *
 * The last commit record never goes: it stands near the end. So the changelog is read from some records before its end, and
 * from earlier where there is none; one that has none is small, as a rule.
 */
import { decodeCommitRecord, isCommitKey } from '../core/commit/commit-record.js'
import type { Fetcher, TopicPartition } from '../ports/log.js'
import { otherEnd } from './changelog-end.js'
import { lookThrough } from './look-through.js'
import type { ObservedPorts } from './options.js'

const FIRST_LOOK_RECORDS = 1000
const FARTHER = 16

export interface ProbedChangelog extends TopicPartition {
  readonly topicId?: string | undefined
  /** Log start. */
  readonly earliest: number
  readonly end: number
}

/**
 * The identity that a changelog has near its end, as far as one look tells: undefined where there is no commit record. Rejects
 * with the signal's reason, or with what the log throws.
 */
export async function identityNearEnd(
  changelog: ProbedChangelog,
  { fetcher }: { readonly fetcher: Fetcher },
  signal: AbortSignal,
): Promise<string | undefined> {
  const { earliest, end } = changelog
  return identityBetween(changelog, Math.max(earliest, end - FIRST_LOOK_RECORDS), end, fetcher, signal)
}

/** Rejects with the signal's reason, or with what the log throws. */
export async function hasCommitRecord(
  changelog: ProbedChangelog,
  env: Pick<ObservedPorts, 'log' | 'clock' | 'observer'> & { readonly fetcher: Fetcher },
  signal: AbortSignal,
): Promise<boolean> {
  let { end } = changelog
  for (let records = FIRST_LOOK_RECORDS; ; records *= FARTHER) {
    const from = Math.max(changelog.earliest, end - records)
    if ((await identityBetween(changelog, from, end, env.fetcher, signal)) !== undefined) return true
    if (from > changelog.earliest) continue
    // Another owner may have gone on, and compaction removed what was there before.
    const other = await otherEnd(changelog, end, env, signal)
    if (other === undefined) return false
    end = other
  }
}

async function identityBetween(
  changelog: ProbedChangelog,
  from: number,
  end: number,
  fetcher: Fetcher,
  signal: AbortSignal,
): Promise<string | undefined> {
  let identity: string | undefined
  await lookThrough(
    { ...changelog, from, end },
    ({ buffer, keyStart, keyEnd, valueStart, valueEnd }) => {
      if (valueStart < 0 || !isCommitKey(buffer, keyStart, keyEnd)) return false
      identity = decodeCommitRecord(buffer.subarray(valueStart, valueEnd), changelog.topic).identity
      return true
    },
    { fetcher, signal, hurried: false },
  )
  return identity
}
