import * as z from 'zod'
import { beforeEach, describe, expect, it } from 'vitest'
import { application, from, stateObject, topic, type Application } from '../../../src/index.js'
import { TestDriver, type TestDriverOptions } from '../../../src/testing/index.js'
import { anySchema } from '../../support/schemas.js'
import { Account, account, bank, bookings, overdrafts, runs, statements, warnings } from './bank.js'
import { failsWith, start } from './support.js'

beforeEach(() => {
  runs.book = 0
})

const START_MS = Date.UTC(2026, 0, 1)

describe('pipe and read', () => {
  it('process what is piped, in its order, through all of the application', async () => {
    const driver = await start()
    await driver.pipe(bookings, [
      { account: 'ada', amount: 10 },
      { account: 'bob', amount: -5 },
      { account: 'ada', amount: -30 },
    ])
    await driver.settle()
    expect(driver.read(statements).map(({ account, balance }) => [account, balance])).toEqual([
      ['ada', 10],
      ['bob', -5],
      ['ada', -20],
    ])
    expect(driver.read(warnings)).toEqual([
      { account: 'bob', text: 'overdrawn for the 1. time' },
      { account: 'ada', text: 'overdrawn for the 1. time' },
    ])
  })

  it('give each output once, and nothing before it is committed', async () => {
    const driver = await start()
    await driver.pipe(bookings, { account: 'ada', amount: 1 })
    expect(driver.read(statements)).toEqual([])
    await driver.settle()
    expect(driver.read(statements)).toHaveLength(1)
    expect(driver.read(statements)).toEqual([])
    await driver.pipe(bookings, { account: 'ada', amount: 1 })
    await driver.settle()
    expect(driver.read(statements)).toMatchObject([{ balance: 2 }])
  })

  it('give outputs of several partitions by the time of what caused them, those of one partition as they lie', async () => {
    const driver = await start({ partitions: 4 })
    const names = ['ada', 'bob', 'cyd', 'dan', 'eve', 'fay', 'guy', 'hal']
    await driver.pipe(
      bookings,
      names.map((account) => ({ account, amount: 1 })),
    )
    await driver.pipe(bookings, { account: 'ada', amount: 1 }, { timestampMs: 5 })
    await driver.settle()
    const records = driver.readRecords(statements)
    expect(new Set(records.map(({ partition }) => partition)).size).toBeGreaterThan(1)
    // the last booking of ada is the oldest by its timestamp, but lies after the first one
    const first = records.findIndex(({ key }) => key === 'ada')
    expect(records.filter(({ timestampMs }) => timestampMs !== 5).map(({ key }) => key)).toEqual(names)
    expect(records.findIndex(({ timestampMs }) => timestampMs === 5)).toBeGreaterThan(first)
  })

  it('take timestamps and headers, and give keys, timestamps and partitions', async () => {
    const driver = await start({ partitions: 3 })
    await driver.pipe(bookings, { account: 'ada', amount: 7 }, { timestampMs: START_MS, headers: { note: 'rent' } })
    await driver.settle()
    expect(driver.readRecords(statements)).toEqual([
      {
        key: 'ada',
        message: { account: 'ada', balance: 7, atMs: START_MS },
        timestampMs: START_MS,
        partition: expect.any(Number) as number,
        offset: 0,
        headers: {},
      },
    ])
    expect(driver.state(account, 'ada')?.notes).toEqual(new Map([['rent', 7]]))
  })

  it('read what was piped, too', async () => {
    const driver = await start()
    await driver.pipe(bookings, { account: 'ada', amount: 7 }, { headers: { note: 'rent' } })
    expect(driver.readRecords(bookings)).toMatchObject([{ key: 'ada', headers: { note: 'rent' } }])
  })

  it('are done one after another, also when nobody awaits them', async () => {
    const driver = await start()
    void driver.pipe(bookings, { account: 'ada', amount: 1 })
    void driver.pipe(bookings, { account: 'ada', amount: 2 })
    await driver.settle()
    expect(driver.read(statements)).toMatchObject([{ balance: 1 }, { balance: 3 }])
  })

  it('refuse what is no message, and pipe nothing of it', async () => {
    const driver = await start()
    const wrong = { account: 'ada', amount: 'much' } as unknown as { account: string; amount: number }
    await expect(driver.pipe(bookings, [{ account: 'ada', amount: 1 }, wrong])).rejects.toThrow(
      failsWith(
        'SCHEMA_MISMATCH',
        'A record of topic bookings fails its schema: amount: Invalid input: expected number',
      ),
    )
    await expect(driver.pipe(bookings, { account: 'ada', amount: NaN })).rejects.toThrow(failsWith('OUTPUT_INVALID'))
    await expect(driver.pipe(bookings, { account: 'a'.repeat(2_000), amount: 1 })).rejects.toThrow(
      failsWith('KEY_TOO_LONG', 'bookings'),
    )
    const large = { account: 'ada', amount: 1, currency: 'x'.repeat(1_100_000) }
    await expect(driver.pipe(bookings, large)).rejects.toThrow(failsWith('RECORD_TOO_LARGE', 'bookings'))
    await driver.settle()
    expect(driver.read(statements)).toEqual([])
  })

  it('refuse topics, partitions and times that make no sense', async () => {
    const driver = await start({ partitions: 2 })
    const other = topic('other', { schema: anySchema<{ id: string }>(), key: ({ id }) => id })
    const booking = { account: 'ada', amount: 1 }
    await expect(driver.pipe(other, { id: '1' })).rejects.toThrow(
      failsWith('INVALID_TEST', 'Application bank reads no topic other: it reads bookings, statements'),
    )
    await expect(driver.pipe(warnings, { account: 'ada', text: '' })).rejects.toThrow(
      failsWith('INVALID_TEST', 'warnings'),
    )
    expect(() => driver.read(other)).toThrow(
      failsWith('INVALID_TEST', 'Application bank has no topic other: it has bookings, statements, warnings'),
    )
    await expect(driver.pipe(bookings, booking, { partition: 2 })).rejects.toThrow(
      failsWith('INVALID_TEST', 'There is no partition 2 of topic bookings'),
    )
    await expect(driver.pipe(bookings, booking, { timestampMs: 0.5 })).rejects.toThrow(
      failsWith('INVALID_TEST', 'timestampMs is 0.5'),
    )
  })

  it('refuse an output that is not what its topic says, again and again', async () => {
    const driver = await start()
    await driver.pipe(bookings, { account: 'ada', amount: 1, currency: 'bad output' })
    await driver.settle()
    for (let i = 0; i < 2; i++)
      expect(() => driver.read(statements)).toThrow(
        failsWith(
          'SCHEMA_MISMATCH',
          'A record of topic statements fails its schema: balance: Invalid input: expected number',
        ),
      )
  })
})

describe('a schema that converts', () => {
  const raw = z.object({ id: z.string(), size: z.string().optional() })
  const sizes = topic('sizes', {
    schema: raw.transform(({ id, size = '1' }) => ({ id, size: Number(size) })),
    key: ({ id }) => id,
  })
  const sum = stateObject('sum', () => ({ size: 0 }))

  it('is fed with what it takes', async () => {
    const add = application(
      'add',
      from(sizes).to(sum, (state, { size }) => void (state.size += size)),
    )
    const driver = await start({}, add)
    await driver.pipe(sizes, [{ id: 'a' }, { id: 'a', size: '2' }])
    await driver.settle()
    expect(driver.state(sum, 'a')).toEqual({ size: 3 })
    expect(driver.read(sizes)).toEqual([
      { id: 'a', size: 1 },
      { id: 'a', size: 2 },
    ])
  })
})

describe('dead letters', () => {
  it('are what pipeRaw wrote wrong, as it was, with what was wrong', async () => {
    const driver = await start({ partitions: 2, startMs: START_MS })
    const value = '{"account":"ada","amount":1}'
    await driver.pipeRaw(bookings, [
      { key: 'ada', value: '{', headers: { from: 'x' } },
      { key: 'ada', value: Buffer.from([0xff]), timestampMs: 17 },
      { value },
      { key: 'bob', value },
      { key: 'ada', value: null },
    ])
    await driver.pipe(bookings, { account: 'ada', amount: 1 }, { partition: 0 })
    await driver.pipe(bookings, { account: 'ada', amount: 1 }, { partition: 1 })
    await driver.settle()
    const letters = driver.readDeadLetters()
    expect(letters.map(({ code }) => code).sort()).toEqual([
      'KEY_MISMATCH',
      'KEY_MISSING',
      'NOT_JSON',
      'NOT_JSON',
      'VALUE_NULL',
      'WRONG_PARTITION',
    ])
    const [text, bytes] = letters.filter(({ code }) => code === 'NOT_JSON')
    expect(text).toMatchObject({ topic: 'bookings', key: 'ada', value: '{', headers: { from: 'x' } })
    expect(text?.timestampMs).toBeGreaterThan(START_MS)
    expect(text?.error).toContain('bookings')
    expect(bytes).toMatchObject({ bytes: Buffer.from([0xff]), timestampMs: 17, headers: {} })
    expect(letters.find(({ code }) => code === 'KEY_MISSING')).toMatchObject({ key: undefined, value })
    expect(letters.find(({ code }) => code === 'VALUE_NULL')).toMatchObject({ key: 'ada', value: undefined })
    expect(driver.read(statements)).toMatchObject([{ balance: 1 }])
    expect(driver.readDeadLetters()).toEqual([])
  })

  it('are messages whose computation throws, which changes nothing', async () => {
    const driver = await start()
    await driver.pipe(bookings, [
      { account: 'ada', amount: -400 },
      { account: 'ada', amount: -5_000 },
      { account: 'ada', amount: 1 },
    ])
    await driver.settle()
    expect(driver.readDeadLetters()).toMatchObject([
      { code: 'COMPUTATION_FAILED', error: 'account ada is overdrawn', topic: 'bookings', offset: 1 },
    ])
    expect(driver.state(account, 'ada')?.balance).toBe(-399)
  })

  it('are none with onError stop: the worker stops, and settle says why', async () => {
    const driver = await start({ onError: 'stop' })
    await driver.pipe(bookings, { account: 'ada', amount: 1 })
    await driver.settle()
    await driver.pipe(bookings, { account: 'ada', amount: -5_000 })
    await expect(driver.settle()).rejects.toThrow(
      failsWith('STOPPED_BY_ON_ERROR', 'bookings, partition 0, offset 1: COMPUTATION_FAILED: account ada is overdrawn'),
    )
    expect(driver.workers).toEqual([{ name: 'worker-1', running: false, tasks: [] }])
    expect(driver.state(account, 'ada')?.balance).toBe(1)
    await expect(driver.settle()).rejects.toThrow(failsWith('INVALID_TEST', 'No worker is running'))
    await expect(driver.restart()).rejects.toThrow(failsWith('STOPPED_BY_ON_ERROR'))
  })
})

describe('state objects', () => {
  it('are read with their methods, as copies', async () => {
    const driver = await start()
    await driver.pipe(bookings, { account: 'ada', amount: 3 })
    await driver.settle()
    const ada = driver.state(account, 'ada')
    expect(ada).toBeInstanceOf(Account)
    expect(ada?.book(4)).toBe(7)
    expect(driver.state(account, 'ada')?.balance).toBe(3)
    expect(driver.state(account, 'bob')).toBeUndefined()
    expect(driver.state(overdrafts, 'ada')).toBeUndefined()
    await driver.pipe(bookings, { account: 'ada', amount: 0, currency: 'close' })
    await driver.settle()
    expect(driver.states(account).size).toBe(0)
  })

  it.each([1, 3])('are put in place for the messages that follow, with %i partitions', async (partitions) => {
    const driver = await start({ partitions })
    await driver.pipe(bookings, { account: 'ada', amount: 1 })
    const rich = new Account('ada')
    rich.balance = 100
    await driver.setState(account, 'ada', rich)
    await driver.setState(overdrafts, 'ada', { count: 41 })
    // what was piped before was processed before
    expect(driver.read(statements)).toMatchObject([{ balance: 1 }])
    expect(driver.state(account, 'ada')).toEqual(rich)
    runs.book = 0
    await driver.pipe(bookings, { account: 'ada', amount: -150 })
    await driver.settle()
    expect(driver.read(statements)).toMatchObject([{ balance: -50 }])
    expect(driver.read(warnings)).toMatchObject([{ text: 'overdrawn for the 42. time' }])
    // the owner had noticed before: it has not processed the message on its old state first
    expect(runs.book).toBe(1)
  })

  it('are deleted by setting undefined, and set on other keys while nothing is piped', async () => {
    const driver = await start()
    await driver.pipe(bookings, { account: 'ada', amount: 1 })
    await driver.setState(account, 'ada', undefined)
    await driver.setState(account, 'ünïcode', new Account('ünïcode'))
    expect([...driver.states(account).keys()]).toEqual(['ünïcode'])
    await driver.pipe(bookings, { account: 'ada', amount: 5 })
    await driver.settle()
    expect(driver.state(account, 'ada')?.balance).toBe(5)
  })

  it('are set and read while all workers are down', async () => {
    const driver = await start({ partitions: 2 })
    await driver.pipe(bookings, { account: 'ada', amount: 1 })
    // within the commit, or before it, or after it
    await driver.advance(3)
    driver.crash()
    const rich = new Account('ada')
    rich.balance = 100
    await driver.setState(account, 'ada', rich)
    expect(driver.state(account, 'ada')?.balance).toBe(100)
    await driver.restart()
    await driver.pipe(bookings, { account: 'ada', amount: 1 })
    await driver.settle()
    expect(driver.read(statements).at(-1)?.balance).toBeGreaterThan(100)
  })

  it('are refused where they can’t be stored, or are not the application’s', async () => {
    const driver = await start()
    const lost = { count: 0, call: () => undefined }
    await expect(driver.setState(overdrafts, 'ada', lost)).rejects.toThrow(failsWith('STATE_NOT_PACKABLE', 'call'))
    await expect(driver.setState(overdrafts, 'a'.repeat(2_000), { count: 0 })).rejects.toThrow(
      failsWith('KEY_TOO_LONG'),
    )
    const large = new Account('x'.repeat(1_100_000))
    await expect(driver.setState(account, 'ada', large)).rejects.toThrow(failsWith('RECORD_TOO_LARGE', 'account'))
    const other = stateObject('other', () => ({ x: 0 }))
    const message = 'Application bank has no state object other: it has account, overdrafts'
    expect(() => driver.state(other, 'ada')).toThrow(failsWith('INVALID_TEST', message))
    await expect(driver.setState(other, 'ada', { x: 1 })).rejects.toThrow(failsWith('INVALID_TEST', message))
    // none of this has disturbed anything
    await driver.pipe(bookings, { account: 'ada', amount: 1 })
    await driver.settle()
    expect(driver.read(statements)).toMatchObject([{ balance: 1 }])
  })
})

describe('a driver', () => {
  it.each<[string, TestDriverOptions]>([
    ['partitions: 0', { partitions: 0 }],
    ['partitions: 1.5', { partitions: 1.5 }],
    ['workers: 100', { workers: 100 }],
    ['seed: NaN', { seed: NaN }],
    ['startMs: -1', { startMs: -1 }],
  ])('is not started with %s', async (message, options) => {
    await expect(TestDriver.start(bank, options)).rejects.toThrow(failsWith('INVALID_TEST', message))
  })

  it('is not started for what is no application', async () => {
    await expect(TestDriver.start({} as Application)).rejects.toThrow(failsWith('INVALID_DEFINITION'))
  })

  it('gives a header as bytes of its own, which a computation may keep (memory/fetcher, invariant 3)', async () => {
    const kept: (Uint8Array | undefined)[] = []
    const notes = topic('notes', { schema: anySchema<{ id: string }>(), key: ({ id }) => id })
    const keeper = application(
      'keeper',
      from(notes).to(
        stateObject('seen', () => ({ count: 0 })),
        (state, _, context) => {
          state.count++
          kept.push(context.header('note'))
        },
      ),
    )
    const driver = await start({}, keeper)
    await driver.pipe(notes, { id: 'a' }, { headers: { note: 'kept' } })
    await driver.settle()
    await driver.pipe(notes, { id: 'b' })
    await driver.settle()
    expect(kept.map((value) => value && Buffer.from(value).toString())).toEqual(['kept', undefined])
  })

  it('says when an application has no end', { timeout: 30_000 }, async () => {
    const echo = topic('echo', { schema: z.object({ id: z.string() }), key: ({ id }) => id })
    const seen = stateObject('seen', () => ({ count: 0 }))
    const endless = application(
      'endless',
      from(echo)
        .to(seen, (state, { id }) => {
          state.count++
          return { id }
        })
        .sink(echo),
    )
    const driver = await start({}, endless)
    await driver.pipe(echo, { id: 'a' })
    await expect(driver.settle()).rejects.toThrow(
      failsWith('INVALID_TEST', 'Does the application feed itself in an endless loop?'),
    )
  })

  it('is of no use once it is closed', async () => {
    const driver = await start()
    await driver.close()
    await driver.close()
    const closed = failsWith('INVALID_TEST', 'The driver is closed')
    await expect(driver.pipe(bookings, { account: 'ada', amount: 1 })).rejects.toThrow(closed)
    await expect(driver.settle()).rejects.toThrow(closed)
    expect(() => driver.read(statements)).toThrow(closed)
    expect(() => driver.state(account, 'ada')).toThrow(closed)
    expect(() => driver.crash()).toThrow(closed)
  })

  it('runs steps without state, topics partitioned by xxh64, and sources that start at their end', async () => {
    const clicks = topic('clicks', {
      schema: z.object({ page: z.string() }),
      key: ({ page }) => page,
      partitioner: 'xxh64',
      start: 'latest',
    })
    const pages = topic('pages', {
      schema: z.object({ page: z.string() }),
      key: ({ page }) => page,
      partitioner: 'xxh64',
    })
    const filtered = application(
      'filtered',
      from(clicks)
        .filter(({ page }) => page !== '/')
        .sink(pages),
    )
    const driver = await start({ partitions: 3 }, filtered)
    await driver.pipe(clicks, [{ page: '/' }, { page: '/a' }, { page: '/b' }])
    await driver.settle()
    expect(driver.read(pages)).toEqual([{ page: '/a' }, { page: '/b' }])
    expect(driver.readDeadLetters()).toEqual([])
  })
})
