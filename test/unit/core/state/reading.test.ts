/** Whoever only reads a state object, and tables, which nobody works on. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stateDefinition } from '../../../../src/api/state-object.js'
import type { StateDefinition } from '../../../../src/api/definition.js'
import { RecordWriter } from '../../../../src/core/records/records.js'
import { NOWHERE, StateTable } from '../../../../src/core/state/state-table.js'
import { unpack } from '../../../../src/core/state/packing.js'
import type { ByteString } from '../../../../src/core/records/byte-string.js'
import { storeKeyOf } from '../../../../src/core/state/store-key.js'
import { isPotorooError } from '../../../../src/errors.js'
import { from, stateObject, table, topic } from '../../../../src/index.js'
import { anySchema } from '../../../support/schemas.js'

interface Count {
  n: number
}
const items = topic('items', { schema: anySchema<{ id: string; n: number }>(), key: ({ id }) => id })
const alike = stateDefinition(
  stateObject('alike', (): Count => ({ n: 0 })),
  'test',
)
const own = stateDefinition(
  stateObject('own', (key): Count => ({ n: key.length })),
  'test',
)
const last = stateDefinition(table('last', from(items)), 'test')
const definitions = [alike, own, last]

class Model {
  readonly store = new Map<ByteString, ByteString>()
  readonly log = new Map<ByteString, ByteString>()
  interval = new Map<string, { readonly definition: StateDefinition; readonly key: string; value: Count | undefined }>()
  readonly table: StateTable

  constructor(maxBytes: number) {
    const load = (key: ByteString): ByteString | undefined => this.store.get(key)
    this.table = new StateTable(
      definitions,
      () => maxBytes,
      load,
      false,
      () => true,
      'secret',
    )
  }

  place(definition: StateDefinition, key: string): number {
    const bytes = Buffer.from(key)
    const place = this.table.find(definition, bytes, 0, bytes.length)
    return place === NOWHERE ? this.table.bring(definition, bytes, 0, bytes.length) : place
  }

  due(definition: StateDefinition, key: string): Count | undefined {
    const storeKey = storeKeyOf(definition.name, key)
    const touched = this.interval.get(storeKey)
    if (touched !== undefined) return touched.value && { ...touched.value }
    const packed = this.log.get(storeKey)
    return packed === undefined ? undefined : (unpack(definition, packed, key) as Count)
  }

  #set(definition: StateDefinition, key: string, value: Count | undefined): void {
    this.interval.set(storeKeyOf(definition.name, key), { definition, key, value: value && { ...value } })
  }

  change(definition: StateDefinition, key: string, n: number | undefined): void {
    if (definition === last) {
      const entry = n === undefined ? undefined : { n }
      this.table.replace(definition, key, this.place(definition, key), entry)
      // The message continues, whatever becomes of it.
      if (entry !== undefined) entry.n = -1
      this.#set(definition, key, n === undefined ? undefined : { n })
      return
    }
    const state = this.table.touch(definition, key, this.place(definition, key)) as Count
    const due = this.due(definition, key) ?? (definition.initial(key) as Count)
    expect(state).toEqual(due)
    if (n === undefined) this.table.forget()
    else state.n = n
    this.#set(definition, key, n === undefined ? undefined : { n })
  }

  /** A touch that changes nothing. */
  touch(definition: StateDefinition, key: string): void {
    const { n } = this.due(definition, key) ?? (definition.initial(key) as Count)
    this.change(definition, key, definition === last ? this.due(definition, key)?.n : n)
  }

  read(definition: StateDefinition, key: string): void {
    const got = this.table.read(definition, key, this.place(definition, key)) as Count | undefined
    const due = this.due(definition, key)
    const isBeginning = definition !== last && due?.n === (definition.initial(key) as Count).n
    expect(got).toEqual(isBeginning ? undefined : due)
    if (got !== undefined) got.n = -2
  }

  commit(): void {
    const changes = this.table.collect(new RecordWriter(1_000_000), 7).flatMap((part) => [...part])
    const got = new Map(changes.map(({ key, value }) => [key, value]))
    for (const [storeKey, { definition, key }] of this.interval) {
      const due = this.due(definition, key)
      const before = this.log.get(storeKey)
      const value = got.has(storeKey) ? got.get(storeKey) : before
      const stored = value === undefined ? undefined : (unpack(definition, value, key) as Count)
      // What is as it would begin may be stored or not.
      const beginning = definition === last ? undefined : (definition.initial(key) as Count)
      expect(stored ?? beginning).toEqual(due ?? beginning)
      if (!got.has(storeKey)) continue
      if (value === undefined) this.log.delete(storeKey)
      else this.log.set(storeKey, value)
    }
    expect([...got.keys()].every((key) => this.interval.has(key))).toBe(true)
    this.interval = new Map()
    this.table.committed()
  }

  save(): void {
    const unstored = this.table.takeUnstored()
    for (const { key, value } of unstored.changes.flatMap((part) => [...part]))
      if (value === undefined) this.store.delete(key)
      else this.store.set(key, value)
    this.table.stored(unstored)
  }

  rollBack(): void {
    this.table.rollBack()
    this.interval = new Map()
  }
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('change' as const), n: fc.option(fc.nat(3), { nil: undefined }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('touch' as const) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('read' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('commit' as const, 'save' as const, 'rollBack' as const) }),
  },
)

describe('a reader', () => {
  it('reads what a model has, whatever was touched, forgotten, committed and rolled back, and changes nothing', () => {
    const place = fc.record({ which: fc.nat(2), key: fc.constantFrom('a', 'bb', 'ccc') })
    fc.assert(
      fc.property(fc.array(fc.tuple(step, place), { maxLength: 60 }), fc.constantFrom(1, 1_000_000), (steps, bytes) => {
        const model = new Model(bytes)
        for (const [one, { which, key }] of steps) {
          const definition = definitions[which] ?? expect.fail()
          if (one.kind === 'change') model.change(definition, key, one.n)
          else if (one.kind === 'touch') model.touch(definition, key)
          else if (one.kind === 'read') model.read(definition, key)
          else model[one.kind]()
        }
        for (const definition of definitions) for (const key of ['a', 'bb', 'ccc']) model.read(definition, key)
        model.commit()
        for (const definition of definitions) for (const key of ['a', 'bb', 'ccc']) model.read(definition, key)
      }),
      { numRuns: 500 },
    )
  })

  it('touches nothing: what is only read is not written', () => {
    const model = new Model(1_000_000)
    model.change(alike, 'a', 2)
    model.commit()
    model.save()
    model.read(alike, 'a')
    model.read(own, 'never there')
    expect(model.table.collect(new RecordWriter(1_000_000), 7)).toEqual([])
  })

  it("is told what a message has made of a state object that can't be packed", () => {
    const model = new Model(1_000_000)
    const state = model.table.touch(alike, 'a', model.place(alike, 'a')) as { n: unknown }
    state.n = () => 1
    const read = () => model.table.read(alike, 'a', model.place(alike, 'a'))
    expect(read).toThrow(expect.toSatisfy((error: unknown) => isPotorooError(error, 'STATE_NOT_PACKABLE')))
  })
})
