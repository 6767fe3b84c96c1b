/**
 * A2 of a task that makes calls: its changelog has nothing but commit records, and the last one says it all. So there is no
 * store and nothing to replay: the end of the changelog is read, from so far back that there is a commit record.
 */
import { subTopologyIn } from '../../core/commit/changelog-identity.js'
import { decodeCommitRecord, isCommitKey, type CommitRecord } from '../../core/commit/commit-record.js'
import type { Fetcher } from '../../ports/log.js'
import { abortable } from '../abortable.js'
import { ForeignChangelog } from '../changelog-reader.js'
import { lookThrough } from '../look-through.js'
import type { ObservedPorts } from '../options.js'
import type { TaskPlan } from '../task-plan.js'
import { lost } from '../task-store.js'

/** The last transaction's commit record, and the marker after it. */
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
    let commit: LastCommit['commit']
    await lookThrough(
      { topic, topicId, partition, from, end },
      ({ buffer, keyStart, keyEnd, valueStart, valueEnd, offset }) => {
        if (valueStart < 0 || !isCommitKey(buffer, keyStart, keyEnd)) return false
        const where = `${topic}, partition ${String(partition)}, offset ${String(offset)}`
        commit = { ...decodeCommitRecord(buffer.subarray(valueStart, valueEnd), where), position: offset }
        // There may be another one after it.
        return false
      },
      { fetcher: env.fetcher, signal, hurried: true },
    )
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
