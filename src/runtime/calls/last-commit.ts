/**
 * A2 of a task that makes calls: its changelog has nothing but commit records, and the last one says it all. So there is no
 * store and nothing to replay: the end of the changelog is read, from so far back that there is a commit record.
 */
import { subTopologyIn } from '../../core/commit/changelog-identity.js'
import { decodeCommitRecord, isCommitKey, type CommitRecord } from '../../core/commit/commit-record.js'
import { RecordCursor } from '../../core/records/records.js'
import type { Fetched, Fetcher, FetchInput } from '../../ports/log.js'
import { abortable } from '../abortable.js'
import { ForeignChangelog } from '../changelog-reader.js'
import type { ObservedPorts } from '../options.js'
import type { TaskPlan } from '../task-plan.js'
import { lost } from '../task-store.js'

/** The last transaction's commit record, and the marker behind it. */
const FIRST_LOOK_RECORDS = 2
const FARTHER = 32

export interface LastCommit {
  readonly commit: (CommitRecord & { readonly position: number }) | undefined
  /** Of the changelog, as it was listed. */
  readonly end: number
  readonly from: number
  readonly records: 0
  readonly rebuilt: false
}

/** `end`: of the changelog, listed after A1. Rejects with CHANGELOG_LOST, CHANGELOG_UNFIT, what the log throws, or the signal's reason. */
export async function lastCommit(
  plan: TaskPlan,
  changelog: NonNullable<TaskPlan['changelog']>,
  end: number,
  env: Pick<ObservedPorts, 'log' | 'stores'> & { readonly fetcher: Fetcher },
  signal: AbortSignal,
): Promise<LastCommit> {
  const { topic, id: topicId } = changelog
  const { partition } = plan
  const [earliest = 0] = await abortable(signal, env.log.listOffsets([{ topic, partition }], 'earliest'))
  for (let records = FIRST_LOOK_RECORDS; ; records *= FARTHER) {
    const from = Math.max(earliest, end - records)
    const commit = await commitBetween({ topic, topicId, partition, from, end }, env.fetcher, signal)
    if (commit !== undefined) {
      const { name } = plan.processor.subTopology
      const owner = subTopologyIn(commit.identity) ?? name
      if (owner !== name) throw new ForeignChangelog(topic, owner, name)
      return { commit, end, from, records: 0, rebuilt: false }
    }
    if (from > earliest) continue
    // Compaction leaves the last one: whoever deleted records deleted it.
    if (earliest > 0) throw lost(plan, changelog, `its records below ${String(earliest)} were deleted`, env)
    return { commit: undefined, end, from, records: 0, rebuilt: false }
  }
}

interface Range {
  readonly topic: string
  readonly topicId: string | undefined
  readonly partition: number
  readonly from: number
  readonly end: number
}

async function commitBetween(range: Range, fetcher: Fetcher, signal: AbortSignal): Promise<LastCommit['commit']> {
  signal.throwIfAborted()
  if (range.from >= range.end) return undefined
  let events: ReaderEvents = { done: () => undefined, failed: () => undefined }
  const found = new Promise<LastCommit['commit']>((done, failed) => (events = { done, failed }))
  const reader = new LastCommitReader(range, events)
  fetcher.add(reader)
  try {
    return await abortable(signal, found)
  } finally {
    fetcher.remove(reader)
  }
}

interface ReaderEvents {
  done(commit: LastCommit['commit']): void
  failed(error: Error): void
}

class LastCommitReader implements FetchInput {
  readonly topic: string
  readonly topicId: string | undefined
  readonly partition: number
  readonly #cursor = new RecordCursor()
  #position: number
  #commit: LastCommit['commit']
  #isOver = false

  constructor(
    private readonly range: Range,
    private readonly events: ReaderEvents,
  ) {
    this.topic = range.topic
    this.topicId = range.topicId
    this.partition = range.partition
    this.#position = range.from
  }

  wanted(): number | undefined {
    return this.#isOver ? undefined : this.#position
  }

  hurried(): boolean {
    return true
  }

  deliver(fetched: Fetched): void {
    try {
      if (!this.#isOver && fetched.position === this.#position) this.#look(fetched)
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

  #look({ batches, nextPosition }: Fetched): void {
    const { end } = this.range
    const cursor = this.#cursor
    for (const batch of batches) {
      cursor.open(batch)
      while (cursor.next()) {
        const { buffer, keyStart, keyEnd, valueStart, valueEnd, offset } = cursor
        if (offset < this.#position || offset >= end || valueStart < 0) continue
        if (!isCommitKey(buffer, keyStart, keyEnd)) continue
        const where = `${this.topic}, partition ${String(this.partition)}, offset ${String(offset)}`
        this.#commit = { ...decodeCommitRecord(buffer.subarray(valueStart, valueEnd), where), position: offset }
      }
    }
    this.#position = nextPosition
    if (this.#position < end) return
    this.#isOver = true
    this.events.done(this.#commit)
  }
}
