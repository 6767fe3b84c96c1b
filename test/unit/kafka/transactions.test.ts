/** The order in which a commit's requests are sent to several brokers: those that a test has are one. */
import { expect, test } from 'vitest'
import { RecordWriter, type RecordChunk } from '../../../src/core/records.js'
import type { Cluster } from '../../../src/kafka/cluster.js'
import { LinkError } from '../../../src/kafka/errors.js'
import type { Request } from '../../../src/kafka/prepared.js'
import type { ProducerIdentity } from '../../../src/kafka/requests.js'
import type { TransactionVersion } from '../../../src/kafka/transaction-version.js'
import { openProducer } from '../../../src/kafka/transactions.js'
import type { Transaction } from '../../../src/ports/log.js'
import { silentLogger } from '../../support/silent-logger.js'

const COORDINATOR = 9
const versions = Object.fromEntries([22, 24, 25, 26, 28].map((apiKey) => [apiKey, { minVersion: 0, maxVersion: 1 }]))

/** Brokers that carry everything out: partition p is led by broker p, broker 9 coordinates. */
class FakeCluster {
  readonly settings = { transactionTimeoutMs: 10_000, logger: silentLogger }
  /** `offset.metadata.max.bytes` is that small. */
  refusesNotes = false
  readonly closed = false
  readonly sleeper = { sleep: () => Promise.resolve() }
  /** What was sent, and answered: `>Produce 0`, `<Produce 0`. */
  readonly events: string[] = []
  /** Whether a TxnOffsetCommit had one, one after the other. */
  readonly notes: boolean[] = []
  readonly taking = new Map<number, TransactionVersion>()
  readonly gone = new Set<number>()
  readonly leaders = new Map([0, 1].map((partition) => [partition, partition]))
  readonly forgotten: string[] = []
  #epoch = 0
  #nowMs = 0

  now(): number {
    return this.#nowMs
  }
  leaderOf({ partition }: { readonly partition: number }): number | undefined {
    return this.leaders.get(partition)
  }
  refresh(): Promise<void> {
    for (const partition of [0, 1]) this.leaders.set(partition, this.gone.has(partition) ? COORDINATOR : partition)
    return Promise.resolve()
  }
  coordinator(): Promise<number> {
    return Promise.resolve(COORDINATOR)
  }
  transactionVersion(_: string, node: number): Promise<TransactionVersion> {
    if (!this.gone.has(node)) return Promise.resolve(this.taking.get(node) ?? 2)
    this.leaders.clear()
    return Promise.reject(new LinkError('gone'))
  }
  noteCoordinatorFailure(): void {
    throw new Error('nothing fails here')
  }
  forgetTopic(topic: string): void {
    this.forgotten.push(topic)
  }
  async call(_: string, node: number, request: Request<unknown>): Promise<unknown> {
    const prepared = request(versions)
    const { apiName } = prepared
    const sent = Buffer.concat(await prepared.encode())
    this.events.push(`>${apiName} ${String(node)}`)
    for (let i = 0; i < 5; i += 1) await Promise.resolve()
    this.#nowMs += apiName === 'EndTxn' ? 7 : 100
    this.events.push(`<${apiName} ${String(node)}`)
    const partitions = [...this.leaders].filter(([, leader]) => leader === node).map(([partition]) => partition)
    switch (apiName) {
      case 'Produce':
        return partitions.map((partition) => ({ topic: 't', partition, errorCode: 0, baseOffset: 100 }))
      case 'TxnOffsetCommit':
        this.notes.push(sent.includes('note'))
        return {
          topics: [
            {
              topic: 's',
              partitions: [{ partition: 0, errorCode: this.refusesNotes && sent.includes('note') ? 12 : 0 }],
            },
          ],
        }
      case 'AddPartitionsToTxn':
        return { errors: [] }
      default: {
        const next: Omit<ProducerIdentity, 'transactionalId'> = { producerId: '7', producerEpoch: (this.#epoch += 1) }
        return { errorCode: 0, ...next }
      }
    }
  }
}

function chunk(): RecordChunk {
  const writer = new RecordWriter(1000)
  writer.append(0, 'k', 'v')
  const [one] = writer.take()
  if (!one) throw new Error('one chunk')
  return one
}
const transaction = (): Transaction => ({
  records: [0, 1].map((partition) => ({ topic: 't', partition, chunks: [chunk()] })),
  group: 'group',
  positions: [{ topic: 's', partition: 0, position: 1 }],
})
async function open() {
  const cluster = new FakeCluster()
  const producer = await openProducer(cluster as unknown as Cluster, 'tx')
  cluster.events.length = 0
  return { cluster, producer }
}

test('with version 2, one request after the other was answered: a coordinator adds one thing at a time', async () => {
  const { cluster, producer } = await open()
  expect(await producer.commit(transaction())).toEqual([101, 101])
  const inOrder = ['TxnOffsetCommit 9', 'Produce 0', 'Produce 1', 'EndTxn 9']
  expect(cluster.events).toEqual(inOrder.flatMap((what) => [`>${what}`, `<${what}`]))
})

test.each([
  ['leader', 1],
  ['coordinator', COORDINATOR],
])('where one %s takes version 1 only, three rounds of it', async (_, node) => {
  const { cluster, producer } = await open()
  cluster.taking.set(node, 1)
  expect(await producer.commit(transaction())).toEqual([101, 101])
  const rounds = [
    ['AddPartitionsToTxn 9', 'AddOffsetsToTxn 9'],
    ['Produce 0', 'Produce 1', 'TxnOffsetCommit 9'],
    ['EndTxn 9'],
  ]
  expect(cluster.events).toEqual(
    rounds.flatMap((round) => [...round.map((what) => `>${what}`), ...round.map((what) => `<${what}`)]),
  )
})

test.each([1, 2] as const)(
  'positions are committed without notes where brokers leave no room for them, version %i',
  async (version) => {
    const { cluster, producer } = await open()
    cluster.taking.set(COORDINATOR, version)
    const noted = { ...transaction(), positions: [{ topic: 's', partition: 0, position: 1, note: 'note' }] }
    await producer.commit(noted)
    expect(cluster.notes).toEqual([true])
    cluster.refusesNotes = true
    expect(await producer.commit(noted)).toEqual([101, 101])
    await producer.commit(noted)
    expect(cluster.notes).toEqual([true, true, false, false])
  },
)

test.each([1, 2] as const)('how long the end of the last transaction took is known, version %i', async (version) => {
  const { cluster, producer } = await open()
  cluster.taking.set(COORDINATOR, version)
  expect(producer.endingMs).toBe(0)
  await producer.commit(transaction())
  expect(producer.endingMs).toBe(7)
})

test('a leader that is gone before the transaction begins is looked up anew, and the commit goes on', async () => {
  const { cluster, producer } = await open()
  cluster.gone.add(1)
  expect(await producer.commit(transaction())).toEqual([101, 101])
  expect(cluster.events.filter((event) => event.startsWith('>'))).toEqual([
    '>TxnOffsetCommit 9',
    '>Produce 0',
    '>Produce 9',
    '>EndTxn 9',
  ])
})
