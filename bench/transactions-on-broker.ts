/** How many transactions a broker takes, whatever is in them. */
import { RecordWriter } from '#potoroo/core/records/records.js'
import type { Log, TransactionalProducer } from '#potoroo/ports/log.js'
import { quantile } from './statistics.js'

export interface Transactions {
  readonly tasks: number
  readonly perSecond: number
  /** Of one commit, ms. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of this process, which stands for the worker. */
  readonly cpuMicrosPerTransaction: number
}

/**
 * As many transactions as so many tasks get through that commit back to back: each writes one small record to its
 * partition of the changelog, one to that of a sink, and two positions, as a task of Market Spread does. Topics need as
 * many partitions as there are tasks.
 */
export async function transactions(
  log: Log,
  {
    changelog,
    sink,
    sources,
  }: { readonly changelog: string; readonly sink: string; readonly sources: readonly string[] },
  tasks: number,
  forMs: number,
): Promise<Transactions> {
  const group = `${changelog}-group`
  const producers: TransactionalProducer[] = []
  for (let task = 0; task < tasks; task++) producers.push(await log.producer(`${changelog}-${String(task)}`))
  const tookMs: number[] = []
  const commit = async (producer: TransactionalProducer, partition: number, round: number): Promise<void> => {
    const chunks = (): ReturnType<RecordWriter['take']> => {
      const writer = new RecordWriter(1_000_000)
      writer.append(Date.now(), 'key', VALUE)
      return writer.take()
    }
    await producer.commit({
      records: [changelog, sink].map((topic) => ({ topic, partition, chunks: chunks() })),
      group,
      positions: sources.map((topic) => ({ topic, partition, position: round })),
    })
  }
  // The first one of each is not counted: connections are made, and leaders looked up.
  await Promise.all(producers.map((producer, partition) => commit(producer, partition, 0)))
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  await Promise.all(
    producers.map(async (producer, partition) => {
      for (let round = 1; performance.now() - startMs < forMs; round++) {
        const beganMs = performance.now()
        await commit(producer, partition, round)
        tookMs.push(performance.now() - beganMs)
      }
    }),
  )
  const elapsedMs = performance.now() - startMs
  const { user, system } = process.cpuUsage(cpu)
  await Promise.all(producers.map((producer) => producer.close()))
  return {
    tasks,
    perSecond: tookMs.length / (elapsedMs / 1000),
    p50Ms: quantile(tookMs, 0.5),
    p99Ms: quantile(tookMs, 0.99),
    cpuMicrosPerTransaction: (user + system) / tookMs.length,
  }
}

/** About as large as a state object or a rejection of Market Spread. */
const VALUE = 'x'.repeat(80)
