import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stateDefinition } from '../../../../src/api/state-object.js'
import { bytesOf, type ByteString } from '../../../../src/core/records/byte-string.js'
import type { Change } from '../../../../src/core/state/changes.js'
import { pack, unpack } from '../../../../src/core/state/packing.js'
import { RecordWriter } from '../../../../src/core/records/records.js'
import { storeKeyOf } from '../../../../src/core/state/store-key.js'
import { MAX_AHEAD, NOWHERE, StateTable, type Unstored } from '../../../../src/core/state/state-table.js'
import { stateObject } from '../../../../src/index.js'
import { readChunks } from '../../../support/records.js'

interface Count {
  n: number
  text?: string
}
const definitions = ['counts', 'others'].map((name) =>
  stateDefinition(
    stateObject(name, (): Count => ({ n: 0 })),
    'test',
  ),
)
const MAX_VALUE_BYTES = 3000
/** One record of that fits in; so the changes of many objects are in several chunks. */
const MAX_BATCH_BYTES = 3200

/** The changes of a commit, which are to be what its records say. */
function collect(table: StateTable): readonly Change[] {
  const writer = new RecordWriter(MAX_BATCH_BYTES)
  const parts = table.collect(writer, 7)
  const chunks = writer.take()
  const changes = parts.flatMap((part) => [...part])
  expect(parts.map(({ count }) => count)).toEqual(chunks.map(({ count }) => count))
  const texts = changes.map(({ key, value }) => [
    bytesOf(key).toString(),
    value === undefined ? null : bytesOf(value).toString(),
  ])
  expect(texts).toEqual(readChunks(chunks).map(({ key, value }) => [key, value]))
  return changes
}

/** A table beside what it must give, calculated plainly: a Map for the log, one for the interval, one for the store. */
class Model {
  readonly store = new Map<ByteString, ByteString>()
  readonly log = new Map<ByteString, ByteString>()
  interval = new Map<ByteString, Count | undefined>()
  loads = 0
  /** Being written to the store. */
  writing: Unstored[] = []
  readonly table: StateTable

  constructor(maxBytes: number, storeWasEmpty: boolean) {
    this.table = new StateTable(
      definitions,
      () => maxBytes,
      (key) => {
        this.loads++
        return this.store.get(key)
      },
      storeWasEmpty,
      (_, valueBytes) => valueBytes <= MAX_VALUE_BYTES,
      'secret',
    )
  }

  /** What a message finds, and what it should find. */
  touch(which: number, key: string, change: (state: Count) => void): void {
    const definition = definitions[which] ?? expect.fail()
    const bytes = Buffer.from(`-${key}-`)
    // looking ahead is to change nothing, whether the key is there or not
    this.table.prefetch(definition, bytes, Int32Array.of(1, bytes.length - 1, 0, 2), 2)
    let place = this.table.find(definition, bytes, 1, bytes.length - 1)
    if (place === NOWHERE) place = this.table.bring(definition, bytes, 1, bytes.length - 1)
    const state = this.table.touch(definition, key, place) as Count
    const storeKey = storeKeyOf(definition.name, key)
    const expected = this.expected(which, storeKey)
    expect(state).toEqual(expected)
    change(state)
    change(expected)
    this.interval.set(storeKey, expected)
  }

  expected(which: number, storeKey: ByteString): Count {
    const definition = definitions[which] ?? expect.fail()
    if (this.interval.has(storeKey)) return { ...(this.interval.get(storeKey) ?? { n: 0 }) }
    const packed = this.log.get(storeKey)
    return packed === undefined ? { n: 0 } : (unpack(definition, packed, '') as Count)
  }

  forget(which: number, key: string): void {
    this.touch(which, key, () => undefined)
    this.table.forget()
    this.interval.set(storeKeyOf(definitions[which]?.name ?? '', key), undefined)
  }

  commit(): void {
    const got = new Map(collect(this.table).map(({ key, value }) => [key, value]))
    const beginning = pack(definitions[0] ?? expect.fail(), { n: 0 })
    for (const [key, state] of this.interval) {
      const value = state && pack(definitions[0] ?? expect.fail(), state)
      const before = this.log.get(key)
      const change = got.get(key)
      // nothing, and what a new one begins with, are the same to a message: one that was forgotten and started over, too
      if (!got.has(key)) expect(value ?? beginning).toBe(before ?? beginning)
      else if (change === undefined) expect(value ?? beginning).toBe(beginning)
      else expect(change).toBe(value)
      if (!got.has(key)) continue
      if (change === undefined) this.log.delete(key)
      else this.log.set(key, change)
    }
    for (const key of got.keys()) expect(this.interval.has(key)).toBe(true)
    this.interval = new Map()
    this.table.committed()
  }

  /** The store begins to write, or is done with what it began first. */
  write(): void {
    this.writing.push(this.table.takeUnstored())
  }
  written(): void {
    const unstored = this.writing.shift()
    if (unstored === undefined) return
    for (const { key, value } of unstored.changes.flatMap((part) => [...part]))
      if (value === undefined) this.store.delete(key)
      else this.store.set(key, value)
    this.table.stored(unstored)
  }
}

const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('add' as const), which: fc.nat(1), key: fc.nat(60), by: fc.integer({ min: -2, max: 3 }), length: fc.oneof(fc.constant(0), fc.nat(200), fc.nat(2900)) }) }, // prettier-ignore
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const), which: fc.nat(1), key: fc.nat(60) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('commit' as const, 'write' as const, 'written' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('burst' as const), from: fc.nat(3000) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('rollBack' as const, 'settle' as const, 'undo' as const) }),
  },
)

describe('a state table', () => {
  it.each([
    [0, true],
    [5_000, true],
    [5_000, false],
    [10_000_000, true],
  ])(
    'is what a Map is, whatever is committed, rolled back, stored and forgotten from memory of %d bytes (invariants 1 to 3), store new: %s',
    (maxBytes, storeWasEmpty) => {
      let loads = 0
      fc.assert(
        fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
          const model = new Model(maxBytes, storeWasEmpty)
          for (const one of steps)
            switch (one.kind) {
              case 'add':
                model.touch(one.which, `k${String(one.key)}`, (state) => {
                  state.n += one.by
                  if (one.length > 0) state.text = 'x'.repeat(one.length)
                })
                break
              case 'forget':
                model.forget(one.which, `k${String(one.key)}`)
                break
              case 'burst':
                // more than are live at a time
                for (let key = one.from; key < one.from + 1100; key++)
                  model.touch(0, `k${String(key)}`, (state) => (state.n += 1))
                break
              case 'settle':
                model.table.settle()
                break
              case 'undo': {
                // what was settled stays; what is live since is as if nothing had been
                model.table.settle()
                const before = new Map(model.interval)
                model.touch(0, 'k1', (state) => (state.n += 100))
                model.touch(1, 'k2', (state) => (state.text = 'undone'))
                model.table.undo()
                model.interval = before
                break
              }
              case 'rollBack':
                model.table.rollBack()
                model.interval = new Map()
                break
              default:
                model[one.kind]()
            }
          model.commit()
          model.write()
          while (model.writing.length > 0) model.written()
          expect(model.store).toEqual(model.log)
          loads += model.loads
        }),
        // a long sequence takes minutes to shrink; its seed and path are printed all the same
        { numRuns: 40, endOnFailure: true },
      )
      // what has all there is in memory has nothing to load
      expect(loads > 0).toBe(maxBytes < 10_000_000)
    },
  )

  it('throws where the changelog does not take a change, instead of leaving it out', () => {
    const model = new Model(1_000_000, true)
    model.touch(0, 'k0', (state) => (state.n = 7))
    model.touch(0, 'k1', (state) => (state.text = 'x'.repeat(1000)))
    expect(() => model.table.collect(new RecordWriter(500), 7)).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
  })

  it('says when it is too large for the caches of a processor', () => {
    const { table } = new Model(1_000_000_000, true)
    const [definition = expect.fail()] = definitions
    const bytes = Buffer.alloc(100)
    for (let n = 0; n < 130_000; n++) {
      bytes.writeUInt32BE(n)
      table.bring(definition, bytes, 0, 100)
      if (n === 1000) expect(table.isLarge).toBe(false)
    }
    expect(table.isLarge).toBe(true)
    const keys = Int32Array.from({ length: 2 * MAX_AHEAD }, (_, i) => (i % 2 === 0 ? 0 : 100))
    table.prefetch(definition, bytes, keys, MAX_AHEAD)
    expect(table.find(definition, bytes, 0, 100)).not.toBe(NOWHERE)
  })

  it.each([
    ['one value for all keys', (): Count => ({ n: 0 }), 1],
    ['a value for each key', (key: string): Count => ({ n: Number(key) }), 3],
  ])('packs what state objects begin as, %s, as often as it has to', (_, initial, packs) => {
    let packed = 0
    const pack = (state: Count) => (packed++, { ...state })
    const definition = stateDefinition(
      stateObject('counts', initial, { pack, unpack: (plain) => plain as Count }),
      'test',
    )
    const table = new StateTable(
      [definition],
      () => 1000,
      () => undefined,
      true,
      () => true,
      'secret',
    )
    const touch = (key: string): Count =>
      table.touch(definition, key, table.bring(definition, Buffer.from(key), 0, key.length)) as Count
    for (const key of ['1', '2']) touch(key)
    touch('3').n = 7
    const begun = packed
    const changes = collect(table)
    expect(begun).toBe(packs)
    // those that no message changed are not among them
    expect(changes.map(({ key, value }) => [key, value && unpack(definition, value, '')])).toEqual([
      [storeKeyOf('counts', '3'), { n: 7 }],
    ])
  })
})
