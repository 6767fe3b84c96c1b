/** What a changelog has, as bytes: read-committed, partition after partition. */
import { decodeCommitRecord, isCommitKey, type CommitRecord } from '../../src/core/commit/commit-record.js'
import { RecordCursor } from '../../src/core/records/records.js'
import { testBrokers } from './broker.js'
import { testLog } from './kafka-log.js'
import { readAll } from './open-logs.js'

export interface ChangelogRecord {
  readonly partition: number
  readonly key: Buffer
  readonly value: Buffer | undefined
}

export async function changelogRecords(
  topic: string,
  brokers: readonly string[] = testBrokers(),
): Promise<ChangelogRecord[]> {
  const { log } = testLog({ brokers: [...brokers] })
  await log.connect()
  try {
    const partitions = (await log.describeTopics([topic])).get(topic)?.partitions ?? 0
    const found: ChangelogRecord[] = []
    const cursor = new RecordCursor()
    for (let partition = 0; partition < partitions; partition++)
      for (const { batches } of (await readAll(log, topic, partition)).answers)
        for (const batch of batches) {
          cursor.open(batch)
          while (cursor.next()) {
            const { buffer, keyStart, keyEnd, valueStart, valueEnd } = cursor
            const value = valueStart < 0 ? undefined : Buffer.from(buffer.subarray(valueStart, valueEnd))
            found.push({ partition, key: Buffer.from(buffer.subarray(keyStart, keyEnd)), value })
          }
        }
    return found
  } finally {
    await log.close()
  }
}

/** By partition. */
export async function lastCommits(
  topic: string,
  brokers?: readonly string[],
): Promise<ReadonlyMap<number, CommitRecord>> {
  const commits = new Map<number, CommitRecord>()
  for (const { partition, key, value } of await changelogRecords(topic, brokers))
    if (value !== undefined && isCommitKey(key, 0, key.length)) commits.set(partition, decodeCommitRecord(value, topic))
  return commits
}
