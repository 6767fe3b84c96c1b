/**
 * The commit record: in every transaction the last record of the changelog, under a reserved key. It says up to where
 * the inputs are worked off in the changelog, and whose changelog it is.
 *
 * State keys are `<name> \0 <key>` in UTF-8, in which no byte is 0xff: the reserved key can't be one of them.
 */
import { PotorooError } from '../errors.js'

export const COMMIT_KEY = Buffer.from([0xff, 0x63]) // 0xff 'c'

export interface CommitRecord {
  /** Written by the changelog's first transaction (core/changelog-identity.ts): tells a topic that was deleted and made anew, or is another's. */
  readonly identity: string
  /** Positions of the inputs, by topic. */
  readonly positions: Readonly<Record<string, number>>
  /** The worker that committed, and when by its clock, ms since the epoch: for the pause of a hand-off. */
  readonly by: string
  readonly atMs: number
}

export const encodeCommitRecord = (record: CommitRecord): string =>
  JSON.stringify({ v: 1, identity: record.identity, positions: record.positions, by: record.by, atMs: record.atMs })

export function decodeCommitRecord(value: Buffer, where: string): CommitRecord {
  try {
    const parsed: unknown = JSON.parse(value.toString())
    if (isCommitRecord(parsed)) {
      const { identity, positions, by, atMs } = parsed
      // Without a prototype, for a topic may be called `constructor`.
      return { identity, positions: Object.assign(Object.create(null) as object, positions), by, atMs }
    }
  } catch {
    // said below
  }
  throw new PotorooError(
    'CHANGELOG_UNFIT',
    `${where}: the commit record is none of this version's: ${value.toString().slice(0, 200)}`,
  )
}

function isCommitRecord(value: unknown): value is CommitRecord {
  if (typeof value !== 'object' || value === null) return false
  const { v, identity, positions, by, atMs } = value as Record<string, unknown>
  return (
    v === 1 &&
    typeof identity === 'string' &&
    typeof by === 'string' &&
    typeof atMs === 'number' &&
    typeof positions === 'object' &&
    positions !== null &&
    !Array.isArray(positions) &&
    Object.values(positions).every((position) => Number.isSafeInteger(position) && (position as number) >= 0)
  )
}

export const isCommitKey = (bytes: Buffer, start: number, end: number): boolean =>
  end - start === 2 && bytes[start] === 0xff && bytes[start + 1] === 0x63
