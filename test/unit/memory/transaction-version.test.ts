/** Transactions of version 2 in memory: they are added to by what they write, and each has an epoch of its own. */
import { expect, test } from 'vitest'
import { isPotorooError } from '../../../src/errors.js'
import { MemoryCluster } from '../../../src/memory/cluster.js'
import { noFaults, type Api, type Fate, type RequestInfo } from '../../../src/memory/faults.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { TransactionCoordinator, type Participant } from '../../../src/memory/transactions.js'
import { RecordingInput } from '../../support/recording-input.js'
import { chunksOf, recordsFrom } from '../../support/records.js'
import type { Transaction } from '../../../src/ports/log.js'

const group = 'g'
const steps: readonly Api[] = ['txnOffsetCommit', 'produce', 'endTxn']
const mishaps = ['request-lost', 'answer-lost', 'cut', 'refused', 'late'] as const

const transactionOf = (first: number): Transaction => ({
  records: [
    { topic: 't', partition: 0, chunks: chunksOf(recordsFrom(first, 6), 120) },
    { topic: 't', partition: 1, chunks: chunksOf(recordsFrom(first + 6, 2)) },
  ],
  group,
  positions: [{ topic: 't', partition: 1, position: first }],
})

function setting(fate: (request: RequestInfo) => Partial<Fate> | undefined, more: { readonly maxEpoch?: number } = {}) {
  const scheduler = new Scheduler()
  const sent: string[] = []
  const request = (one: RequestInfo): Fate => {
    sent.push(one.api)
    return { toBrokerMs: 1, toClientMs: 1, ...fate(one) }
  }
  const faults = { ...noFaults, request, markerMs: () => 5 }
  const cluster = new MemoryCluster({ scheduler, faults, transactionVersion: 2, ...more })
  cluster.createTopic({ name: 't', partitions: 2 })
  const log = cluster.log({ process: scheduler.process('p') })
  const committed = async (): Promise<string> => {
    const inputs = [0, 1].map((partition) => new RecordingInput('t', partition))
    const fetcher = log.fetcher()
    for (const input of inputs) fetcher.add(input)
    await scheduler.advance(30_000)
    return inputs.map(({ values }) => values.join()).join(';')
  }
  return { scheduler, cluster, log, sent, committed }
}

const outcomeOf = (commit: Promise<unknown>): Promise<string> =>
  commit.then(
    () => 'committed',
    (error: unknown) => (isPotorooError(error) ? error.code : String(error)),
  )

test('a commit is three requests, and each begins under an epoch that the one before gave out', async () => {
  const { scheduler, log, sent, committed } = setting(() => undefined)
  const producer = await scheduler.run(log.producer('id'))
  for (const first of [0, 10]) await scheduler.run(producer.commit(transactionOf(first)))
  expect(new Set(sent)).toEqual(new Set(['initProducerId', 'txnOffsetCommit', 'produce', 'endTxn']))
  expect(await committed()).toBe('v0,v1,v2,v3,v4,v5,v10,v11,v12,v13,v14,v15;v6,v7,v16,v17')
})

for (const step of steps)
  for (const mishap of mishaps)
    test(`${step}, ${mishap}: what the next activation sees fits what the commit said`, async () => {
      let hit = false
      const { scheduler, log, committed } = setting(({ api }) => {
        if (api !== step || hit) return undefined
        hit = true
        if (mishap === 'late') return { toBrokerMs: 12_000 }
        return { fault: mishap, ...(mishap === 'cut' && { toBrokerMs: 500 }) }
      })
      const producer = await scheduler.run(log.producer('id'))
      const outcome = await scheduler.run(outcomeOf(producer.commit(transactionOf(0))), 60_000)
      expect(outcome).toBe(mishap === 'refused' ? 'committed' : 'TRANSACTION_FAILED')
      // What was cut off comes while the next activation is at work.
      const next = await scheduler.run(log.producer('id'))
      for (const first of [10, 20]) await scheduler.run(next.commit(transactionOf(first)))
      const own = mishap === 'refused' || (step === 'endTxn' && mishap === 'answer-lost')
      const ten = [10, 20].map((first) => recordsOf(first, 6)).join()
      const two = [16, 26].map((first) => recordsOf(first, 2)).join()
      expect(await committed()).toBe(own ? `${recordsOf(0, 6)},${ten};${recordsOf(6, 2)},${two}` : `${ten};${two}`)
    })

const recordsOf = (first: number, count: number): string =>
  Array.from({ length: count }, (_, i) => `v${String(first + i)}`).join()

test('where epochs run out, the next transaction has another producer id, and nothing is lost or repeated', async () => {
  const { scheduler, log, committed } = setting(() => undefined, { maxEpoch: 2 })
  const producer = await scheduler.run(log.producer('id'))
  for (let first = 0; first < 80; first += 8) await scheduler.run(producer.commit(transactionOf(first)))
  const next = await scheduler.run(log.producer('id'))
  expect(await scheduler.run(outcomeOf(producer.commit(transactionOf(80))))).toBe('FENCED')
  await scheduler.run(next.commit(transactionOf(80)))
  const firsts = Array.from({ length: 11 }, (_, i) => i * 8)
  const [six, two] = [firsts.map((n) => recordsOf(n, 6)), firsts.map((n) => recordsOf(n + 6, 2))]
  expect(await committed()).toBe(`${six.join()};${two.join()}`)
})

test('an end whose transaction another activation has aborted finds itself fenced', async () => {
  const { scheduler, log, committed } = setting(({ api }) => (api === 'endTxn' ? { toBrokerMs: 4_000 } : undefined))
  const producer = await scheduler.run(log.producer('id'))
  const outcome = outcomeOf(producer.commit(transactionOf(0)))
  await scheduler.advance(100)
  // Another activation aborts it meanwhile.
  await scheduler.run(log.producer('id'))
  expect(await scheduler.run(outcome)).toBe('FENCED')
  expect(await committed()).toBe(';')
})

test('an end that is said again is answered as the first time, and never ends the next transaction', async () => {
  const scheduler = new Scheduler()
  const coordinator = new TransactionCoordinator({ scheduler, markerMs: () => 5, maxEpoch: 3 })
  const participant: Participant = { mark: () => undefined }
  let identity = coordinator.init('id', 10_000)
  for (let i = 0; i < 6; i++) {
    coordinator.include(identity, participant)
    const next = coordinator.endAndContinue(identity, 'commit')
    expect(next).not.toEqual(identity)
    expect(() => coordinator.endAndContinue(identity, 'commit')).toThrow('CONCURRENT_TRANSACTIONS')
    expect(() => coordinator.endAndContinue(identity, 'abort')).toThrow('INVALID_TXN_STATE')
    expect(() => {
      coordinator.include(next, participant)
    }).toThrow('CONCURRENT_TRANSACTIONS')
    await scheduler.advance(10)
    expect(coordinator.endAndContinue(identity, 'commit')).toEqual(next)
    identity = next
  }
})

test('a batch under a sequence that was used is taken for the one that is there', async () => {
  const { scheduler, cluster, log, committed } = setting(() => undefined)
  await scheduler.run(log.producer('other'))
  const identity = cluster.transactions.init('id', 10_000)
  const [chunk, other] = [...chunksOf(recordsFrom(0, 2)), ...chunksOf(recordsFrom(10, 2))]
  if (chunk === undefined || other === undefined) throw new Error('records make chunks')
  const to = { topic: 't', partition: 0 }
  expect(cluster.produce(identity, to, chunk, 0)).toBe(0)
  expect(cluster.produce(identity, to, other, 0)).toBe(0)
  expect(() => cluster.produce(identity, to, other, 7)).toThrow('OUT_OF_ORDER_SEQUENCE_NUMBER')
  cluster.transactions.endAndContinue(identity, 'commit')
  expect(await committed()).toBe('v0,v1;')
})
