/** Transactions of version 2: their epochs and sequences, what is refused in them, and when version 1 is used instead. */
import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { Cluster } from '../../src/kafka/cluster.js'
import { settingsOf, type SocketFactory } from '../../src/kafka/options.js'
import { initProducerId } from '../../src/kafka/requests.js'
import { WireReader } from '../../src/kafka/wire.js'
import type { Transaction } from '../../src/ports/log.js'
import { systemClock } from '../../src/system.js'
import { testBrokers, uniqueName } from '../support/broker.js'
import { newTopic, openLog, openProxied, readAll } from '../support/open-logs.js'
import { type Action, api, type ProxiedRequest, type Proxy } from '../support/proxy.js'
import { chunksOf, recordsFrom } from '../support/records.js'
import { silentLogger } from '../support/silent-logger.js'
import {
  answersOf,
  CONCURRENT_TRANSACTIONS,
  NOT_ENOUGH_REPLICAS,
  onlyFirst,
  positions,
  transactionOf,
  values,
} from '../support/transactions.js'
import { until } from '../support/until.js'

const answers = answersOf[2]
const TRANSACTION_ABORTABLE = 120

interface SentBatch {
  readonly partition: number
  readonly producerId: bigint
  readonly epoch: number
  readonly sequence: number
}
/** Of what was sent several times, since the broker was not ready for it, once. */
const distinct = <T>(items: readonly T[]): T[] => [...new Set(items)]
/** What identifies the batches of the Produce requests so far, of version 12. */
const batchesOf = (proxy: Proxy): SentBatch[] =>
  proxy.seen.filter(({ apiKey }) => apiKey === api.produce).flatMap(batchesIn)

function batchesIn({ bytes, apiVersion }: ProxiedRequest): SentBatch[] {
  expect(apiVersion).toBe(12)
  const reader = new WireReader(bytes.subarray(10 + bytes.readInt16BE(8)))
  reader.tags()
  reader.compactString()
  reader.int16()
  reader.int32()
  const batches = reader.compactArray(() => {
    reader.compactString()
    const mine = reader.compactArray(() => {
      const partition = reader.int32()
      const batch = Buffer.from(Array.from({ length: reader.unsignedVarint() - 1 }, () => reader.int8()))
      reader.tags()
      const producerId = batch.readBigInt64BE(43)
      return { partition, producerId, epoch: batch.readInt16BE(51), sequence: batch.readInt32BE(53) }
    })
    reader.tags()
    return mine
  })
  return batches.flat()
}

/** The kinds of requests of a transaction that were sent, with their versions. */
const sentSince = (proxy: Proxy, from: number): string[] => {
  const kinds: readonly number[] = [0, 24, 25, 26, 28]
  const sent = proxy.seen.slice(from).filter(({ apiKey }) => kinds.includes(apiKey))
  return [...new Set(sent.map(({ apiKey, apiVersion }) => `${String(apiKey)}v${String(apiVersion)}`))].sort()
}

/** The broker says that its cluster had finalized version 1. */
const finalizedAt1: Action = {
  kind: 'change answer',
  change: (body) => {
    const name = 'transaction.version'
    // The last time it is named: in front of that come the versions that the broker supports.
    const at = body.lastIndexOf(name)
    expect(body.readInt16BE(at + name.length)).toBe(2)
    body.writeInt16BE(1, at + name.length)
  },
}

test('every transaction has its own epoch, in which every partition begins with sequence 0', async () => {
  const { log, proxy } = await openProxied()
  const topic = await newTopic(log, 2)
  const group = uniqueName('group')
  const producer = await log.producer(uniqueName('tx'))
  const chunks = chunksOf(recordsFrom(0, 9), 100)
  expect(chunks.length).toBeGreaterThan(2)
  const commit = (partitions: readonly number[]): Promise<readonly number[]> =>
    producer.commit({ records: partitions.map((partition) => ({ topic, partition, chunks })), group, positions: [] })
  await commit([0])
  await commit([0, 1])
  await producer.commit({ records: [], group, positions: positions(topic, 1) })
  await commit([1])
  const sequences = chunks.map((_, i) => chunks.slice(0, i).reduce((sum, { count }) => sum + count, 0))
  const sent = batchesOf(proxy).map(({ partition, epoch, sequence }) => [partition, epoch, sequence].join())
  expect(distinct(sent).sort()).toEqual(
    [
      ...sequences.map((sequence) => [0, 0, sequence].join()),
      ...sequences.flatMap((sequence) => [[0, 1, sequence].join(), [1, 1, sequence].join()]),
      ...sequences.map((sequence) => [1, 3, sequence].join()),
    ].sort(),
  )
  for (const partition of [0, 1]) {
    const { values: read } = await readAll(log, topic, partition)
    expect(read).toEqual([...values(0, 9), ...values(0, 9)])
  }
})

test('a commit with nothing written begins no transaction', async () => {
  const { log, proxy } = await openProxied()
  const topic = await newTopic(log)
  const producer = await log.producer(uniqueName('tx'))
  const before = proxy.seen.length
  const nothing: Transaction = { records: [{ topic, partition: 0, chunks: [] }], group: 'group', positions: [] }
  expect(await producer.commit(nothing)).toEqual([0])
  expect(sentSince(proxy, before)).toEqual([])
  expect(await producer.commit(transactionOf(topic, uniqueName('group'), 0))).toEqual([3])
})

/** The last epoch that a producer is given is 32766. */
const LAST_EPOCH = 32_766

async function openCluster(): Promise<Cluster> {
  const settings = { brokers: testBrokers(), clientId: 'test', logger: silentLogger, clock: systemClock }
  const cluster = new Cluster(settingsOf(settings))
  await cluster.connect()
  return cluster
}

/** Uses up the epochs of a transactional id, up to this one. */
async function useUp(transactionalId: string, upTo: number): Promise<void> {
  const cluster = await openCluster()
  const request = initProducerId(transactionalId, 10_000)
  let epoch = -1
  while (epoch < upTo) {
    const node = await cluster.coordinator('transaction', transactionalId)
    const wanted = Array.from({ length: Math.min(500, upTo - epoch) }, () => cluster.call('test', node, request))
    const given = (await Promise.all(wanted)).filter(({ errorCode }) => errorCode === 0)
    epoch = Math.max(epoch, ...given.map(({ producerEpoch }) => producerEpoch))
  }
  expect(epoch).toBe(upTo)
  await cluster.close()
}

test('where epochs run out, the next transaction is of a new producer id, and nothing is lost or repeated', async () => {
  const { log, proxy } = await openProxied()
  const topic = await newTopic(log)
  const [group, id] = [uniqueName('group'), uniqueName('tx')]
  await useUp(id, LAST_EPOCH - 3)
  const producer = await log.producer(id)
  for (let i = 0; i < 6; i += 1) await producer.commit(transactionOf(topic, group, 3 * i))
  const sent = batchesOf(proxy)
  expect(distinct(sent.map(({ epoch }) => epoch))).toEqual([LAST_EPOCH - 2, LAST_EPOCH - 1, LAST_EPOCH, 0, 1, 2])
  expect(new Set(sent.map(({ producerId }) => producerId)).size).toBe(2)
  expect((await readAll(log, topic)).values).toEqual(values(0, 18))
  expect(await log.committedPositions(group, [{ topic, partition: 0 }])).toEqual([15])
})

test('an activation after the last epoch has a new producer id, and fences the one before it', async () => {
  const { log, proxy } = await openProxied()
  const topic = await newTopic(log)
  const [group, id] = [uniqueName('group'), uniqueName('tx')]
  await useUp(id, LAST_EPOCH - 1)
  const first = await log.producer(id)
  const second = await log.producer(id)
  await expect(first.commit(transactionOf(topic, group, 0))).rejects.toMatchObject({ code: 'FENCED' })
  await second.commit(transactionOf(topic, group, 0))
  expect(distinct(batchesOf(proxy).map(({ epoch }) => epoch))).toEqual([0])
  expect((await readAll(log, topic)).values).toEqual(values(0, 3))
})

test.each([
  ['while the transaction before is being ended', CONCURRENT_TRANSACTIONS],
  ["while the coordinator can't be asked", NOT_ENOUGH_REPLICAS],
])('a Produce that is refused %s is sent again as it was', async (_, code) => {
  const { log, proxy } = await openProxied()
  const topic = await newTopic(log)
  const producer = await log.producer(uniqueName('tx'))
  proxy.rule = onlyFirst(api.produce, 3, { kind: 'answer', body: answers.produce(topic, code) })
  const commit = (first: number): Promise<readonly number[]> =>
    producer.commit({ ...transactionOf(topic, 'group', first), positions: [] })
  await commit(0)
  await commit(3)
  const sent = batchesOf(proxy).map(({ epoch, sequence }) => `${String(epoch)}:${String(sequence)}`)
  expect(sent.slice(0, 4)).toEqual(['0:0', '0:0', '0:0', '0:0'])
  expect(distinct(sent)).toEqual(['0:0', '1:0'])
  expect((await readAll(log, topic)).values).toEqual(values(0, 6))
})

test.each([
  ['Produce', api.produce, (topic: string) => answers.produce(topic, TRANSACTION_ABORTABLE)],
  ['TxnOffsetCommit', api.txnOffsetCommit, (topic: string) => answers.txnOffsetCommit(topic, TRANSACTION_ABORTABLE)],
  ['EndTxn', api.endTxn, () => answers.endTxn(TRANSACTION_ABORTABLE)],
])('a transaction that a broker asks to abort at %s is aborted by the next activation', async (_, apiKey, body) => {
  const { log, proxy } = await openProxied()
  const topic = await newTopic(log)
  const [group, id] = [uniqueName('group'), uniqueName('tx')]
  const producer = await log.producer(id)
  await producer.commit(transactionOf(topic, group, 0))
  proxy.rule = onlyFirst(apiKey, 1, { kind: 'answer', body: body(topic) })
  const before = proxy.seen.length
  const failing = producer.commit(transactionOf(topic, group, 3))
  await expect(failing).rejects.toMatchObject({ code: 'TRANSACTION_FAILED' })
  await expect(failing).rejects.toThrow('TRANSACTION_ABORTABLE')
  // One is sent after the other was answered, so nothing follows the one that failed.
  const inOrder = [api.txnOffsetCommit, api.produce, api.endTxn] as const
  const sent = proxy.seen.slice(before).map((request) => request.apiKey)
  const different = sent.filter((kind, i) => sent.indexOf(kind) === i)
  expect(different).toEqual(inOrder.slice(0, inOrder.findIndex((kind) => kind === apiKey) + 1))
  const next = await log.producer(id)
  expect(await log.committedPositions(group, [{ topic, partition: 0 }])).toEqual([0])
  await next.commit(transactionOf(topic, group, 3))
  expect((await readAll(log, topic)).values).toEqual(values(0, 6))
})

test('an EndTxn whose transaction was aborted by somebody else meanwhile is that of a fenced producer', async () => {
  const { log, proxy } = await openProxied()
  const topic = await newTopic(log)
  const id = uniqueName('tx')
  const producer = await log.producer(id)
  // Another activation begins, and comes as far as the abort.
  const other = await openCluster()
  let aborted = false
  let aborting: Promise<void> | undefined
  const abort = async (): Promise<void> => {
    const node = await other.coordinator('transaction', id)
    expect(await other.call('test', node, initProducerId(id, 10_000))).toMatchObject({
      errorCode: CONCURRENT_TRANSACTIONS,
    })
    aborted = true
  }
  proxy.rule = ({ apiKey }) => {
    if (apiKey !== api.endTxn || aborted) return undefined
    aborting ??= abort()
    return { kind: 'answer', body: answers.endTxn(CONCURRENT_TRANSACTIONS) }
  }
  const failing = producer.commit(transactionOf(topic, 'group', 0))
  await expect(failing).rejects.toMatchObject({ code: 'FENCED' })
  await expect(failing).rejects.toThrow('INVALID_TXN_STATE')
  await aborting
  await other.close()
})

test('an EndTxn that gives out no new epoch ends the activation: its sequences must not begin again', async () => {
  const { log, proxy } = await openProxied()
  const topic = await newTopic(log)
  const [group, id] = [uniqueName('group'), uniqueName('tx')]
  const producer = await log.producer(id)
  proxy.rule = onlyFirst(api.endTxn, 1, {
    kind: 'change answer',
    // Tags ThrottleTimeMs ErrorCode ProducerId ProducerEpoch
    change: (body) => void body.writeInt16BE(0, 1 + 4 + 2 + 8),
  })
  await expect(producer.commit(transactionOf(topic, group, 0))).rejects.toMatchObject({ code: 'TRANSACTION_FAILED' })
  const next = await log.producer(id)
  expect(await log.committedPositions(group, [{ topic, partition: 0 }])).toEqual([0])
  await next.commit(transactionOf(topic, group, 3))
  expect((await readAll(log, topic)).values).toEqual(values(0, 6))
})

const requestsOf = { 1: ['0v8', '24v1', '25v1', '26v1', '28v1'], 2: ['0v12', '26v5', '28v5'] }

test('where one broker concerned does not take version 2, the whole transaction is of version 1', async () => {
  const { log, proxy } = await openProxied()
  const topic = await newTopic(log)
  const group = uniqueName('group')
  const producer = await log.producer(uniqueName('tx'))
  await producer.commit({ records: [], group, positions: positions(topic, 1) })
  expect(proxy.seen.filter(({ apiKey }) => apiKey === api.txnOffsetCommit).at(-1)?.apiVersion).toBe(5)
  // The connection for Produce is made now, and tells otherwise than those for the coordinators did.
  proxy.rule = ({ apiKey }) => (apiKey === api.apiVersions ? finalizedAt1 : undefined)
  const before = proxy.seen.length
  await producer.commit(transactionOf(topic, group, 0))
  expect(sentSince(proxy, before)).toEqual(requestsOf[1])
  await producer.commit(transactionOf(topic, group, 3))
  expect((await readAll(log, topic)).values).toEqual(values(0, 6))
})

/** A log of which every connection goes through a proxy, with the client's ends of them in the order of their numbers. */
async function openWithSockets() {
  const { proxy } = await openProxied()
  const sockets: Socket[] = []
  const already = new Set(proxy.seen.map(({ connection }) => connection)).size
  const socketFactory: SocketFactory = (args) => {
    const socket = proxy.socketFactory(args)
    sockets.push(socket)
    return socket
  }
  const { log } = await openLog({ socketFactory })
  return { log, proxy, sockets, socketOf: ({ connection }: ProxiedRequest) => sockets[connection - already - 1] }
}

test('a broker that takes only version 1 all of a sudden, halfway through a transaction of version 2, fails it', async () => {
  const { log, proxy, socketOf } = await openWithSockets()
  const topic = await newTopic(log)
  const [group, id] = [uniqueName('group'), uniqueName('tx')]
  const producer = await log.producer(id)
  await producer.commit(transactionOf(topic, group, 0))
  const produced = proxy.seen.filter(({ apiKey }) => apiKey === api.produce)
  proxy.rule = ({ apiKey }) => {
    if (apiKey === api.txnOffsetCommit) for (const request of produced) socketOf(request)?.destroy()
    return apiKey === api.apiVersions ? finalizedAt1 : undefined
  }
  const failing = producer.commit(transactionOf(topic, group, 3))
  await expect(failing).rejects.toMatchObject({ code: 'TRANSACTION_FAILED' })
  await expect(failing).rejects.toThrow('UNSUPPORTED_VERSION')
  expect(proxy.seen.filter(({ apiKey }) => apiKey === api.produce)).toEqual(produced)
  const next = await log.producer(id)
  const before = proxy.seen.length
  await next.commit(transactionOf(topic, group, 3))
  expect(sentSince(proxy, before)).toEqual(requestsOf[1])
  expect((await readAll(log, topic)).values).toEqual(values(0, 6))
})

test('an activation that has used version 1 stays with it when brokers take version 2; the next one does not', async () => {
  const { log, proxy, sockets } = await openWithSockets()
  const topic = await newTopic(log)
  const [group, id] = [uniqueName('group'), uniqueName('tx')]
  const producer = await log.producer(id)
  proxy.rule = ({ apiKey }) => (apiKey === api.apiVersions ? finalizedAt1 : undefined)
  await producer.commit(transactionOf(topic, group, 0))
  // From here on, new connections say that the cluster was upgraded.
  proxy.rule = undefined
  proxy.cutAll()
  await until('every connection is closed', () => sockets.every(({ closed }) => closed))
  const before = proxy.seen.length
  await producer.commit(transactionOf(topic, group, 3))
  expect(sentSince(proxy, before)).toEqual(requestsOf[1])
  const next = await log.producer(id)
  const after = proxy.seen.length
  await next.commit(transactionOf(topic, group, 6))
  expect(sentSince(proxy, after)).toEqual(requestsOf[2])
  expect((await readAll(log, topic)).values).toEqual(values(0, 9))
})

test('a broker that does not know the version of ApiVersions which tells is asked in an older one', async () => {
  const { log, proxy } = await openProxied()
  const topic = await newTopic(log)
  const group = uniqueName('group')
  const producer = await log.producer(uniqueName('tx'))
  // ErrorCode [ApiKey], of version 0.
  const unsupported = Buffer.from('\0\x23\0\0\0\0', 'latin1')
  proxy.rule = ({ apiKey, apiVersion }) =>
    apiKey === api.apiVersions && apiVersion === 3 ? { kind: 'answer', body: unsupported } : undefined
  const before = proxy.seen.length
  await producer.commit(transactionOf(topic, group, 0))
  expect(sentSince(proxy, before)).toEqual(requestsOf[1])
  const asked = proxy.seen.slice(before).filter(({ apiKey }) => apiKey === api.apiVersions)
  // One connection for coordinators, one for leaders.
  expect(asked.map(({ apiVersion }) => apiVersion).sort()).toEqual([2, 2, 3, 3])
  expect((await readAll(log, topic)).values).toEqual(values(0, 3))
})
