/**
 * `npm run bench:timers`: what timers cost in a task, without Kafka: the state objects of one task and its store on disk, as a
 * task uses them. Many timers of one key; one timer for each of many keys.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StateDefinition } from '#potoroo/api/definition.js'
import { stateDefinition } from '#potoroo/api/state-object.js'
import { RecordWriter } from '#potoroo/core/records/records.js'
import { DueIndex } from '#potoroo/core/state/due-index.js'
import { NOWHERE, StateTable } from '#potoroo/core/state/state-table.js'
import { stateObject } from '#potoroo/index.js'
import { openStateStores } from '#potoroo/lmdb/stores.js'
import type { StateStore } from '#potoroo/ports/store.js'
import { quiet } from './quiet.js'

const MEBIBYTE = 1024 * 1024
const META = { identity: 'bench', inputPositions: {}, atEndMs: 1 }

/** The state objects of a task, committed and written to the store every so many messages. */
class Bench {
  changelogBytes = 0
  #messages = 0
  #commits = 0
  readonly #table: StateTable

  constructor(
    private readonly definition: StateDefinition,
    private readonly store: StateStore,
    private readonly messagesPerCommit: number,
    private readonly commitsPerWrite: number,
    memoryBytes: number,
  ) {
    this.#table = new StateTable(
      [definition],
      () => memoryBytes,
      (key) => store.get(key),
      true,
      () => true,
      'secret',
      new DueIndex((clock, after, most) => store.dues(clock, after, most)),
    )
  }

  async message(key: string, atMs: number, compute: (table: StateTable, state: { n: number }) => void): Promise<void> {
    const table = this.#table
    const bytes = Buffer.from(key)
    let place = table.find(this.definition, bytes, 0, bytes.length)
    if (place === NOWHERE) place = table.bring(this.definition, bytes, 0, bytes.length)
    if (this.definition.ttlMs !== undefined) table.beforeChange(this.definition, place, atMs)
    const state = table.touch(this.definition, key, place) as { n: number }
    compute(table, state)
    if (this.definition.ttlMs !== undefined) table.changed(atMs)
    await this.#counted()
  }

  /** Returns how many have fired. */
  async fireAll(): Promise<number> {
    for (let fired = 0; ; fired++) {
      const due = this.#table.due('time', Infinity)
      if (due?.what.kind !== 'timer') return fired
      this.#table.touchDue(due, due.keyBytes.toString())
      if (this.definition.ttlMs !== undefined) this.#table.changed(due.what.dueMs)
      await this.#counted()
    }
  }

  async commit(): Promise<void> {
    const writer = new RecordWriter(64 * MEBIBYTE)
    this.#table.collect(writer, 1)
    this.changelogBytes += writer.bytes
    this.#table.committed()
    if (++this.#commits % this.commitsPerWrite === 0) await this.write()
  }

  async write(): Promise<void> {
    const unstored = this.#table.takeUnstored()
    await this.store.write(unstored.changes, { ...META, changelogPosition: this.#commits }, unstored.dues)
    this.#table.stored(unstored)
  }

  async #counted(): Promise<void> {
    if (++this.#messages % this.messagesPerCommit === 0) await this.commit()
  }
}

async function withStore<T>(use: (store: StateStore) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'potoroo-bench-timers-'))
  const stores = await openStateStores({ directory, worker: 'bench', logger: quiet })
  try {
    return await use(await stores.open('task', { dues: true }))
  } finally {
    await stores.close()
    await rm(directory, { recursive: true })
  }
}

interface Spent {
  readonly wallMs: number
  readonly cpuMs: number
}
async function spent(work: () => Promise<unknown>): Promise<Spent> {
  const [beganMs, cpu] = [performance.now(), process.cpuUsage()]
  await work()
  const { user, system } = process.cpuUsage(cpu)
  return { wallMs: performance.now() - beganMs, cpuMs: (user + system) / 1000 }
}

const definition = (ttlMs?: number): StateDefinition =>
  stateDefinition(
    stateObject('object', () => ({ n: 0 }), ttlMs === undefined ? {} : { ttlMs }),
    'the benchmark',
  )
const say = (line: string): void => void process.stdout.write(`${line}\n`)
const each = ({ cpuMs }: Spent, count: number): string => `${((cpuMs * 1000) / count).toFixed(2)} µs`

/** One key, so many timers, 500 messages to a commit. */
async function ofOneKey(count: number, ttlMs?: number): Promise<void> {
  await withStore(async (store) => {
    const bench = new Bench(definition(ttlMs), store, 500, 4, 64 * MEBIBYTE)
    const id = (i: number): string => `order-${String((i * 7919) % count)}`
    const set = async (laterMs: number): Promise<void> => {
      for (let i = 0; i < count; i++)
        await bench.message('key', i * 10, (table, state) => {
          state.n++
          table.setTimer('time', 'expiry', id(i), 1_700_000_000_000 + laterMs + ((i * 104_729) % count) * 1000)
        })
      await bench.commit()
    }
    const setMs = await spent(() => set(0))
    const againMs = await spent(() => set(500))
    const clear = async (): Promise<void> => {
      for (let i = 0; i < count; i += 2)
        await bench.message('key', i * 10, (table) => {
          table.clearTimer('expiry', id(i))
        })
      await bench.commit()
    }
    const clearMs = await spent(clear)
    let fired = 0
    const fireMs = await spent(async () => {
      fired = await bench.fireAll()
      await bench.commit()
    })
    say(
      `${String(count)} timers of one key${ttlMs === undefined ? '' : ', with ttlMs'}: set ${each(setMs, count)}, set again ${each(againMs, count)}, ` +
        `clear ${each(clearMs, count / 2)}, fire ${each(fireMs, fired)} of CPU each; changelog ${(bench.changelogBytes / MEBIBYTE).toFixed(1)} MiB`,
    )
  })
}

/** So many keys with a timer each, and as many without, 10,000 messages to a commit. */
async function ofManyKeys(keys: number, perKey: number): Promise<void> {
  for (const timers of [0, perKey])
    await withStore(async (store) => {
      const bench = new Bench(definition(), store, 10_000, 4, 256 * MEBIBYTE)
      const beganBytes = rss()
      const setMs = await spent(async () => {
        for (let round = 0; round < Math.max(1, timers); round++)
          for (let i = 0; i < keys; i++)
            await bench.message(`customer-${String(i)}`, i, (table, state) => {
              state.n++
              if (timers > 0)
                table.setTimer(
                  'time',
                  'calm',
                  round === 0 ? '' : String(round),
                  1_700_000_000_000 + ((i * 7919) % keys) * 10 + round,
                )
            })
        await bench.commit()
        await bench.write()
      })
      const afterBytes = rss()
      let fired = 0
      const fireMs = await spent(async () => {
        fired = await bench.fireAll()
        await bench.commit()
        await bench.write()
      })
      say(
        `${String(keys)} keys, ${timers === 0 ? 'no timers' : `${String(timers)} timer(s) each`}: change${timers === 0 ? '' : ' and set'} ${each(setMs, keys * Math.max(1, timers))}` +
          (fired === 0
            ? ''
            : `, fire ${each(fireMs, fired)} of CPU each (${String(fired)} in ${(fireMs.wallMs / 1000).toFixed(1)} s)`) +
          `; memory grew by ${String(Math.round((afterBytes - beganBytes) / MEBIBYTE))} MiB; store ${String(Math.round(store.bytes() / MEBIBYTE))} MiB`,
      )
    })
}

function rss(): number {
  globalThis.gc?.()
  return process.memoryUsage().rss
}

const [count = 10_000, keys = 1_000_000] = process.argv.slice(2).map(Number)
await ofOneKey(count / 10)
await ofOneKey(count)
await ofOneKey(count / 10, 64_000)
await ofOneKey(count, 64_000)
await ofManyKeys(keys, 1)
await ofManyKeys(Math.ceil(keys / 500), 500)
