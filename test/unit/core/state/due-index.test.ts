/** Invariants are those of due-index.ts; 4 is that of state-table.ts. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stateDefinition } from '../../../../src/api/state-object.js'
import { bytesOf, type ByteString } from '../../../../src/core/records/byte-string.js'
import { RecordWriter } from '../../../../src/core/records/records.js'
import type { Change } from '../../../../src/core/state/changes.js'
import {
  CLOCKS,
  compareEntries,
  DueIndex,
  nextDueOf,
  ReplayedDues,
  timesOf,
  type ClockedEntry,
  type DueChanges,
  type DueClock,
  type DueLimits,
} from '../../../../src/core/state/due-index.js'
import { compareTimers, encodeHeader, type TimerEntry } from '../../../../src/core/state/header.js'
import { NOWHERE, StateTable, type Unstored } from '../../../../src/core/state/state-table.js'
import { storeKeyOf } from '../../../../src/core/state/store-key.js'
import { stateObject } from '../../../../src/index.js'

const TTL_MS = 640
const STEP_MS = TTL_MS / 64
const definitions = [
  stateDefinition(
    stateObject('plain', () => ({ n: 0 })),
    'test',
  ),
  stateDefinition(
    stateObject('ending', () => ({ n: 0 }), { ttlMs: TTL_MS }),
    'test',
  ),
]

/** What a state object is, plainly. */
interface Plain {
  n: number
  endsMs: number
  time: TimerEntry[]
  wall: TimerEntry[]
}
const copyOf = (all: ReadonlyMap<ByteString, Plain>): Map<ByteString, Plain> =>
  new Map([...all].map(([key, { n, endsMs, time, wall }]) => [key, { n, endsMs, time: [...time], wall: [...wall] }]))
/** What a store tells entries apart by. */
const nameOf = ({ clock, dueMs, key }: ClockedEntry): string => JSON.stringify([clock, dueMs, key])

/** A store as simple as can be. */
class Store {
  values = new Map<ByteString, ByteString>()
  dues = new Map<string, ClockedEntry>()

  write(changes: Iterable<Change>, dues: DueChanges | undefined): void {
    for (const entry of dues?.put ?? []) this.dues.set(nameOf(entry), entry)
    for (const { key, value } of changes)
      if (value === undefined) this.values.delete(key)
      else this.values.set(key, value)
    for (const entry of dues?.remove ?? []) this.dues.delete(nameOf(entry))
  }

  load(clock: DueClock, after: { readonly dueMs: number; readonly key: ByteString } | undefined, most: number) {
    return [...this.dues.values()]
      .filter((entry) => entry.clock === clock && (after === undefined || compareEntries(entry, after) > 0))
      .sort(compareEntries)
      .slice(0, most)
  }
}

/** A task's state objects, and beside them what they are, plainly. */
class Model {
  store = new Store()
  /** The changelog. */
  readonly log: Change[] = []
  storedUpTo = 0
  committed = new Map<ByteString, Plain>()
  current = new Map<ByteString, Plain>()
  table: StateTable
  collected: { readonly state: Map<ByteString, Plain>; readonly changes: readonly Change[] } | undefined
  writing: { readonly unstored: Unstored; readonly upTo: number } | undefined

  constructor(private readonly limits?: DueLimits) {
    this.table = this.begin()
  }

  begin(): StateTable {
    return new StateTable(
      definitions,
      () => 2_000,
      (key) => this.store.values.get(key),
      this.store.values.size === 0,
      () => true,
      'secret',
      new DueIndex((clock, after, most) => this.store.load(clock, after, most), this.limits),
    )
  }

  of(key: ByteString): Plain {
    let there = this.current.get(key)
    if (there === undefined) this.current.set(key, (there = { n: 0, endsMs: 0, time: [], wall: [] }))
    return there
  }

  touch(which: number, key: string, atMs: number): { n: number } {
    const definition = definitions[which] ?? expect.fail()
    const bytes = Buffer.from(key)
    let place = this.table.find(definition, bytes, 0, bytes.length)
    if (place === NOWHERE) place = this.table.bring(definition, bytes, 0, bytes.length)
    this.table.beforeChange(definition, place, atMs)
    const state = this.table.touch(definition, key, place) as { n: number }
    const plain = this.of(storeKeyOf(definition.name, key))
    expect(state).toEqual({ n: plain.n })
    return state
  }

  changed(which: number, key: string, atMs: number, isChanged: boolean): void {
    this.table.changed(atMs)
    const plain = this.of(storeKeyOf(definitions[which]?.name ?? '', key))
    if (which === 1 && isChanged) plain.endsMs = Math.max(plain.endsMs, Math.ceil((atMs + TTL_MS) / STEP_MS) * STEP_MS)
  }

  collect(): void {
    if (this.collected !== undefined) return
    const writer = new RecordWriter(1_000_000)
    const changes = this.table.collect(writer, 7).flatMap((part) => [...part])
    this.collected = { state: copyOf(this.current), changes }
  }

  commit(): void {
    if (this.collected === undefined) return
    this.table.committed()
    this.committed = this.collected.state
    this.log.push(...this.collected.changes)
    this.collected = undefined
  }

  rollBack(): void {
    // What is collected stays: it is the log's, or an activation ends.
    this.table.rollBack()
    this.current = copyOf(this.collected?.state ?? this.committed)
  }

  beginWrite(): void {
    if (this.writing !== undefined || this.collected !== undefined) return
    this.writing = { unstored: this.table.takeUnstored(), upTo: this.log.length }
  }

  endWrite(): void {
    if (this.writing === undefined) return
    const { unstored, upTo } = this.writing
    this.store.write(
      unstored.changes.flatMap((part) => [...part]),
      unstored.dues,
    )
    this.table.stored(unstored)
    this.storedUpTo = upTo
    this.writing = undefined
  }

  /** `half`: a write that was under way has come to its first half. */
  crash(half: boolean): void {
    if (this.writing !== undefined && half) {
      const changes = this.writing.unstored.changes.flatMap((part) => [...part])
      this.store.write(changes.slice(0, changes.length >> 1), {
        put: this.writing.unstored.dues?.put ?? [],
        remove: [],
      })
    }
    this.writing = this.collected = undefined
    // A replay in two slices: the second may be read while the first is being written.
    const left = this.log.slice(this.storedUpTo)
    const slices = [left.slice(0, left.length >> 1), left.slice(left.length >> 1)]
    const before = new Map(this.store.values)
    for (const slice of slices) {
      const dues = new ReplayedDues()
      for (const { key, value } of slice) {
        const stored = before.get(key)
        dues.add(
          key,
          stored === undefined ? undefined : bytesOf(stored),
          value === undefined ? undefined : bytesOf(value),
        )
      }
      const changes = dues.take()
      // Whoever dies meanwhile leaves a part of it, where a state object may be as it was in between.
      const put = { put: changes?.put ?? [], remove: [] }
      for (const change of slice) {
        this.store.write([change], put)
        this.checkStore()
      }
      // What lies before that may still be on its way into the store, whoever began again meanwhile: all of it is written once more.
      this.store.write(slice, changes)
    }
    this.storedUpTo = this.log.length
    this.current = copyOf(this.committed)
    this.table = this.begin()
  }

  /** Brute force: what is due first. */
  first(clock: DueClock, toMs: number): string | undefined {
    const due = [...this.current].flatMap(([key, plain]) => {
      const next = nextDueOf(plain, clock)
      return next === undefined || next.dueMs > toMs ? [] : [{ key, dueMs: next.dueMs, next }]
    })
    const [least] = due.sort(compareEntries)
    return least && JSON.stringify([least.key, least.next])
  }

  fire(clock: DueClock, toMs: number): void {
    for (;;) {
      const due = this.table.due(clock, toMs)
      expect(due && JSON.stringify([due.storeKey, due.what])).toBe(this.first(clock, toMs))
      if (due === undefined) return
      const key = due.keyBytes.toString()
      const which = definitions.indexOf(due.definition)
      expect(this.table.touchDue(due, key)).toEqual({ n: this.of(due.storeKey).n })
      const { what } = due
      if (what.kind === 'end') {
        this.table.forget()
        this.current.delete(due.storeKey)
      } else {
        const plain = this.of(due.storeKey)
        plain[clock] = plain[clock].filter((timer) => compareTimers(timer, what) !== 0)
        this.changed(which, key, what.dueMs, true)
      }
    }
  }

  /** Everything has fired: the store is told so, and no entry is left there that nobody will ask for. */
  checkNothingIsLeft(): void {
    // What the wall clock's timers did has let something live on.
    this.fire('time', Infinity)
    this.commit()
    this.endWrite()
    this.collect()
    this.commit()
    this.beginWrite()
    this.endWrite()
    expect([...this.store.dues.keys()]).toEqual([])
  }

  /** What is in the store has an entry at or before what it has due. */
  checkStore(): void {
    for (const [key, packed] of this.store.values) {
      const times = timesOf(bytesOf(packed), 0, packed.length)
      for (const clock of CLOCKS) {
        const dueMs = nextDueOf(times, clock)?.dueMs
        if (dueMs === undefined) continue
        const entries = [...this.store.dues.values()].filter((one) => one.clock === clock && one.key === key)
        expect(Math.min(...entries.map((one) => one.dueMs)), `${key} is due at ${String(dueMs)}`).toBeLessThanOrEqual(
          dueMs,
        )
      }
    }
  }
}

const of = {
  which: fc.nat(1),
  key: fc.constantFrom('a', 'b', 'c', 'd', 'é'),
  atMs: fc.nat(3_000),
  name: fc.constantFrom('calm', 'ring'),
  id: fc.constantFrom('', '1', '2', 'm3'),
  clock: fc.constantFrom<DueClock>('time', 'wall'),
}
const act = <K extends string, T>(
  kind: K,
  weight: number,
  fields: { readonly [F in keyof T]: fc.Arbitrary<T[F]> },
) => ({
  weight,
  arbitrary: fc.record(fields).map((values) => ({ kind, ...(values as T) })),
})
const acts = fc.array(
  fc.oneof(
    act('set', 6, { ...of, dueMs: fc.nat(3_000) }),
    act('clear', 2, of),
    act('change', 3, { ...of, to: fc.nat(2) }),
    act('forget', 1, of),
    // So many that they are kept otherwise: see MANY_TIMERS.
    act('set many', 1, { ...of, dueMs: fc.nat(3_000) }),
    act('settle', 3, {}),
    act('undo', 1, { ...of, dueMs: fc.nat(3_000) }),
    act('fire', 3, { clock: of.clock, atMs: of.atMs }),
    act('collect', 2, {}),
    act('commit', 2, {}),
    act('rollBack', 1, {}),
    // One key again and again, before the store has any of it: a replay gives it several values at once.
    act('commit several', 2, {
      ...of,
      dues: fc.array(fc.option(fc.nat(3_000), { nil: undefined }), { minLength: 2, maxLength: 4 }),
    }),
    act('begin write', 2, {}),
    act('end write', 2, {}),
    act('crash', 1, { half: fc.boolean() }),
  ),
  { maxLength: 80 },
)
type Act = typeof acts extends fc.Arbitrary<(infer A)[]> ? A : never

function carryOut(model: Model, act: Act): void {
  switch (act.kind) {
    case 'set':
    case 'set many':
    case 'clear':
    case 'change':
    case 'forget':
      message(model, act)
      return
    case 'settle':
      model.table.settle()
      return
    case 'undo':
      undone(model, act)
      return
    case 'fire':
      model.fire(act.clock, act.atMs)
      return
    case 'collect':
      model.collect()
      return
    case 'commit':
      model.commit()
      return
    case 'rollBack':
      model.rollBack()
      return
    case 'commit several':
      committed(model, act)
      return
    case 'begin write':
      model.beginWrite()
      return
    case 'end write':
      model.endWrite()
      return
    case 'crash':
      model.crash(act.half)
  }
}

/** Timers of a key are set, or cleared where there is no time, and each of that is committed. */
function committed(model: Model, { dues, ...act }: Extract<Act, { readonly kind: 'commit several' }>): void {
  for (const dueMs of dues) {
    model.commit()
    message(model, dueMs === undefined ? { ...act, kind: 'clear' } : { ...act, kind: 'set', dueMs })
    model.collect()
    model.commit()
  }
}

/** Careful mode: everything before was settled, and the message has not been. */
function undone(model: Model, act: Extract<Act, { readonly kind: 'undo' }>): void {
  model.table.settle()
  const before = copyOf(model.current)
  message(model, { ...act, kind: 'set' })
  message(model, { ...act, kind: 'clear', name: 'calm', id: 'm3' })
  model.table.undo()
  model.current = before
}

/** A computation on a state object, and the same on what it is plainly. */
function message(model: Model, act: Extract<Act, { readonly which: number }>): void {
  const { table } = model
  const { which, key, name, id, atMs } = act
  const state = model.touch(which, key, atMs)
  const storeKey = storeKeyOf(definitions[which]?.name ?? '', key)
  const plain = model.of(storeKey)
  const before = JSON.stringify([plain.n, plain.time, plain.wall])
  const isOther = (timer: TimerEntry): boolean => timer.name !== name || timer.id !== id
  switch (act.kind) {
    case 'set': {
      const { clock, dueMs } = act
      table.setTimer(clock, name, id, dueMs)
      // One timer has one clock.
      for (const by of CLOCKS) plain[by] = plain[by].filter(isOther)
      plain[clock] = [...plain[clock], { dueMs, name, id }].sort(compareTimers)
      break
    }
    case 'set many':
      for (let i = 0; i < 20; i++) {
        const timer = { dueMs: act.dueMs + ((i * 7) % 20), name: 'calm', id: `m${String(i)}` }
        table.setTimer(act.clock, timer.name, timer.id, timer.dueMs)
        for (const by of CLOCKS) plain[by] = plain[by].filter((one) => one.name !== timer.name || one.id !== timer.id)
        plain[act.clock] = [...plain[act.clock], timer].sort(compareTimers)
      }
      break
    case 'clear':
      table.clearTimer(name, id)
      for (const by of CLOCKS) plain[by] = plain[by].filter(isOther)
      break
    case 'change':
      state.n = plain.n = act.to
      break
    case 'forget':
      table.forget()
      model.current.delete(storeKey)
      return
  }
  model.changed(which, key, atMs, before !== JSON.stringify([plain.n, plain.time, plain.wall]))
}

describe('the index of what falls due', () => {
  it('is brute force over all state objects, after any sequence of set, clear, commit, take-back, crash, restore', () => {
    fc.assert(
      // So few that they are forgotten, and read again, all the time.
      fc.property(acts, fc.constantFrom(undefined, { few: 0, readAtOnce: 2 }), (all, limits) => {
        const model = new Model(limits)
        for (const act of all) {
          carryOut(model, act)
          model.checkStore()
        }
        for (const by of CLOCKS) model.fire(by, Infinity)
        model.checkNothingIsLeft()
      }),
      { numRuns: 1000 },
    )
  })

  /** An index with the entries `due`, of keys of their own, in one commit. */
  const indexWith = (store: Store, due: readonly number[]): DueIndex => {
    const index = new DueIndex((by, after, most) => store.load(by, after, most))
    for (const [i, dueMs] of due.entries()) index.add('time', dueMs, `k${String(i)}`)
    return index
  }
  const commit = (index: DueIndex): void => {
    index.collect()
    index.committed()
  }
  const write = (index: DueIndex, store: Store): DueChanges => {
    const told = index.takeUnstored()
    store.write([], told)
    index.stored()
    return told
  }

  it("says nothing of what came and went between two writes, where the store can't have it (invariant 4)", () => {
    const store = new Store()
    const index = indexWith(store, [5, 10])
    expect(index.least('time')?.dueMs).toBe(5)
    commit(index)
    index.move('time', 7)
    commit(index)
    expect(write(index, store)).toMatchObject({ put: [{ dueMs: 10 }, { dueMs: 7 }], remove: [] })
    // It was told of 10, so it may have 9, for all that is known.
    index.add('time', 9, 'late')
    index.add('time', 11, 'later')
    commit(index)
    for (const dueMs of [7, 9, 10, 11]) {
      expect(index.least('time')?.dueMs).toBe(dueMs)
      index.move('time', undefined)
    }
    commit(index)
    const told = write(index, store)
    expect(told.put).toEqual([])
    expect(told.remove.map(({ dueMs }) => dueMs).sort((a, b) => a - b)).toEqual([7, 9, 10])
    expect(store.dues.size).toBe(0)
  })

  it('puts what went in an interval that was rolled back (invariants 3 and 4)', () => {
    const store = new Store()
    const index = indexWith(store, [5])
    index.least('time')
    commit(index)
    index.move('time', undefined)
    index.rollBack()
    expect(write(index, store)).toMatchObject({ put: [{ dueMs: 5 }], remove: [] })
  })

  it('removes what went while the write that puts it was under way (invariant 4)', () => {
    const store = new Store()
    const index = indexWith(store, [5])
    index.least('time')
    commit(index)
    const first = index.takeUnstored()
    index.move('time', undefined)
    commit(index)
    store.write([], first)
    index.stored()
    expect(write(index, store)).toMatchObject({ put: [], remove: [{ dueMs: 5 }] })
    expect(store.dues.size).toBe(0)
  })

  it('removes what the store has from before, whether its end was read or not (invariant 4)', () => {
    const store = new Store()
    const before = indexWith(
      store,
      Array.from({ length: 600 }, (_, i) => i),
    )
    commit(before)
    write(before, store)
    const index = new DueIndex((by, after, most) => store.load(by, after, most))
    for (let i = 0; i < 600; i++) {
      index.least('time')
      index.move('time', undefined)
      if (i === 3) {
        commit(index)
        expect(write(index, store).remove).toHaveLength(4)
      }
    }
    commit(index)
    write(index, store)
    expect(store.dues.size).toBe(0)
  })

  it('reads on where the store has more than is read at once, and forgets what the store has', () => {
    const store = new Store()
    const index = new DueIndex((by, after, most) => store.load(by, after, most))
    const all = Array.from({ length: 6_000 }, (_, i) => (i * 7_919) % 6_007)
    for (const [i, dueMs] of all.entries()) index.add('time', dueMs, `k${String(i)}`)
    index.collect()
    index.committed()
    store.write([], index.takeUnstored())
    index.stored()
    const seen: number[] = []
    for (let entry = index.least('time'); entry !== undefined; entry = index.least('time')) {
      seen.push(entry.dueMs)
      index.move('time', undefined)
    }
    expect(seen).toEqual([...all].sort((a, b) => a - b))
    index.collect()
    index.committed()
    store.write([], index.takeUnstored())
    expect(store.dues.size).toBe(0)
  })

  it('has one entry where there were several alike, or many timers of a key would make as many of each', () => {
    const store = new Store()
    const index = new DueIndex((by, after, most) => store.load(by, after, most))
    store.write([], { put: [{ clock: 'time', dueMs: 1, key: 'a' }], remove: [] })
    for (const dueMs of [2, 1, 1, 2]) index.add('time', dueMs, 'a')
    index.move('time', 2)
    index.rollBack()
    expect(index.least('time')).toMatchObject({ dueMs: 1, key: 'a' })
    index.move('time', 2)
    expect(index.least('time')).toMatchObject({ dueMs: 2, key: 'a' })
    index.move('time', undefined)
    expect(index.least('time')).toBeUndefined()
  })

  it('careful mode: a message that has not been leaves many timers as they were', () => {
    const model = new Model()
    const of = { which: 0, key: 'a', name: 'calm', id: '', atMs: 1, clock: 'time' } as const
    message(model, { ...of, kind: 'set many', dueMs: 100 })
    undone(model, { ...of, kind: 'undo', id: '1', dueMs: 1 })
    model.table.settle()
    message(model, { ...of, kind: 'set', dueMs: 7 })
    undone(model, { ...of, kind: 'undo', id: '2', dueMs: 2 })
    expect(model.table.due('time', 50)?.what).toMatchObject({ id: '', dueMs: 7 })
    model.collect()
    model.commit()
    model.crash(false)
    model.fire('time', Infinity)
  })

  it('has one entry for a timer that is set again and later each time', () => {
    const model = new Model()
    for (let i = 0; i < 50; i++) {
      model.touch(0, 'a', i)
      model.table.setTimer('time', 'calm', '', 100 + i)
      model.collect()
      model.commit()
      model.beginWrite()
      model.endWrite()
    }
    expect(model.store.dues.size).toBe(1)
    expect(model.table.due('time', 148)).toBeUndefined()
    expect(model.table.due('time', 149)?.what).toMatchObject({ dueMs: 149 })
  })
})

it('has what a replay gives a state object in between, until all of it is written', () => {
  const ending = (endsMs: number): Buffer => Buffer.from(encodeHeader({ version: 0, endsMs, time: [], wall: [] }))
  const dues = new ReplayedDues()
  dues.add('k', undefined, ending(1_000))
  dues.add('k', ending(500), ending(2_000))
  dues.add('k', ending(500), undefined)
  const entries = [1_000, 2_000].map((dueMs) => ({ clock: 'time', dueMs, key: 'k' }))
  expect(dues.take()).toEqual({ put: entries, remove: entries })
})
