/** The requests of transactions of version 2, against what Kafka's own Java classes write: see java/JavaMessages.java. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { apiVersions } from '../../../src/kafka/api-versions-request.js'
import { endTxn2, nextIdentity } from '../../../src/kafka/end-txn-request.js'
import type { Prepared } from '../../../src/kafka/prepared.js'
import { produceRequest } from '../../../src/kafka/produce-request.js'
import { transactionVersionOf } from '../../../src/kafka/transaction-version.js'
import { txnOffsetCommit2 } from '../../../src/kafka/txn-offset-commit-request.js'

const messages = new Map(
  readFileSync(new URL('java/messages.ndjson', import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { name: string; hex: string })
    .map(({ name, hex }) => [name, hex]),
)
const hexOf = (name: string): string => {
  const hex = messages.get(name)
  if (hex === undefined) throw new Error(`no message ${name}`)
  return hex
}
/** The header of a flexible request, and of the answer to it, ends with its tagged fields, here none. */
const NO_TAGS = '00'
const encoded = async (request: Prepared<unknown>): Promise<string> =>
  Buffer.concat(await request.encode()).toString('hex')
const answer = (name: string): Buffer => Buffer.from(NO_TAGS + hexOf(name), 'hex')

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i)
const producer = { transactionalId: 'tx-é', producerId: '5000000000000000000', producerEpoch: 32_766 }

test('Produce, version 12', async () => {
  const request = produceRequest(
    {
      transactionalId: 'tx-é',
      timeoutMs: 9_000,
      topics: [
        {
          topic: 'changelog',
          partitions: [
            { partition: 0, batch: bytes(3) },
            { partition: 258, batch: bytes(200) },
          ],
        },
        { topic: 'sïnk', partitions: [{ partition: 7, batch: bytes(1) }] },
      ],
    },
    2,
  )({})
  expect(await encoded(request)).toBe(NO_TAGS + hexOf('Produce request'))
  expect(request).toMatchObject({ apiKey: 0, apiVersion: 12, transactionVersion: 2 })
  const without = produceRequest({ transactionalId: null, timeoutMs: 1, topics: [] }, 2)({})
  expect(await encoded(without)).toBe(NO_TAGS + hexOf('Produce request without transaction'))
})

test('Produce hands its batches over as they lie', async () => {
  const batch = bytes(300)
  const topics = [{ topic: 't', partitions: [{ partition: 0, batch }] }]
  const parts = await produceRequest({ transactionalId: 'tx', timeoutMs: 1, topics }, 2)({}).encode()
  expect(parts.filter((part) => part === batch)).toHaveLength(1)
})

test("Produce's answer, version 12: every partition with its own error, and the records that were refused; leaders passed over", async () => {
  const request = produceRequest({ transactionalId: 'tx', timeoutMs: 1, topics: [] }, 2)({})
  const recordErrors = [
    { index: 1, message: null },
    { index: 4, message: 'bad' },
  ]
  const none = { recordErrors: [], message: null }
  expect(await request.decode(answer('Produce response'))).toEqual({
    throttleTimeMs: 4,
    partitions: [
      { topic: 'changelog', partition: 0, errorCode: 0, baseOffset: 2 ** 40, ...none },
      { topic: 'changelog', partition: 258, errorCode: 87, baseOffset: -1, recordErrors, message: 'one is bad' },
      { topic: 'sïnk', partition: 7, errorCode: 6, baseOffset: -1, ...none },
    ],
  })
})

test('TxnOffsetCommit, version 5', async () => {
  const request = txnOffsetCommit2(producer, 'group', [
    {
      topic: 'left',
      partitions: [
        { partition: 0, offset: Number.MAX_SAFE_INTEGER, metadata: '' },
        { partition: 258, offset: 0, metadata: '' },
      ],
    },
    { topic: 'right', partitions: [{ partition: 7, offset: 1, metadata: '' }] },
  ])({})
  expect(await encoded(request)).toBe(NO_TAGS + hexOf('TxnOffsetCommit request'))
  expect(request).toMatchObject({ apiKey: 28, apiVersion: 5, transactionVersion: 2 })
  const partitions = [
    { partition: 0, errorCode: 0 },
    { partition: 258, errorCode: 51 },
  ]
  expect(await request.decode(answer('TxnOffsetCommit response'))).toEqual({
    throttleTimeMs: 4,
    topics: [{ topic: 'left', partitions }],
  })
})

test('EndTxn, version 5', async () => {
  const request = endTxn2(producer, true)({})
  expect(await encoded(request)).toBe(NO_TAGS + hexOf('EndTxn request'))
  expect(request).toMatchObject({ apiKey: 26, apiVersion: 5, transactionVersion: 2 })
  const next = { throttleTimeMs: 4, errorCode: 0, producerId: '5000000000000000001', producerEpoch: 0 }
  expect(await request.decode(answer('EndTxn response'))).toEqual(next)
  const failed = { throttleTimeMs: 0, errorCode: 90, producerId: '-1', producerEpoch: -1 }
  expect(await request.decode(answer('EndTxn response with an error'))).toEqual(failed)
})

test.each([
  ['the next epoch', '7', 4, '7', 5],
  ['an epoch after one that was missed', '7', 4, '7', 6],
  ['a new producer id, as epochs ran out', '7', 32_766, '8', 0],
])('%s is gone on with', (_, id, epoch, nextId, nextEpoch) => {
  const now = { transactionalId: 'tx', producerId: id, producerEpoch: epoch }
  const next = nextIdentity(now, { errorCode: 0, producerId: nextId, producerEpoch: nextEpoch })
  expect(next).toEqual({ transactionalId: 'tx', producerId: nextId, producerEpoch: nextEpoch })
})

test.each([
  ['the same epoch', '7', 4],
  ['an earlier epoch', '7', 3],
  ['no producer id', '-1', 5],
  ['no epoch', '8', -1],
])('%s is not gone on with', (_, producerId, producerEpoch) => {
  const now = { transactionalId: 'tx', producerId: '7', producerEpoch: 4 }
  expect(nextIdentity(now, { errorCode: 0, producerId, producerEpoch })).toBeUndefined()
})

const versions = { 0: { minVersion: 3, maxVersion: 13 }, 26: { minVersion: 0, maxVersion: 5 } }

test('ApiVersions, version 3', async () => {
  expect(await encoded(apiVersions)).toBe(NO_TAGS + hexOf('ApiVersions request'))
  // The header of this answer has no tagged fields.
  expect(await apiVersions.decode(Buffer.from(hexOf('ApiVersions response'), 'hex'))).toEqual({
    throttleTimeMs: 4,
    errorCode: 0,
    versions,
    finalized: new Map([
      ['metadata.version', 29],
      ['transaction.version', 2],
    ]),
  })
  const without = Buffer.from(hexOf('ApiVersions response without an epoch'), 'hex')
  expect(await apiVersions.decode(without)).toEqual({ throttleTimeMs: 0, errorCode: 0, versions, finalized: new Map() })
})

test('of the answer of a broker that does not know the version, the error is read', async () => {
  const payload = Buffer.from(hexOf('ApiVersions response of a broker that does not know the version'), 'hex')
  expect(await apiVersions.decode(payload)).toMatchObject({ errorCode: 35, versions: {} })
})

const all = {
  0: { minVersion: 3, maxVersion: 12 },
  26: { minVersion: 0, maxVersion: 5 },
  28: { minVersion: 0, maxVersion: 5 },
}
const range = (minVersion: number, maxVersion: number) => ({ minVersion, maxVersion })
const at = (level: number): ReadonlyMap<string, number> => new Map([['transaction.version', level]])

test.each([
  ['a broker of a cluster that has finalized it', all, at(2), 2],
  ['one of a later cluster', { ...all, 0: range(3, 20), 26: range(3, 9), 28: range(5, 7) }, at(3), 2],
  ['one whose cluster has finalized version 1', all, at(1), 1],
  ['one whose cluster has finalized version 0', all, at(0), 1],
  ['one that says nothing of it', all, new Map(), 1],
  ['one that knows only an older Produce', { ...all, 0: range(3, 11) }, at(2), 1],
  ['one that knows only an older TxnOffsetCommit', { ...all, 28: range(0, 4) }, at(2), 1],
  ['one that knows only an older EndTxn', { ...all, 26: range(0, 4) }, at(2), 1],
  ['one that knows only a later Produce', { ...all, 0: range(13, 14) }, at(2), 1],
  ['one that has no EndTxn', { 0: all[0], 28: all[28] }, at(2), 1],
] as const)('%s', (_, apis, finalized, version) => {
  expect(transactionVersionOf(apis, finalized)).toBe(version)
})
