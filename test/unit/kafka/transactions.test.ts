/** The order in which a commit's requests are sent to several brokers: those that a test has are one. */
import { describe, expect, test } from 'vitest'
import { LandedElsewhere } from '../../../src/core/commit/landing.js'
import { PLAIN_NOTE } from '../../../src/core/commit/offset-note.js'
import { RecordWriter, type RecordChunk } from '../../../src/core/records/records.js'
import type { Cluster } from '../../../src/kafka/cluster.js'
import { LinkError } from '../../../src/kafka/errors.js'
import type { Request } from '../../../src/kafka/prepared.js'
import type { ProducerIdentity } from '../../../src/kafka/requests.js'
import type { TransactionVersion } from '../../../src/kafka/transaction-version.js'
import { openProducer } from '../../../src/kafka/transactions.js'
import type { Transaction } from '../../../src/ports/log.js'
import { systemClock } from '../../../src/system.js'

const COORDINATOR = 9
const versions = Object.fromEntries([22, 24, 25, 26, 28].map((apiKey) => [apiKey, { minVersion: 0, maxVersion: 1 }]))

const NOTE = 'a note of some bytes'
const noteIn = (sent: Buffer): string => [NOTE, PLAIN_NOTE].find((note) => sent.includes(note)) ?? ''

/** Brokers that carry everything out: partition p is led by broker p, broker 9 coordinates. */
class FakeCluster {
  readonly lines: string[] = []
  readonly #say = (_: object, message: string): void => void this.lines.push(message)
  readonly settings = {
    transactionTimeoutMs: 10_000,
    clock: systemClock,
    logger: { debug: this.#say, info: this.#say, warn: this.#say, error: this.#say },
  }
  /** `offset.metadata.max.bytes` */
  maxNoteBytes = Infinity
  readonly closed = false
  readonly sleeper = {
    sleep: (ms: number): Promise<void> => {
      this.#nowMs += ms
      return Promise.resolve()
    },
  }
  /** Where records land. */
  baseOffset = 100
  /** A request of this kind loses its answer. */
  losing: string | undefined
  /** How often InitProducerId is refused, as the last transaction is still being ended. */
  ending = 0
  producing: () => void = () => undefined
  /** Of each EndTxn, whether it was to commit. */
  readonly ends: boolean[] = []
  /** What was sent, and answered: `>Produce 0`, `<Produce 0`. */
  readonly events: string[] = []
  /** Of each TxnOffsetCommit. */
  readonly notes: string[] = []
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
    // Brokers don't move.
  }
  forgetTopic(topic: string): void {
    this.forgotten.push(topic)
  }
  async call(_: string, node: number, request: Request<unknown>): Promise<unknown> {
    const prepared = request(versions)
    const { apiName, apiVersion } = prepared
    const sent = Buffer.concat(await prepared.encode())
    if (apiName === 'Produce') this.producing()
    this.events.push(`>${apiName} ${String(node)}`)
    for (let i = 0; i < 5; i += 1) await Promise.resolve()
    this.#nowMs += apiName === 'EndTxn' ? 7 : 100
    if (apiName === this.losing) throw new LinkError('the connection broke')
    this.events.push(`<${apiName} ${String(node)}`)
    // The last byte but for the end of tagged fields, which only version 2 has.
    if (apiName === 'EndTxn') this.ends.push(sent.at(apiVersion < 5 ? -1 : -2) === 1)
    if (apiName === 'InitProducerId' && this.ending-- > 0) return { errorCode: 51 }
    const partitions = [...this.leaders].filter(([, leader]) => leader === node).map(([partition]) => partition)
    switch (apiName) {
      case 'Produce':
        return {
          partitions: partitions.map((partition) => ({
            topic: 't',
            partition,
            errorCode: 0,
            baseOffset: this.baseOffset,
          })),
        }
      case 'TxnOffsetCommit':
        this.notes.push(noteIn(sent))
        return {
          topics: [
            {
              topic: 's',
              partitions: [{ partition: 0, errorCode: noteIn(sent).length > this.maxNoteBytes ? 12 : 0 }],
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
  'positions are committed with as much of their notes as brokers have room for, version %i',
  async (version) => {
    const { cluster, producer } = await open()
    cluster.taking.set(COORDINATOR, version)
    const noted = { ...transaction(), positions: [{ topic: 's', partition: 0, position: 1, note: NOTE }] }
    await producer.commit(noted)
    expect(cluster.notes).toEqual([NOTE])
    cluster.maxNoteBytes = 10
    expect(await producer.commit(noted)).toEqual([101, 101])
    await producer.commit(noted)
    expect(cluster.notes).toEqual([NOTE, NOTE, PLAIN_NOTE, PLAIN_NOTE])
    cluster.maxNoteBytes = 0
    expect(await producer.commit(noted)).toEqual([101, 101])
    expect(cluster.notes.slice(4)).toEqual([PLAIN_NOTE, ''])
  },
)

test.each([1, 2] as const)('how long the end of the last transaction took is known, version %i', async (version) => {
  const { cluster, producer } = await open()
  cluster.taking.set(COORDINATOR, version)
  expect(producer.endingMs).toBe(0)
  await producer.commit(transaction())
  expect(producer.endingMs).toBe(7)
})

test('a leader that is gone before the transaction begins is looked up again, and the commit goes on', async () => {
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

/** Records for one partition, which ends there, as far as is known. */
const endingAt = (end: number | undefined, chunks = 1): Transaction => ({
  records: [{ topic: 't', partition: 0, chunks: Array.from({ length: chunks }, chunk), end }],
  group: 'group',
  positions: [],
})

describe.each([1, 2] as const)('version %i', (version) => {
  const opened = async () => {
    const { cluster, producer } = await open()
    cluster.taking.set(COORDINATOR, version)
    return { cluster, producer }
  }

  test('records that land where the partition ends are committed; elsewhere, nothing is (invariant 6)', async () => {
    const { cluster, producer } = await opened()
    expect(await producer.commit(endingAt(100))).toEqual([101])
    expect(cluster.ends).toEqual([true])
    const failing = producer.commit(endingAt(99))
    await expect(failing).rejects.toThrow(LandedElsewhere)
    await expect(failing).rejects.toMatchObject({ code: 'TRANSACTION_FAILED', end: 101 })
    expect(cluster.ends).toEqual([true])
  })

  test('each chunk has to land behind the one before (invariant 6)', async () => {
    const { cluster, producer } = await opened()
    // The second lands where the first did, which no log does.
    const failing = producer.commit(endingAt(100, 2))
    await expect(failing).rejects.toThrow('records landed at offset 100 instead of 101')
    expect(cluster.ends).toEqual([])
  })

  test('where others write, too, nothing has to land anywhere', async () => {
    const { producer } = await opened()
    expect(await producer.commit(endingAt(undefined, 2))).toEqual([101])
  })

  test('who lets go of a transaction that failed aborts it, once (invariant 7)', async () => {
    const { cluster, producer } = await opened()
    await expect(producer.commit(endingAt(7))).rejects.toThrow(LandedElsewhere)
    await Promise.all([producer.close(), producer.close()])
    expect(cluster.ends).toEqual([false])
  })

  test('who lets go in mid-commit aborts when that has given up (invariant 7)', async () => {
    const { cluster, producer } = await opened()
    let closing: Promise<void> | undefined
    cluster.producing = () => {
      closing = producer.close()
    }
    await expect(producer.commit(transaction())).rejects.toMatchObject({ code: 'TRANSACTION_FAILED' })
    await closing
    expect(cluster.ends).toEqual([false])
  })

  test('nothing is aborted after a commit, nor before one (invariant 7)', async () => {
    const { cluster, producer } = await opened()
    await producer.commit(transaction())
    await producer.close()
    const other = await opened()
    await other.producer.close()
    expect([cluster.ends, other.cluster.ends]).toEqual([[true], []])
  })

  test('after a lost answer, only what a later epoch keeps out is aborted (invariant 7)', async () => {
    const { cluster, producer } = await opened()
    cluster.losing = 'Produce'
    await expect(producer.commit(transaction())).rejects.toMatchObject({ code: 'TRANSACTION_FAILED' })
    await producer.close()
    expect(cluster.ends).toEqual(version === 1 ? [] : [false])
  })
})

test('an id whose last transaction is long in being ended is waited for, which is said once, and not forever', async () => {
  const short = new FakeCluster()
  short.ending = 3
  await openProducer(short as unknown as Cluster, 'tx')
  expect(short.lines).toEqual([])
  const long = new FakeCluster()
  long.ending = Infinity
  const opening = openProducer(long as unknown as Cluster, 'tx')
  await expect(opening).rejects.toMatchObject({ code: 'REQUEST_FAILED' })
  await expect(opening).rejects.toThrow('CONCURRENT_TRANSACTIONS')
  expect(long.lines).toHaveLength(1)
  expect(long.lines[0]).toContain('a partition that it wrote to has no leader')
  expect(long.now()).toBeGreaterThan(20_000)
})
