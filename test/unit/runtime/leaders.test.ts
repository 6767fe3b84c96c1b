/** One task, on three brokers in memory whose leaders are replaced: what it takes for its changelog, and for its group's offsets. */
import { expect, test } from 'vitest'
import { definitionOf } from '../../../src/api/application.js'
import { topologyOf } from '../../../src/core/plan/topology.js'
import { MemoryCluster } from '../../../src/memory/cluster.js'
import type { PotorooError } from '../../../src/errors.js'
import { noFaults, type Fate, type RequestInfo } from '../../../src/memory/faults.js'
import { MemoryPeerNetwork } from '../../../src/memory/peers.js'
import { SeededRandom } from '../../../src/memory/random.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { MemoryDisk } from '../../../src/memory/stores.js'
import { RecordWriter } from '../../../src/core/records/records.js'
import { CommitPhase } from '../../../src/core/commit/commit-phase.js'
import { logObserver } from '../../../src/runtime/log-lines.js'
import { defaults } from '../../../src/runtime/options.js'
import { RecordTime } from '../../../src/runtime/record-time.js'
import { Task } from '../../../src/runtime/task.js'
import { planTasks } from '../../../src/runtime/topics.js'
import { simulated, type Checked } from '../../sim/application.js'
import { recordsOf } from '../../sim/views.js'
import { silentObserver } from '../../support/silent-logger.js'

const CHANGELOG = { topic: 'sim-symbol-changelog', partition: 0 }
const GROUP = 'sim'
/** Elections have numbers: to the second of them, every other client is told late. */
const [TOLD, TOLD_LATE] = ['a', 'b']

class Books {
  readonly scheduler = new Scheduler()
  /** Undefined: as ever. */
  fate: ((request: RequestInfo) => Fate | undefined) | undefined
  readonly lines: string[] = []
  readonly fatal: string[] = []
  readonly #faults = {
    ...noFaults,
    request: (request: RequestInfo): Fate => this.fate?.(request) ?? { toBrokerMs: 0.2, toClientMs: 0.2 },
  }
  readonly cluster = new MemoryCluster({ scheduler: this.scheduler, faults: this.#faults, brokers: 3 })
  readonly #disk = new MemoryDisk()
  #orders = 0

  constructor() {
    for (const name of ['quotes', 'orders', 'checked', 'noted']) this.cluster.createTopic({ name, partitions: 1 })
  }

  /** A worker with the task. Those of one name have one disk. */
  async worker(name: string) {
    const process = this.scheduler.process(name)
    const { clock } = process
    const log = this.cluster.log({ process, requestTimeoutMs: 60_000 })
    const stores = (name === TOLD ? this.#disk : new MemoryDisk()).open({ process })
    const topology = topologyOf(definitionOf(simulated))
    const plans = await this.scheduler.run(
      planTasks(topology, { log, observer: silentObserver, clock: process.clock, stores }, defaults),
    )
    const plan = plans.get('symbol_0')
    if (plan === undefined) throw new Error('no such task')
    const say = (fields: object, message: string): void => {
      this.lines.push(`${message} ${JSON.stringify(fields)}`)
    }
    const observer = logObserver({ debug: say, info: say, warn: say, error: say })
    const environment = {
      log,
      stores,
      peers: new MemoryPeerNetwork(this.scheduler).peers({ process }),
      clock,
      random: new SeededRandom(1),
      observer,
      recordTime: new RecordTime({ clock, observer }),
      fetcher: log.fetcher(),
      options: { ...defaults, name, storeIntervalMs: 10 },
      inputBytes: () => 1_000_000,
      stateBytes: () => 1_000_000,
      unstoredBytes: () => 1_000_000,
      backlogs: () => 0,
      isOverdue: () => false,
      confirmOwnership: () => Promise.resolve(),
      fatal: (error: PotorooError) => this.fatal.push(`${error.message} ${error.cure}`),
      ready: (ready: Task) => {
        clock.soon(() => {
          while (ready.run(clock.monotonic() + 50));
        })
      },
      phase: new CommitPhase(),
      acknowledged: () => undefined,
      ownershipEpoch: () => 0,
      handedOver: () => undefined,
    }
    const start = (): Task => {
      const task = new Task(plan, environment)
      task.start()
      return task
    }
    return { process, start }
  }

  order(): void {
    const writer = new RecordWriter(1_000_000)
    const id = `o${String(++this.#orders)}`
    writer.append(this.#orders, 'S', JSON.stringify({ id, symbol: 'S', account: 'a', kind: 'plain' }))
    this.cluster.append({ topic: 'orders', partition: 0 }, writer.take())
  }

  /** Of each order that came out, how many the state object had seen. */
  get seen(): number[] {
    return recordsOf(this.cluster.partition({ topic: 'checked', partition: 0 })).map(
      ({ value }) => (JSON.parse(value) as Checked).orders,
    )
  }

  get changelog() {
    return this.cluster.partition(CHANGELOG)
  }

  said(text: string): boolean {
    return this.lines.some((line) => line.includes(text))
  }
}

test('records that land behind the end that was listed are not committed, and the changelog is read again', async () => {
  const books = new Books()
  const [first, second] = [await books.worker(TOLD), await books.worker(TOLD_LATE)]
  first.start()
  books.order()
  await books.scheduler.advance(1_000)
  // For a while, who asks where the changelog ends is answered as of now.
  books.cluster.keepListing(CHANGELOG, 4_000)
  books.order()
  await books.scheduler.advance(1_000)
  expect(books.seen).toEqual([1, 2])
  first.process.kill()
  // Nor do the group's offsets tell.
  books.cluster.deleteOffsets(GROUP)
  second.start()
  books.order()
  await books.scheduler.advance(10_000)
  expect(books.said('records landed at offset')).toBe(true)
  // The end is asked for until it is what is known to be there.
  expect(books.said('the broker lists a changelog end below the known one')).toBe(true)
  expect(books.said('it was reset')).toBe(false)
  expect([books.seen, books.fatal]).toEqual([[1, 2, 3], []])
})

test("offsets of a transaction that the changelog does not show are no operator's: it was listed short", async () => {
  const books = new Books()
  const [first, second] = [await books.worker(TOLD), await books.worker(TOLD_LATE)]
  first.start()
  books.order()
  await books.scheduler.advance(1_000)
  books.cluster.keepListing(CHANGELOG, 2_000)
  books.order()
  await books.scheduler.advance(1_000)
  first.process.kill()
  second.start()
  await books.scheduler.advance(10_000)
  books.order()
  await books.scheduler.advance(1_000)
  expect(books.said('its changelog grew') || books.said('fenced')).toBe(true)
  expect(books.said('it was reset')).toBe(false)
  expect([books.seen, books.fatal]).toEqual([[1, 2, 3], []])
})

/** Two orders, the changelog as it is after so many of them, and the task again. */
async function truncated(afterOrders: number, meanwhile: (books: Books) => void = () => undefined): Promise<Books> {
  const books = new Books()
  const first = await books.worker(TOLD)
  first.start()
  const ends: number[] = [0]
  for (let i = 0; i < 2; i++) {
    books.order()
    await books.scheduler.advance(1_000)
    ends.push(books.changelog.logEnd)
  }
  first.process.kill()
  books.changelog.truncate(ends[afterOrders] ?? 0)
  meanwhile(books)
  books.lines.length = 0
  ;(await books.worker(TOLD_LATE)).start()
  await books.scheduler.advance(15_000)
  return books
}

test('a changelog that lost its end in an unclean election is told from a reset, and stops the worker', async () => {
  const books = await truncated(1)
  expect(books.fatal).toHaveLength(1)
  expect(books.fatal[0]).toMatch(
    /the end of the changelog is lost.*--topic orders:0 --reset-offsets --to-offset 1 --execute/,
  )
  expect(books.said('it was reset')).toBe(false)
})

test("an operator's offsets are honoured, also after that", async () => {
  const books = await truncated(1, ({ cluster }) => {
    cluster.setCommitted(GROUP, [{ topic: 'orders', partition: 0, position: 0 }])
    cluster.setCommitted(GROUP, [{ topic: 'quotes', partition: 0, position: 0 }])
  })
  expect(books.fatal).toEqual([])
  expect(books.said('it was reset, so the worker starts there')).toBe(true)
  // The first order once more, onto what the changelog has of it, and the second.
  expect(books.seen).toEqual([1, 2, 2, 3])
})

test('a store is not set aside for one answer that is short', async () => {
  const books = new Books()
  const first = await books.worker(TOLD)
  first.start()
  books.order()
  await books.scheduler.advance(1_000)
  books.cluster.keepListing(CHANGELOG, 3_000)
  books.order()
  await books.scheduler.advance(1_000)
  first.process.kill()
  // It has the same disk, on which the second order is.
  const again = await books.worker(TOLD)
  again.start()
  await books.scheduler.advance(5_000)
  books.order()
  await books.scheduler.advance(1_000)
  expect(books.said('the broker lists a changelog end below the known one')).toBe(true)
  expect(books.said('set aside')).toBe(false)
  expect([books.seen, books.fatal]).toEqual([[1, 2, 3], []])
})

test('a task that is closed while it waits for its changelog to be listed leaves no store open after it', async () => {
  const books = new Books()
  const { start } = await books.worker(TOLD)
  books.fate = ({ api }) => (api === 'listOffsets' ? { toBrokerMs: 20_000, toClientMs: 1 } : undefined)
  const task = start()
  await books.scheduler.advance(1_000)
  const closing = task.close({ commit: false })
  await books.scheduler.run(closing, 500)
  // What it waited for comes.
  await books.scheduler.advance(60_000)
  books.fate = undefined
  const again = start()
  await books.scheduler.advance(1_000)
  expect([books.fatal, again.state]).toEqual([[], 'running'])
})

test('a task that ends in mid-commit aborts its transaction: readers do not wait for the timeout', async () => {
  const books = new Books()
  const { start } = await books.worker(TOLD)
  const task = start()
  await books.scheduler.advance(1_000)
  books.fate = ({ api, subject }) =>
    api === 'produce' && subject.startsWith('noted') ? { toBrokerMs: 1, toClientMs: 1, fault: 'refused' } : undefined
  books.order()
  const end = books.changelog.logEnd
  await books.scheduler.until(() => books.changelog.logEnd > end)
  expect(books.changelog.lastStableOffset).toBe(end)
  await books.scheduler.run(task.close({ commit: false }), 2_000)
  await books.scheduler.advance(10)
  expect(books.changelog.lastStableOffset).toBe(books.changelog.logEnd)
  expect(books.seen).toEqual([])
})
