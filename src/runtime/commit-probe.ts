/**
 * Looks for a commit record in a changelog, before a store that does not fit is set aside for it. A changelog without one
 * was lost, and the store is all that is left of the state objects.
 *
 * The last commit record never goes: it stands near the end. So the changelog is read from some records before its end, and
 * from earlier where there is none; one that has none is small, as a rule.
 */
import { decodeCommitRecord, isCommitKey } from '../core/commit/commit-record.js'
import { RecordCursor } from '../core/records/records.js'
import type { Fetched, Fetcher, FetchInput, TopicPartition } from '../ports/log.js'
import { abortable } from './abortable.js'
import { otherEnd } from './changelog-end.js'
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
  signal.throwIfAborted()
  if (from >= end) return undefined
  let settle: ProbeEvents = { found: () => undefined, failed: () => undefined }
  const outcome = new Promise<string | undefined>((found, failed) => (settle = { found, failed }))
  const probe = new Probe(changelog, from, end, settle)
  fetcher.add(probe)
  try {
    return await abortable(signal, outcome)
  } finally {
    fetcher.remove(probe)
  }
}

interface ProbeEvents {
  found(identity: string | undefined): void
  failed(error: Error): void
}

class Probe implements FetchInput {
  readonly topic: string
  readonly partition: number
  readonly topicId: string | undefined
  readonly #cursor = new RecordCursor()
  #isOver = false

  constructor(
    { topic, partition, topicId }: ProbedChangelog,
    private position: number,
    private readonly end: number,
    private readonly events: ProbeEvents,
  ) {
    this.topic = topic
    this.partition = partition
    this.topicId = topicId
  }

  wanted(): number | undefined {
    return this.#isOver ? undefined : this.position
  }

  hurried(): boolean {
    return false
  }

  deliver(fetched: Fetched): void {
    try {
      if (!this.#isOver && fetched.position === this.position) this.#look(fetched)
    } catch (error) {
      this.failed(error instanceof Error ? error : new Error(String(error)))
    } finally {
      fetched.release()
    }
  }

  failed(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.events.failed(error)
  }

  #done(identity: string | undefined): void {
    this.#isOver = true
    this.events.found(identity)
  }

  #look({ batches, nextPosition }: Fetched): void {
    const cursor = this.#cursor
    for (const batch of batches) {
      cursor.open(batch)
      while (cursor.next())
        if (cursor.offset < this.end && isCommitKey(cursor.buffer, cursor.keyStart, cursor.keyEnd)) {
          const { buffer, valueStart, valueEnd } = cursor
          if (valueStart < 0) continue
          this.#done(decodeCommitRecord(buffer.subarray(valueStart, valueEnd), this.topic).identity)
          return
        }
    }
    this.position = nextPosition
    if (this.position >= this.end) this.#done(undefined)
  }
}
