/** On two brokers: one with version 2 of transactions, and one whose cluster has finalized version 1 only. */
import { beforeAll, describe, expect, test } from 'vitest'
import { PotorooError } from '../../src/errors.js'
import type { KafkaOptions } from '../../src/kafka/options.js'
import type { TransactionalProducer } from '../../src/ports/log.js'
import { uniqueName } from '../support/broker.js'
import { newTopic, openLog, openProxied, readAll } from '../support/open-logs.js'
import { transactionVersions } from '../support/kafka-version.js'
import { OwnBroker } from '../support/own-broker.js'
import { api, type ProxiedRequest } from '../support/proxy.js'
import { chunksOf, recordsFrom } from '../support/records.js'
import {
  answersOf,
  CONCURRENT_TRANSACTIONS,
  controlAnswer,
  COORDINATOR_NOT_AVAILABLE,
  initAnswer,
  NOT_ENOUGH_REPLICAS,
  onlyFirst,
  positions,
  transactionOf,
  values,
} from '../support/transactions.js'
import { until } from '../support/until.js'

/** The bytes after the header, which holds a correlation id that differs. */
const bodyOf = ({ bytes }: ProxiedRequest): string => bytes.subarray(10 + bytes.readInt16BE(8)).toString('hex')

const older = new OwnBroker({ 'transaction.version': 1 })
beforeAll(() => older.start())

describe.each(transactionVersions)('version %i', (version) => {
  const where = (): Partial<KafkaOptions> => (version === 1 ? { brokers: [older.brokers] } : {})
  const open = (options: Partial<KafkaOptions> = {}) => openLog({ ...where(), ...options })
  const proxied = (options: Partial<KafkaOptions> = {}) => openProxied({ ...where(), ...options })
  const answers = answersOf[version]
  const controls: readonly (readonly [string, number])[] = [
    ...(version === 1
      ? ([
          ['AddPartitionsToTxn', api.addPartitionsToTxn],
          ['AddOffsetsToTxn', api.addOffsetsToTxn],
        ] as const)
      : []),
    ['TxnOffsetCommit', api.txnOffsetCommit],
    ['EndTxn', api.endTxn],
  ]

  test('a Produce whose answer is lost fails the transaction; done again, its records are there once', async () => {
    const { log, proxy } = await proxied()
    const topic = await newTopic(log)
    const [group, id] = [uniqueName('group'), uniqueName('tx')]
    const producer = await log.producer(id)
    await producer.commit(transactionOf(topic, group, 0))
    const produced = (): number => proxy.seen.filter(({ apiKey }) => apiKey === api.produce).length
    // The broker itself may have refused one, while it verified the transaction.
    const before = produced()
    proxy.rule = onlyFirst(api.produce, 1, { kind: 'lose answer' })
    await expect(producer.commit(transactionOf(topic, group, 3))).rejects.toMatchObject({ code: 'TRANSACTION_FAILED' })
    // It was sent once, and the transaction did not go on without its answer.
    expect(produced()).toBe(before + 1)
    expect(proxy.seen.filter(({ apiKey }) => apiKey === api.endTxn)).toHaveLength(1)
    await expect(producer.commit(transactionOf(topic, group, 3))).rejects.toMatchObject({ code: 'TRANSACTION_FAILED' })

    const next = await log.producer(id)
    expect(await log.committedPositions(group, [{ topic, partition: 0 }])).toEqual([0])
    await next.commit(transactionOf(topic, group, 3))
    expect((await readAll(log, topic)).values).toEqual(values(0, 6))
    expect(await log.committedPositions(group, [{ topic, partition: 0 }])).toEqual([3])
  })

  test('a Produce that the broker did not append is sent again as it was, and its records are there once', async () => {
    const { log, proxy } = await proxied()
    const topic = await newTopic(log)
    const group = uniqueName('group')
    const producer = await log.producer(uniqueName('tx'))
    await producer.commit(transactionOf(topic, group, 0))
    proxy.rule = onlyFirst(api.produce, 3, { kind: 'answer', body: answers.produce(topic, NOT_ENOUGH_REPLICAS) })
    await producer.commit(transactionOf(topic, group, 3))
    await producer.commit(transactionOf(topic, group, 6))
    // Timeouts count down, and stand in front of the batches: those are compared.
    const batches = proxy.seen
      .filter(({ apiKey }) => apiKey === api.produce)
      .map((request) => bodyOf(request).slice(-200))
    // The broker itself may refuse one more, while it verifies the transaction.
    expect(batches.length).toBeGreaterThanOrEqual(1 + 4 + 1)
    expect(new Set(batches).size).toBe(3)
    expect((await readAll(log, topic)).values).toEqual(values(0, 9))
  })

  test('chunks of one partition land in order, and more than 1 MiB of them is split', async () => {
    const { log } = await open()
    const topic = await newTopic(log, 2)
    const large = recordsFrom(0, 3000).map((record) => ({
      ...record,
      value: `${record.value} ${'x'.repeat(1000)}`,
    }))
    const chunks = chunksOf(large, 100_000)
    expect(chunks.length).toBeGreaterThan(25)
    const producer = await log.producer(uniqueName('tx'))
    const ends = await producer.commit({
      records: [
        { topic, partition: 1, chunks: chunksOf(recordsFrom(0, 2)) },
        { topic, partition: 0, chunks },
      ],
      group: uniqueName('group'),
      positions: [],
    })
    expect(ends).toEqual([2, 3000])
    const { records } = await readAll(log, topic)
    expect(records.map(({ offset }) => offset)).toEqual(large.map((_, i) => i))
    expect(records.map(({ key }) => key)).toEqual(large.map(({ key }) => key))
  })

  test('50 transactions of positions alone, back to back', async () => {
    const { log } = await open()
    const topic = await newTopic(log)
    const group = uniqueName('group')
    const producer = await log.producer(uniqueName('tx'))
    for (let i = 1; i <= 50; i += 1) await producer.commit({ records: [], group, positions: positions(topic, i) })
    expect(await log.committedPositions(group, [{ topic, partition: 0 }])).toEqual([50])
  })

  test('50 transactions of records and positions, back to back', async () => {
    const { log } = await open()
    const topic = await newTopic(log)
    const group = uniqueName('group')
    const producer = await log.producer(uniqueName('tx'))
    let end: readonly number[] = []
    for (let i = 0; i < 50; i += 1) end = await producer.commit(transactionOf(topic, group, 2 * i, 2))
    // Two records and a marker each; the last marker lies after the position.
    expect(end).toEqual([149])
    expect((await readAll(log, topic)).values).toEqual(values(0, 100))
  })

  test('an activation fences the one before it, and ends its open transaction', async () => {
    const { log, proxy } = await proxied()
    const topic = await newTopic(log)
    const [group, id] = [uniqueName('group'), uniqueName('tx')]
    const first = await log.producer(id)
    await first.commit(transactionOf(topic, group, 0))
    // The first does not get to say that its transaction is to be committed before the second is open.
    let opening: Promise<TransactionalProducer> | undefined
    let isOpen = false
    proxy.rule = ({ apiKey }) => {
      if (apiKey !== api.endTxn || isOpen) return undefined
      opening ??= log.producer(id).finally(() => {
        isOpen = true
      })
      return { kind: 'answer', body: answers.endTxn(CONCURRENT_TRANSACTIONS) }
    }
    await expect(first.commit(transactionOf(topic, group, 3))).rejects.toMatchObject({ code: 'FENCED' })
    const second = await opening
    await second?.commit(transactionOf(topic, group, 10))
    await expect(first.commit(transactionOf(topic, group, 3))).rejects.toMatchObject({ code: 'TRANSACTION_FAILED' })
    expect((await readAll(log, topic)).values).toEqual([...values(0, 3), ...values(10, 3)])
  })

  test('an idle activation that was fenced learns it at its next commit', async () => {
    const { log } = await open()
    const topic = await newTopic(log)
    const id = uniqueName('tx')
    const first = await log.producer(id)
    await log.producer(id)
    await expect(first.commit(transactionOf(topic, 'group', 0))).rejects.toMatchObject({ code: 'FENCED' })
  })

  test('positions that an open transaction is about to change are waited for', async () => {
    const { log, lines, proxy } = await proxied()
    const topic = await newTopic(log)
    const [group, id] = [uniqueName('group'), uniqueName('tx')]
    const first = await log.producer(id)
    await first.commit(transactionOf(topic, group, 0))
    proxy.rule = onlyFirst(api.endTxn, 1, { kind: 'swallow' })
    const failed = expect(first.commit(transactionOf(topic, group, 3))).rejects.toBeInstanceOf(PotorooError)
    const ends = () => proxy.seen.filter(({ apiKey }) => apiKey === api.endTxn).length
    await until('the transaction is about to end', () => ends() === 2)
    const asking = log.committedPositions(group, [{ topic, partition: 0 }])
    await until('the wait is said', () =>
      lines.some(({ message }) => message.includes('waiting for an open transaction')),
    )
    await log.producer(id)
    expect(await asking).toEqual([0])
    await log.close()
    await failed
  })

  test.each(controls)(
    '%s is not repeated when its connection breaks, because it may still arrive: the transaction is done again',
    async (_, apiKey) => {
      const { log, proxy } = await proxied()
      const topic = await newTopic(log)
      const group = uniqueName('group')
      const id = uniqueName('tx')
      let from = 0
      for (const kind of ['lose answer', 'cut'] as const) {
        const producer = await log.producer(id)
        proxy.rule = onlyFirst(apiKey, 1, { kind })
        const before = proxy.seen.filter((request) => request.apiKey === apiKey).length
        await expect(producer.commit(transactionOf(topic, group, from))).rejects.toMatchObject({
          code: 'TRANSACTION_FAILED',
        })
        expect(proxy.seen.filter((request) => request.apiKey === apiKey)).toHaveLength(before + 1)
        // As a task does it: a new activation, and then what the positions say is still to be done.
        const next = await log.producer(id)
        const [position] = await log.committedPositions(group, [{ topic, partition: 0 }])
        if (position !== from) await next.commit(transactionOf(topic, group, from))
        from += 3
      }
      expect((await readAll(log, topic)).values).toEqual(values(0, 6))
    },
  )

  test.each([
    ['a coordinator that loads', 14],
    ['no coordinator', 15],
    ['a coordinator that moved', 16],
    ['a transaction that is still being ended', 51],
  ])('%s is waited for', async (_, code) => {
    const { log, proxy } = await proxied()
    const topic = await newTopic(log)
    const group = uniqueName('group')
    proxy.rule = onlyFirst(api.initProducerId, 2, { kind: 'answer', body: initAnswer(code) })
    const producer = await log.producer(uniqueName('tx'))
    const first = version === 1 ? api.addOffsetsToTxn : api.txnOffsetCommit
    const failing = new Map<number, number>([first, api.endTxn].map((apiKey) => [apiKey, 3]))
    proxy.rule = ({ apiKey }) => {
      const left = failing.get(apiKey) ?? 0
      failing.set(apiKey, left - 1)
      if (left <= 0) return undefined
      if (apiKey === api.endTxn) return { kind: 'answer', body: answers.endTxn(code) }
      return { kind: 'answer', body: version === 1 ? controlAnswer(code) : answers.txnOffsetCommit(topic, code) }
    }
    await producer.commit(transactionOf(topic, group, 0))
    expect((await readAll(log, topic)).values).toEqual(values(0, 3))
    const lookUps = proxy.seen.filter(({ apiKey }) => apiKey === api.findCoordinator).length
    expect(lookUps > 3).toBe(code === 15 || code === 16)
  })

  test('where things go well, a commit is its requests: no metadata, no coordinators', async () => {
    const { log, proxy } = await proxied()
    const topic = await newTopic(log)
    const group = uniqueName('group')
    const producer = await log.producer(uniqueName('tx'))
    await producer.commit(transactionOf(topic, group, 0))
    const sent: string[] = []
    for (let i = 1; i <= 20; i += 1) {
      const before = proxy.seen.length
      await producer.commit(transactionOf(topic, group, 3 * i))
      // Once each: a broker that is not ready with the end of the transaction before, or with verifying this one, is asked again.
      const kinds = new Set(proxy.seen.slice(before).map(({ apiKey }) => apiKey))
      sent.push([...kinds].sort((a, b) => a - b).join())
    }
    const least = [api.produce, ...controls.map(([, apiKey]) => apiKey)].sort((a, b) => a - b)
    expect(least).toHaveLength(version === 1 ? 5 : 3)
    expect(sent).toContain(least.join())
    expect(sent.filter((kinds) => kinds.split(',').includes(String(api.metadata)))).toEqual([])
  })

  test('tasks have several connections for their commits, each its own in all of them, and others for becoming active', async () => {
    const { log, proxy } = await proxied()
    const topic = await newTopic(log)
    const [group, prefix] = [uniqueName('group'), uniqueName('tx')]
    const used: string[] = []
    const opening = new Set<number>()
    for (let partition = 0; partition < 8; partition += 1) {
      const producer = await log.producer(`${prefix}-${String(partition)}`)
      for (const { connection } of proxy.seen.filter(({ apiKey }) => apiKey === api.initProducerId))
        opening.add(connection)
      const before = proxy.seen.length
      for (let i = 0; i < 3; i += 1) await producer.commit(transactionOf(topic, group, i, 1))
      const kinds: readonly number[] = controls.map(([, apiKey]) => apiKey)
      const control = new Set(
        proxy.seen.slice(before).flatMap(({ apiKey, connection }) => (kinds.includes(apiKey) ? [connection] : [])),
      )
      const produce = new Set(
        proxy.seen.slice(before).flatMap(({ apiKey, connection }) => (apiKey === api.produce ? [connection] : [])),
      )
      expect([control.size, produce.size]).toEqual([1, 1])
      used.push([...control, ...produce].join())
    }
    expect(used.slice(4)).toEqual(used.slice(0, 4))
    expect(new Set(used).size).toBe(4)
    expect(opening.size).toBe(1)
    expect(used.flatMap((pair) => pair.split(',')).filter((connection) => opening.has(Number(connection)))).toEqual([])
  })

  test.each([
    ['once, as Kafka 4 answers while it verifies the transaction: nobody is looked up', 1, false],
    ['again and again: it is looked up who coordinates now', 3, true],
  ])('positions without a coordinator %s', async (_, times, looksUp) => {
    const { log, proxy } = await proxied()
    const topic = await newTopic(log)
    const group = uniqueName('group')
    const producer = await log.producer(uniqueName('tx'))
    await producer.commit({ records: [], group, positions: positions(topic, 1) })
    const before = proxy.seen.length
    const body = answers.txnOffsetCommit(topic, COORDINATOR_NOT_AVAILABLE)
    proxy.rule = onlyFirst(api.txnOffsetCommit, times, { kind: 'answer', body })
    await producer.commit({ records: [], group, positions: positions(topic, 2) })
    expect(await log.committedPositions(group, [{ topic, partition: 0 }])).toEqual([2])
    const sent = proxy.seen.slice(before).map(({ apiKey }) => apiKey)
    expect(sent.filter((apiKey) => apiKey === api.txnOffsetCommit).length).toBeGreaterThan(times)
    expect(sent.includes(api.findCoordinator)).toBe(looksUp)
  })

  test('an answer to positions that leaves one out is not taken for a success', async () => {
    const { log, proxy } = await proxied()
    const topic = await newTopic(log)
    const producer = await log.producer(uniqueName('tx'))
    // [Tags] ThrottleTimeMs [Topic] [Tags], without a topic.
    const body = Buffer.from(version === 1 ? '0000000000000000' : '00000000000100', 'hex')
    proxy.rule = onlyFirst(api.txnOffsetCommit, 1, { kind: 'answer', body })
    const failing = producer.commit(transactionOf(topic, uniqueName('group'), 0))
    await expect(failing).rejects.toMatchObject({ code: 'UNEXPECTED_ANSWER' })
    await expect(failing).rejects.toThrow('leaves out partitions')
  })

  test('a batch that the topic does not take names topic and partition', async () => {
    const { log } = await open()
    const topic = await newTopic(log, 2, { 'max.message.bytes': '2000' })
    const producer = await log.producer(uniqueName('tx'))
    const chunks = chunksOf([{ key: 'k', value: 'x'.repeat(5000) }])
    const commit = producer.commit({ records: [{ topic, partition: 1, chunks }], group: 'group', positions: [] })
    await expect(commit).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' })
    await expect(commit).rejects.toThrow(`topic ${topic}, partition 1`)
  })

  test('a broker that is gone for good fails the commit before the transaction times out', async () => {
    const { log, proxy } = await proxied({ transactionTimeoutMs: 2_000 })
    const topic = await newTopic(log)
    const producer = await log.producer(uniqueName('tx'))
    proxy.down = true
    proxy.cutAll()
    const commit = producer.commit(transactionOf(topic, 'group', 0))
    await expect(commit).rejects.toMatchObject({ code: 'TRANSACTION_FAILED' })
  })

  test('opening a transactional id ends when the caller gives up, and when the log is closed', async () => {
    const { log, proxy } = await proxied()
    proxy.rule = ({ apiKey }) =>
      apiKey === api.initProducerId ? { kind: 'answer', body: initAnswer(CONCURRENT_TRANSACTIONS) } : undefined
    const giveUp = new AbortController()
    const opening = log.producer(uniqueName('tx'), giveUp.signal)
    giveUp.abort()
    await expect(opening).rejects.toThrow('giving up')
    const other = log.producer(uniqueName('tx'))
    await log.close()
    await expect(other).rejects.toMatchObject({ code: 'REQUEST_FAILED' })
  })

  test('closing the log rejects the commit that is under way', async () => {
    const { log, proxy } = await proxied()
    const topic = await newTopic(log)
    const producer = await log.producer(uniqueName('tx'))
    let closing: Promise<void> | undefined
    proxy.rule = ({ apiKey }) => {
      if (apiKey !== api.produce) return undefined
      closing = log.close()
      return { kind: 'swallow' }
    }
    const commit = producer.commit(transactionOf(topic, 'group', 0))
    await expect(commit).rejects.toMatchObject({ code: 'TRANSACTION_FAILED' })
    await closing
  })
})
