/** A store whose file is sound, with a state object in it that cannot be read: the message that needs it finds out. */
import { describe, expect, it } from 'vitest'
import { definitionOf } from '../../../src/api/application.js'
import { bytesOf, type ByteString } from '../../../src/core/records/byte-string.js'
import { COMMIT_KEY, encodeCommitRecord } from '../../../src/core/commit/commit-record.js'
import { RecordWriter } from '../../../src/core/records/records.js'
import { storeKeyOf } from '../../../src/core/state/store-key.js'
import { defaults } from '../../../src/runtime/options.js'
import { application, from, stateObject, topic } from '../../../src/index.js'
import type { WorkerSlot } from '../../../src/testing/worker-slot.js'
import { Changelog } from '../../../src/testing/changelog.js'
import { feed, recordOf } from '../../../src/testing/feed.js'
import { TopicReader } from '../../../src/testing/topic-reader.js'
import { World } from '../../../src/testing/world.js'
import { anySchema } from '../../support/schemas.js'

interface Booking {
  readonly account: string
  readonly add: number
}
const bookings = topic('bookings', { schema: anySchema<Booking>(), key: ({ account }) => account })
const sums = topic('sums', { schema: anySchema<{ account: string; sum: number }>(), key: ({ account }) => account })
const ledger = stateObject('ledger', () => ({ sum: 0 }))
const definition = definitionOf(
  application(
    'books',
    from(bookings)
      .to(ledger, (state, { account, add }) => ({ account, sum: (state.sum += add) }))
      .sink(sums),
  ),
)

const TASK = 'ledger_0'
const SET_ASIDE = 'the store is set aside, and rebuilt from the changelog'
const storeKey = (account: string): ByteString => storeKeyOf('ledger', account)

/** One worker with one task, in memory. */
class Books {
  readonly lines: (Readonly<Record<string, unknown>> & { readonly msg: string; readonly level: string })[] = []
  readonly #world: World
  readonly #slot: WorkerSlot
  readonly #sums: TopicReader

  constructor() {
    const at = (level: string) => (fields: object, msg: string) => void this.lines.push({ ...fields, msg, level })
    const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
    const options = { partitions: 1, startMs: undefined, seed: 1, onError: 'dead-letter', logger } as const
    this.#world = new World(definition, options)
    this.#slot = this.#world.addSlot()
    this.#sums = new TopicReader(this.#world.partitionsOf('sums'))
  }

  async start(): Promise<void> {
    await this.#world.start([this.#slot])
    await this.#world.balance()
  }

  /** Once its store has what is committed. */
  async kill(): Promise<void> {
    await this.#world.advance(2 * defaults.storeIntervalMs)
    this.#slot.kill()
  }

  /** Somebody else takes the task's transactional id: the task becomes active again. */
  fence(): void {
    const { cluster, names } = this.#world
    cluster.transactions.init(names.transactionalId('ledger', 0), 10_000)
  }

  /** Books 1 for each of these, one commit apart, and gives what came out. */
  async book(...accounts: readonly string[]): Promise<string[]> {
    for (const account of accounts)
      for (const source of this.#world.sources) {
        await feed(this.#world, source, [recordOf(source, { account, add: 1 }, {})])
        await this.#world.rest()
      }
    return this.#sums.take(({ value }) => {
      const { account, sum } = JSON.parse(String(value)) as { account: string; sum: number }
      return `${account} ${String(sum)}`
    })
  }

  /** What the disk has for each account. */
  get stored(): ReadonlyMap<ByteString, ByteString> {
    return this.#slot.disk.look(TASK).values
  }

  /** Somebody else writes to the changelog, as an owner would. */
  async spoilChangelog(account: string): Promise<void> {
    const { cluster, names, scheduler } = this.#world
    const to = { topic: names.changelog('ledger'), partition: 0 }
    const log = cluster.partition(to)
    const commit = new Changelog(to.topic, [log]).commit(0)
    if (commit === undefined) throw new Error('nothing was committed')
    const writer = new RecordWriter(1_000_000)
    writer.append(0, bytesOf(storeKey(account)), '\x07')
    writer.append(0, COMMIT_KEY, encodeCommitRecord(commit))
    const owner = cluster.transactions.init(names.transactionalId('ledger', 0), 10_000)
    cluster.transactions.add(owner, [log])
    for (const chunk of writer.take()) cluster.produce(owner, to, chunk)
    cluster.transactions.end(owner, 'commit')
    await scheduler.until(() => log.lastStableOffset === log.highWatermark)
  }

  /** Books until the worker has stopped. */
  async failsToBook(account: string): Promise<unknown> {
    return this.book(account).catch((error: unknown) => error)
  }

  damage(account: string, damaged: (bytes: ByteString) => ByteString): void {
    const { values } = this.#slot.disk.contents(TASK)
    const bytes = values.get(storeKey(account))
    if (bytes === undefined) throw new Error(`nothing is stored for ${account}`)
    values.set(storeKey(account), damaged(bytes))
  }
}

describe('a state object in the store that cannot be read', () => {
  it.each([
    ['was cut off', (bytes: ByteString) => bytes.slice(0, -1)],
    ['was overwritten', (bytes: ByteString) => '\xc1'.repeat(bytes.length)],
    ['is another value', () => '\x07'],
    ['is empty', () => ''],
  ])('has its store set aside and rebuilt, once, and the answers are right: it %s', async (_, damaged) => {
    const books = new Books()
    await books.start()
    expect(await books.book('ada', 'bob', 'eve', 'ada')).toEqual(['ada 1', 'bob 1', 'eve 1', 'ada 2'])
    await books.kill()
    const sound = new Map(books.stored)
    for (const account of ['ada', 'eve']) books.damage(account, damaged)
    books.lines.length = 0

    await books.start()
    // Nothing needed it so far: nobody knows.
    expect(await books.book('bob')).toEqual(['bob 2'])
    expect(books.lines.filter(({ level }) => level !== 'info')).toEqual([])
    expect(await books.book('ada', 'eve', 'bob', 'ada')).toEqual(['ada 3', 'eve 2', 'bob 3', 'ada 4'])

    const said = books.lines.filter(({ level }) => level === 'warn' || level === 'error')
    expect(said).toMatchObject([
      { msg: 'the task restarts from its last commit', code: 'STORE_DAMAGED', task: TASK },
      { msg: SET_ASIDE, task: TASK, why: expect.stringContaining('ledger') as string },
    ])
    const active = books.lines.filter(({ msg }) => msg === 'task is active')
    expect(active).toMatchObject([
      { task: TASK, rebuilt: false },
      { task: TASK, rebuilt: true, replayedFrom: 0 },
    ])
    expect(active[0]?.['replayedFrom']).toBeGreaterThan(0)
    // What was rebuilt can be trusted: by the next activation, and by the next life.
    books.fence()
    expect(await books.book('ada')).toEqual(['ada 5'])
    expect(books.lines.findLast(({ msg }) => msg === 'task is active')).toMatchObject({ rebuilt: false })
    await books.kill()
    await books.start()
    expect([...books.stored.keys()].sort()).toEqual([...sound.keys()].sort())
    expect(await books.book('ada', 'eve')).toEqual(['ada 6', 'eve 3'])
    expect(books.lines.filter(({ msg }) => msg === SET_ASIDE)).toHaveLength(1)
  })

  it('stops the worker where the changelog has it like that, too', async () => {
    const books = new Books()
    await books.start()
    await books.book('ada', 'bob')
    await books.spoilChangelog('ada')
    books.lines.length = 0
    expect(await books.failsToBook('ada')).toMatchObject({ code: 'STORE_DAMAGED' })
    const told = books.lines.filter(({ level }) => level === 'error')
    expect(told[0]).toMatchObject({ code: 'STORE_DAMAGED', error: expect.stringContaining('the same bytes') as string })
    expect(books.lines.filter(({ msg }) => msg === SET_ASIDE)).toHaveLength(1)
  })
})
