/** Commits whose requests are lost, answered for nothing, delayed or refused, or whose process dies in between. */
import { expect, test } from 'vitest'
import { isPotorooError } from '../../../src/errors.js'
import { MemoryCluster } from '../../../src/memory/cluster.js'
import { noFaults, type Api, type Fate, type Faults, type RequestInfo } from '../../../src/memory/faults.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { RecordingInput } from '../../support/recording-input.js'
import { chunksOf, recordsFrom } from '../../support/records.js'
import type { EndedTransaction } from '../../../src/memory/transactions.js'
import type { Transaction } from '../../../src/ports/log.js'

const steps: readonly Api[] = ['addPartitionsToTxn', 'addOffsetsToTxn', 'produce', 'txnOffsetCommit', 'endTxn']
const mishaps = ['request-lost', 'answer-lost', 'cut', 'refused', 'late'] as const

const group = 'g'
const transaction: Transaction = {
  records: [
    { topic: 't', partition: 0, chunks: chunksOf(recordsFrom(0, 6), 120) },
    { topic: 't', partition: 1, chunks: chunksOf(recordsFrom(10, 2)) },
  ],
  group,
  positions: [{ topic: 't', partition: 1, position: 5 }],
}

interface Setting {
  readonly scheduler: Scheduler
  readonly cluster: MemoryCluster
  readonly sent: RequestInfo[]
  readonly ended: EndedTransaction[]
}

function setting(fate: (request: RequestInfo, index: number) => Partial<Fate> | undefined): Setting {
  const scheduler = new Scheduler()
  const sent: RequestInfo[] = []
  const ended: EndedTransaction[] = []
  const faults: Faults = {
    ...noFaults,
    request: (request) => {
      const index = sent.filter(({ api, process }) => api === request.api && process === request.process).length
      sent.push(request)
      return { toBrokerMs: 1, toClientMs: 1, ...fate(request, index) }
    },
  }
  const onTransactionEnded = (end: EndedTransaction): void => void ended.push(end)
  const cluster = new MemoryCluster({ scheduler, faults, onTransactionEnded })
  cluster.createTopic({ name: 't', partitions: 2 })
  return { scheduler, cluster, sent, ended }
}

/** What everybody sees after the next activation: all of the transaction, or nothing of it. */
async function seen({ scheduler, cluster }: Setting): Promise<'all' | 'nothing'> {
  const process = scheduler.process('next')
  const log = cluster.log({ process })
  await scheduler.run(log.producer('id'))
  const inputs = [0, 1].map((partition) => new RecordingInput('t', partition))
  const fetcher = log.fetcher()
  for (const input of inputs) fetcher.add(input)
  const ends = [0, 1].map((partition) => cluster.partition({ topic: 't', partition }))
  await scheduler.until(() => inputs.every(({ position }, i) => position === ends[i]?.highWatermark), 60_000)
  // What was late may come now, and must change nothing.
  await scheduler.advance(30_000)
  const values = inputs.map((input) => input.values.join())
  const position = cluster.committed(group, { topic: 't', partition: 1 })
  await scheduler.run(log.close())
  if (values.every((value) => value === '') && position === undefined) return 'nothing'
  expect(values).toEqual(['v0,v1,v2,v3,v4,v5', 'v10,v11'])
  expect(position).toBe(5)
  return 'all'
}

for (const step of steps) {
  for (const mishap of mishaps) {
    test(`${step}, ${mishap}: what the next activation sees fits what the commit said`, async () => {
      const here = setting(({ api, process }, index) => {
        if (process !== 'first' || api !== step || index !== 0) return undefined
        return mishap === 'late'
          ? { toBrokerMs: 12_000 }
          : { fault: mishap, ...(mishap === 'cut' && { toBrokerMs: 15_000 }) }
      })
      const log = here.cluster.log({ process: here.scheduler.process('first') })
      const outcome = here.scheduler.run(
        log.producer('id').then((producer) => producer.commit(transaction)),
        60_000,
      )
      const code = await outcome.then(
        () => 'committed',
        (error: unknown) => (isPotorooError(error) ? error.code : String(error)),
      )
      expect(code).toBe(mishap === 'refused' ? 'committed' : 'TRANSACTION_FAILED')
      const all = mishap === 'refused' || (step === 'endTxn' && mishap === 'answer-lost')
      expect(await seen(here)).toBe(all ? 'all' : 'nothing')
    })
  }

  test(`${step}: a process that dies before, or between request and answer, leaves all or nothing`, async () => {
    for (const dieAfterMs of [0, 0.5, 1.5, 2.5]) {
      const here = setting(() => undefined)
      const process = here.scheduler.process('first')
      const log = here.cluster.log({ process })
      const producer = await here.scheduler.run(log.producer('id'))
      let settled = false
      const settle = (): void => void (settled = true)
      producer.commit(transaction).then(settle, settle)
      await here.scheduler.until(() => here.sent.some(({ api }) => api === step))
      await here.scheduler.advance(dieAfterMs)
      process.kill()
      const wasSettled = settled
      await here.scheduler.advance(20)
      expect(settled).toBe(wasSettled)
      const decided = here.ended.some(({ kind }) => kind === 'commit')
      expect(decided).toBe(step === 'endTxn')
      expect(await seen(here)).toBe(decided ? 'all' : 'nothing')
    }
  })
}

test('another activation in the middle of a commit fences it', async () => {
  for (const step of steps) {
    const here = setting(() => undefined)
    const first = here.cluster.log({ process: here.scheduler.process('first') })
    const producer = await here.scheduler.run(first.producer('id'))
    const code = producer.commit(transaction).then(
      () => 'committed',
      (error: unknown) => (isPotorooError(error) ? error.code : String(error)),
    )
    await here.scheduler.until(() => here.sent.some(({ api }) => api === step))
    const taken = here.cluster.transactions
    if (step === 'addPartitionsToTxn' || step === 'addOffsetsToTxn') taken.init('id', 10_000)
    else expect(() => taken.init('id', 10_000)).toThrow('CONCURRENT_TRANSACTIONS')
    expect(await here.scheduler.run(code)).toBe('FENCED')
    expect(await seen(here)).toBe('nothing')
  }
})

test('init waits for the markers of a transaction that was decided', async () => {
  const here = setting(() => undefined)
  const scheduler = here.scheduler
  const slow = new MemoryCluster({ scheduler, faults: { ...noFaults, markerMs: () => 500 } })
  slow.createTopic({ name: 't', partitions: 2 })
  const log = slow.log({ process: scheduler.process('p') })
  const producer = await scheduler.run(log.producer('id'))
  await scheduler.run(producer.commit(transaction))
  const partition = slow.partition({ topic: 't', partition: 0 })
  expect(partition.lastStableOffset).toBe(0)
  expect(slow.committed(group, { topic: 't', partition: 1 })).toBe(undefined)
  await scheduler.run(log.producer('id'))
  expect(partition.lastStableOffset).toBe(7)
  expect(slow.committed(group, { topic: 't', partition: 1 })).toBe(5)
})

test('a broker that restarts in the middle of a commit leaves all or nothing', async () => {
  const outcomes = new Set<string>()
  for (let restartAfterMs = 0; restartAfterMs < 16; restartAfterMs += 0.5) {
    const here = setting(() => undefined)
    const log = here.cluster.log({ process: here.scheduler.process('first') })
    const producer = await here.scheduler.run(log.producer('id'))
    here.scheduler.after(undefined, restartAfterMs, () => {
      here.cluster.restartBroker(0, 50)
    })
    const outcome = here.scheduler.run(
      producer.commit(transaction).then(
        () => 'committed',
        (error: unknown) => (isPotorooError(error) ? error.code : String(error)),
      ),
    )
    const code = await outcome
    expect(['committed', 'TRANSACTION_FAILED']).toContain(code)
    const what = await seen(here)
    if (code === 'committed') expect(what).toBe('all')
    outcomes.add(`${code}, ${what}`)
  }
  expect([...outcomes].sort()).toEqual(['TRANSACTION_FAILED, all', 'TRANSACTION_FAILED, nothing', 'committed, all'])
})
