/**
 * Applications whose state objects change their shape, on the real runtime with brokers and disks in memory: one version of the
 * application after the other, on the same cluster and disks.
 */
import { describe, expect, it } from 'vitest'
import { decodeManifest, type Manifest } from '../../../src/core/plan/manifest.js'
import { bytesOf } from '../../../src/core/records/byte-string.js'
import { storeKeyOf } from '../../../src/core/state/store-key.js'
import { application, from, stateObject, topic, type Application } from '../../../src/index.js'
import { ChangelogView } from '../../sim/views.js'
import { MemoryWorkers } from '../../support/memory-workers.js'
import { anySchema } from '../../support/schemas.js'

interface Booking {
  readonly account: string
  readonly add: number
}
const bookings = topic('bookings', { schema: anySchema<Booking>(), key: ({ account }) => account })
const sums = topic('sums', { schema: anySchema<{ account: string; sum: number }>(), key: ({ account }) => account })

/** Which accounts' state objects an upgrade was given. */
const seen: string[] = []
type Upgrade = (stored: never) => object
const toCents: Upgrade = (stored: { sum: number }) => {
  seen.push(String(stored.sum))
  return { cents: stored.sum * 100 }
}
const withBookings: Upgrade = (stored: { cents: number }) => ({ ...stored, bookings: 0 })

/** Sums up; `add: 0` changes nothing, and a negative one is refused. */
const check = (add: number): void => {
  if (add < 0) throw new Error('a negative booking')
}
const v0 = application(
  'books',
  from(bookings)
    .to(
      stateObject('ledger', () => ({ sum: 0 })),
      (state, { account, add }) => {
        state.sum += add
        check(add)
        return { account, sum: state.sum }
      },
    )
    .sink(sums),
)
const inCents = (...upgrades: readonly Upgrade[]): Application =>
  application(
    'books',
    from(bookings)
      .to(
        stateObject('ledger', () => ({ cents: 0 }), { upgrades }),
        (state, { account, add }) => {
          state.cents += add * 100
          check(add)
          return { account, sum: state.cents / 100 }
        },
      )
      .sink(sums),
  )
const v1 = inCents(toCents)
const v2 = inCents(toCents, withBookings)

class Books extends MemoryWorkers {
  constructor(partitions = 1) {
    super({ application: v0, topics: ['bookings', 'sums'], partitions, runtime: { standbys: 1, warmLag: 10 } })
    seen.length = 0
  }

  /** Runs a version, gives it these bookings, and stops it: what ended it. */
  async run(version: Application, ...added: readonly (readonly [account: string, add: number])[]) {
    await this.start('w1', version)
    for (const [account, add] of added) this.append('bookings', account, { account, add })
    await this.rest()
    await this.stop('w1')
    return this.endOf('w1')
  }

  get changelog(): ReadonlyMap<string, string> {
    const partitions = this.cluster.describeTopic('books-ledger-changelog')?.partitions ?? 0
    const entries = Array.from({ length: partitions }, (_, partition) => {
      const view = new ChangelogView(
        'changelog',
        this.cluster.partition({ topic: 'books-ledger-changelog', partition }),
      )
      view.update()
      return [...view.values].map(([key, bytes]): [string, string] => [
        key.split('\0')[1] ?? '',
        bytesOf(bytes).toString('hex'),
      ])
    })
    return new Map(entries.flat())
  }

  get manifest(): Manifest {
    const last = this.records('books-manifest').at(-1) ?? expect.unreachable('there is no manifest')
    return decodeManifest(Buffer.from(last.value), 'here')
  }

  get storedVersion(): number | undefined {
    return this.manifest.subTopologies[0]?.states[0]?.version
  }

  get outputs(): readonly unknown[] {
    return this.records('sums').map(({ value }) => {
      const { account, sum } = JSON.parse(value) as { account: string; sum: number }
      return `${account} ${String(sum)}`
    })
  }
}

describe('a state object with upgrades', () => {
  it('continues with what the version before has stored: upgraded when a message finds it, and written back', async () => {
    const books = new Books()
    await books.run(v0, ['ada', 1], ['bob', 2], ['eve', 3])
    expect(books.changelog.get('ada')).toBe('81a373756d01')
    await books.run(v1, ['ada', 10], ['bob', 0], ['new', 4])
    expect(books.outputs).toEqual(['ada 1', 'bob 2', 'eve 3', 'ada 11', 'bob 2', 'new 4'])
    expect(Object.fromEntries(books.changelog)).toEqual({
      ada: 'c0010181a563656e7473cd044c',
      // The message changed nothing, and still it is not upgraded again.
      bob: 'c0010181a563656e7473ccc8',
      // No message came.
      eve: '81a373756d03',
      // A new one has been through all.
      new: 'c0010181a563656e7473cd0190',
    })
    expect(seen).toEqual(['1', '2'])
  })

  it('is upgraded once: later versions and later messages find what was written', async () => {
    const books = new Books()
    await books.run(v0, ['ada', 1], ['bob', 2])
    await books.run(v1, ['ada', 1], ['ada', 1])
    await books.run(v1, ['ada', 1])
    await books.run(v2, ['ada', 1], ['bob', 1])
    expect(books.outputs.slice(2)).toEqual(['ada 2', 'ada 3', 'ada 4', 'ada 5', 'bob 3'])
    expect(seen).toEqual(['1', '2'])
    expect([...books.changelog.values()].map((bytes) => bytes.slice(0, 6))).toEqual(['c00102', 'c00102'])
  })

  it('is upgraded wherever it comes from: the store, the changelog, a standby’s copy, none of which is', async () => {
    const books = new Books()
    await books.start('w1')
    await books.start('w2')
    books.append('bookings', 'ada', { account: 'ada', add: 1 })
    await books.rest()
    const stored = (name: string) => books.disks.get(name)?.look('ledger_0').values.get(storeKeyOf('ledger', 'ada'))
    expect([stored('w1'), stored('w2')].map((bytes) => bytes && bytesOf(bytes).toString('hex'))).toEqual([
      '81a373756d01',
      '81a373756d01',
    ])
    await books.stop('w1')
    await books.stop('w2')
    await books.start('w2', v1)
    await books.start('w3', v1)
    await books.rest()
    // A restore copies bytes as they are.
    expect([seen, books.changelog.get('ada')]).toEqual([[], '81a373756d01'])
    const owner = books.active('w2').length > 0 ? 'w2' : 'w3'
    books.append('bookings', 'ada', { account: 'ada', add: 1 })
    await books.rest()
    books.kill(owner)
    books.append('bookings', 'ada', { account: 'ada', add: 1 })
    await books.rest()
    expect(books.outputs).toEqual(['ada 1', 'ada 2', 'ada 3'])
    expect(seen).toEqual(['1'])
  })

  it('that a failing message finds is as it was, and upgraded with the next one', async () => {
    const books = new Books()
    await books.run(v0, ['ada', 1], ['bob', 2])
    // Taken back, all of them, and done again one by one.
    await books.run(v1, ['ada', -1], ['bob', 1])
    expect(books.changelog.get('ada')).toBe('81a373756d01')
    expect(books.changelog.get('bob')).toBe('c0010181a563656e7473cd012c')
    await books.run(v1, ['ada', -1], ['ada', 1], ['ada', -1])
    expect(books.outputs).toEqual(['ada 1', 'bob 2', 'bob 3', 'ada 2'])
    expect(books.changelog.get('ada')).toBe('c0010181a563656e7473ccc8')
    expect(books.records('books-dead-letters')).toHaveLength(3)
  })
})

describe('an upgrade that fails', () => {
  const failing = inCents((stored: { sum: number }) => {
    if (stored.sum === 2) throw new Error('two is not supported')
    return toCents(stored as never)
  })

  it('stops the worker, and is no dead letter: the corrected one continues', async () => {
    const books = new Books()
    await books.run(v0, ['ada', 1], ['bob', 2])
    const end = await books.run(failing, ['ada', 1], ['bob', 1])
    expect([end?.code, end?.exitCode, end?.retriable]).toEqual(['STATE_UPGRADE_FAILED', 6, false])
    expect(end?.message).toBe(
      "State object ledger of key 'bob' can't be upgraded from version 0 to 1: upgrades[0] threw: two is not supported.",
    )
    expect(books.changelog.get('bob')).toBe('81a373756d02')
    // It is not tried again and again: it stops at that message each time.
    expect((await books.run(failing))?.code).toBe('STATE_UPGRADE_FAILED')
    expect(books.records('books-dead-letters')).toEqual([])
    expect(await books.run(v1)).toBeUndefined()
    expect(books.outputs).toEqual(['ada 1', 'bob 2', 'ada 2', 'bob 3'])
  })

  it('stops it also where failures are to be dead letters, and among messages that are', async () => {
    const books = new Books()
    await books.run(v0, ['bob', 2])
    const end = await books.run(failing, ['ada', -1], ['bob', 1], ['ada', -1])
    expect(end?.code).toBe('STATE_UPGRADE_FAILED')
    expect(books.records('books-dead-letters').length).toBeLessThanOrEqual(1)
    await books.run(v1)
    expect(books.records('books-dead-letters')).toHaveLength(2)
    expect(books.outputs).toEqual(['bob 2', 'bob 3'])
  })
})

describe('going back', () => {
  it('is possible until a version was used: starting it leaves no trace', async () => {
    const books = new Books()
    await books.run(v0, ['ada', 1])
    const { generation } = books.manifest
    expect(await books.run(v1)).toBeUndefined()
    expect([books.manifest.generation, books.storedVersion]).toEqual([generation, undefined])
    expect(await books.run(v0, ['ada', 1])).toBeUndefined()
    expect([books.outputs, books.changelog.get('ada')]).toEqual([['ada 1', 'ada 2'], '81a373756d02'])
  })

  it('is possible, too, where the newer version was there first, and was given nothing', async () => {
    const books = new Books()
    expect(await books.run(v2)).toBeUndefined()
    expect(await books.run(v0, ['ada', 1])).toBeUndefined()
    expect(books.outputs).toEqual(['ada 1'])
  })

  it('is refused before any task starts once a version was used', async () => {
    const books = new Books()
    await books.run(v0, ['ada', 1])
    await books.run(v1, ['eve', 1])
    expect(books.storedVersion).toBe(1)
    const changelog = books.changelog
    const end = await books.run(v0, ['ada', 1])
    expect([end?.code, end?.exitCode]).toEqual(['STATE_NEWER', 3])
    expect(end?.message).toBe(
      'State object ledger of books is stored in version 1, but the newest version that this application knows is 0.',
    )
    expect([books.outputs, books.changelog]).toEqual([['ada 1', 'eve 1'], changelog])
    await books.run(v1)
    expect(books.outputs).toEqual(['ada 1', 'eve 1', 'ada 2'])
  })

  it('lets tasks stand still that a new worker has written in, where only an old one is left, which continues otherwise', async () => {
    const books = new Books(2)
    await books.start('old')
    books.append('bookings', 'ada', { account: 'ada', add: 1 })
    await books.rest()
    await books.start('new', v1)
    await books.rest()
    // Of two versions of one plan, the one with more upgrades gets the tasks (rule 14).
    expect([books.active('old'), books.active('new')]).toEqual([[], ['ledger_0', 'ledger_1']])
    books.append('bookings', 'ada', { account: 'ada', add: 1 })
    await books.rest()
    books.kill('new')
    const accounts = Array.from({ length: 20 }, (_, i) => `account ${String(i)}`)
    for (const account of ['ada', ...accounts]) books.append('bookings', account, { account, add: 1 })
    await books.rest()
    expect(books.endOf('old')).toBeUndefined()
    const [still, ...others] = books.said('the task is suspended here')
    expect([still?.worker, still?.code, others]).toEqual(['old', 'TOPOLOGY_OUTDATED', []])
    expect(still?.error).toMatch(
      /state objects with 1 upgrades of sub-topology ledger, where this worker has .* 0 upgrades$/,
    )
    // In the other one nobody has written a new version.
    expect(books.active('old')).toEqual(['ledger_0', 'ledger_1'].filter((task) => task !== still?.task))
    const before = books.outputs.length
    expect(before).toBeGreaterThan(2)
    expect(before).toBeLessThan(2 + 1 + accounts.length)
    await books.start('new', v1)
    await books.rest()
    expect([...books.outputs].sort()).toEqual(
      ['ada 1', 'ada 2', 'ada 3', ...accounts.map((account) => `${account} 1`)].sort(),
    )
    expect(books.records('books-dead-letters')).toEqual([])
  })
})

describe('a rolling deployment', () => {
  it('of a new version, one worker after the other, loses and repeats nothing', async () => {
    const books = new Books(4)
    const names = ['w1', 'w2', 'w3']
    const accounts = Array.from({ length: 30 }, (_, i) => `account ${String(i)}`)
    const expected: string[] = []
    let sum = 0
    const book = async (): Promise<void> => {
      sum++
      for (const account of accounts) {
        books.append('bookings', account, { account, add: 1 })
        expected.push(`${account} ${String(sum)}`)
      }
      await books.scheduler.advance(300)
    }
    for (const name of names) await books.start(name)
    await book()
    await books.rest()
    for (const name of names) {
      await book()
      const stopping = books.stop(name)
      await stopping
      await book()
      await books.start(name, v1)
      await book()
    }
    await books.rest()
    await book()
    await books.rest()
    expect([...books.outputs].sort()).toEqual(expected.sort())
    expect(books.storedVersion).toBe(1)
    expect(new Set([...books.changelog.values()].map((bytes) => bytes.slice(0, 6)))).toEqual(new Set(['c00101']))
    expect(seen).toHaveLength(accounts.length)
    for (const name of names) expect(books.endOf(name)).toBeUndefined()
  })
})

it('says in the manifest which version is in use before anything of it can be read', async () => {
  const books = new Books()
  await books.run(v0, ['ada', 1])
  await books.start('w1', v1)
  await books.rest()
  books.append('bookings', 'ada', { account: 'ada', add: 1 })
  await books.scheduler.until(() => books.storedVersion === 1, 5_000)
  expect([books.storedVersion, books.changelog.get('ada')]).toEqual([1, '81a373756d01'])
  await books.rest()
  expect(books.changelog.get('ada')).toBe('c0010181a563656e7473ccc8')
})
