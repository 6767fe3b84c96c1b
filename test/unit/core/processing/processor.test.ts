import { beforeEach, describe, expect, it, vi } from 'vitest'
import { application, from, stateObject, topic } from '../../../../src/index.js'
import { definitionOf } from '../../../../src/api/application.js'
import { Input } from '../../../../src/core/processing/input.js'
import { deadLetterHeaders } from '../../../../src/core/processing/dead-letter.js'
import { Rollback } from '../../../../src/core/processing/failures.js'
import { Processor, type Collected, type ProcessorPlan } from '../../../../src/core/processing/processor.js'
import { StateTable } from '../../../../src/core/state/state-table.js'
import { topologyOf } from '../../../../src/core/plan/topology.js'
import { partitionOf } from '../../../../src/core/plan/partitioner.js'
import { isPotorooError, PotorooError } from '../../../../src/errors.js'
import { batchOf, fetchedOf, readChunks, type TestRecord } from '../../../support/records.js'
import { anySchema } from '../../../support/schemas.js'

interface Step {
  readonly key: string
  readonly add?: number
  readonly fail?: 'before' | 'after' | 'unpackable' | 'huge state' | 'huge output' | 'bad output'
  readonly forget?: boolean
  readonly out?: unknown
}
interface Count {
  n: number
  extra?: unknown
}
const PARTITIONS = 4
const partition = partitionOf('murmur2', Buffer.from('a'), PARTITIONS)
const steps = topic('steps', { schema: anySchema<Step>(), key: (m) => m.key })
const results = topic('results', { schema: anySchema<{ key: string; n: number; out?: unknown }>(), key: (m) => m.key })
const counts = stateObject('counts', (): Count => ({ n: 0 }))
const app = application(
  'app',
  from(steps)
    .to(counts, (state, { add = 0, fail, forget, key, out }, context) => {
      if (fail === 'before') throw new Error('on purpose')
      state.n += add
      if (fail === 'after') throw new Error('halfway')
      if (fail === 'unpackable') state.extra = () => 1
      if (fail === 'huge state') state.extra = 'x'.repeat(5000)
      if (forget === true) context.forget()
      if (fail === 'huge output')
        return [
          { key, n: 1 },
          { key, n: state.n, out: 'x'.repeat(5000) },
        ]
      if (fail === 'bad output')
        return [
          { key, n: 1 },
          { key, n: state.n, out: 1n },
        ]
      return { key, n: state.n, ...(out === undefined ? {} : { out }) }
    })
    .sink(results),
)
const [subTopology] = topologyOf(definitionOf(app)).subTopologies
if (subTopology === undefined) throw new Error('no sub-topology')

class Bench {
  readonly store = new Map<string, string>()
  readonly input = new Input(0, 'steps', 0)
  readonly processor: Processor
  retakes = 0
  #end = 0

  constructor(plan: Partial<ProcessorPlan> = {}) {
    if (subTopology === undefined) throw new Error('no sub-topology')
    const to = (name: string, maxMessageBytes = 4000) => ({ topic: name, partitions: PARTITIONS, maxMessageBytes })
    this.processor = new Processor({
      subTopology,
      partition,
      partitions: PARTITIONS,
      sinks: new Map([['results', to('results')]]),
      deadLetters: to('dead'),
      changelog: to('changelog'),
      onError: 'dead-letter',
      maxStateBytes: () => 100_000,
      load: (key) => this.store.get(key),
      storeWasEmpty: true,
      secret: 'secret',
      ...plan,
    })
  }

  feed(...records: (Step | TestRecord)[]): this {
    const batch = batchOf(
      this.#end,
      records.map((record, i) =>
        'value' in record
          ? { timestampMs: this.#end + i, key: 'a', ...record }
          : { timestampMs: this.#end + i, key: record.key as string, value: JSON.stringify(record) },
      ),
    )
    this.input.accept(fetchedOf([batch]))
    this.#end += records.length
    return this
  }

  /** As the task does it. */
  run(): Collected {
    for (;;)
      try {
        while (this.input.hasHead) {
          this.processor.process(0, this.input, () => 77)
          this.input.advance()
        }
        const collected = this.processor.collect(
          { identity: 'i', positions: { steps: this.input.position }, by: 'w', atMs: 5 },
          99,
        )
        this.input.mark()
        this.processor.committed()
        const unstored = this.processor.takeUnstored()
        for (const { key, value } of unstored.changes.flatMap((part) => [...part]))
          if (value === undefined) this.store.delete(key)
          else this.store.set(key, value)
        this.processor.stored(unstored)
        return collected
      } catch (error) {
        if (!(error instanceof Rollback)) throw error
        this.retakes++
        this.processor.rollBack()
        this.input.rewind()
      }
  }
}

const at = (collected: Collected, name: string) =>
  readChunks(collected.records.filter(({ topic: t }) => t === name).flatMap(({ chunks }) => chunks))
const outputs = (collected: Collected): unknown[] =>
  at(collected, 'results').map(({ value }) => (JSON.parse(value ?? '') as { n: number }).n)
const changed = ({ changes }: Collected): number => changes.flatMap((part) => [...part]).length
const codes = (collected: Collected) => at(collected, 'dead').map(({ headers }) => headers[deadLetterHeaders.code])

describe('Processor', () => {
  let bench: Bench
  beforeEach(() => {
    bench = new Bench()
  })

  it('computes on the state object of the key, and puts outputs out with the timestamp of their cause (invariant 4)', () => {
    const collected = bench.feed({ key: 'a', add: 1 }, { key: 'a', add: 2 }).run()
    expect(at(collected, 'results').map(({ key, timestampMs }) => [key, timestampMs])).toEqual([
      ['a', 0],
      ['a', 1],
    ])
    expect(outputs(collected)).toEqual([1, 3])
    expect(collected.records.find(({ topic: t }) => t === 'results')?.partition).toBe(partition)
  })

  it('writes the last value of each changed key, and the commit record last', () => {
    const collected = bench.feed({ key: 'a', add: 1 }, { key: 'a', add: 2 }).run()
    expect(collected.records[0]?.topic).toBe('changelog')
    const log = at(collected, 'changelog')
    expect(log.map(({ key }) => key)).toEqual(['counts\0a', '\ufffdc'])
    expect(JSON.parse(log[1]?.value ?? '')).toEqual({ v: 1, identity: 'i', positions: { steps: 2 }, by: 'w', atMs: 5 })
  })

  it('does not try again what is a fault of its own: the changes that were collected are half noted down', () => {
    const fault = new PotorooError('INTERNAL', 'on purpose')
    const collect = vi.spyOn(StateTable.prototype, 'collect').mockImplementationOnce(() => {
      throw fault
    })
    expect(() => bench.feed({ key: 'a', add: 1 }).run()).toThrow(fault)
    collect.mockRestore()
    expect(bench.retakes).toBe(0)
  })

  it('does not write what is as before, nor what no message has changed yet', () => {
    expect(changed(bench.feed({ key: 'a', add: 0 }).run())).toBe(0)
    expect(changed(bench.feed({ key: 'a', add: 5 }).run())).toBe(1)
    expect(changed(bench.feed({ key: 'a', add: 1 }, { key: 'a', add: -1 }).run())).toBe(0)
  })

  it('reads a state object back from the store when the cache has forgotten it', () => {
    bench = new Bench({ maxStateBytes: () => 1 })
    const others = ['b', 'c', 'd', 'e', 'f', 'g', 'h'].filter(
      (key) => partitionOf('murmur2', Buffer.from(key), PARTITIONS) === partition,
    )
    expect(others.length).toBeGreaterThan(0)
    bench.feed({ key: 'a', add: 5 }).run()
    for (const key of [...others, ...others]) bench.feed({ key, add: 1 }).run()
    expect(outputs(bench.feed({ key: 'a', add: 1 }).run())).toEqual([6])
  })

  it('looks ahead for state objects when there are many, with the same result', () => {
    const many = vi.spyOn(StateTable.prototype, 'isLarge', 'get').mockReturnValue(true)
    const ahead = vi.spyOn(StateTable.prototype, 'prefetch')
    try {
      const records = Array.from({ length: 40 }, () => ({ key: 'a', add: 1 }))
      expect(outputs(bench.feed(...records).run())).toEqual(records.map((_, i) => i + 1))
      expect(ahead.mock.calls.map(([, , , count]) => count)).toEqual([16, 16, 8])
    } finally {
      many.mockRestore()
      ahead.mockRestore()
    }
  })

  it('forgets a state object: a tombstone, and the next message starts over', () => {
    bench.feed({ key: 'a', add: 5 }).run()
    const collected = bench.feed({ key: 'a', add: 1, forget: true }).run()
    expect(at(collected, 'changelog')[0]).toMatchObject({ key: 'counts\0a', value: null })
    expect(outputs(bench.feed({ key: 'a', add: 2 }).run())).toEqual([2])
    expect(changed(bench.feed({ key: 'a', forget: true }, { key: 'a', add: 7 }).run())).toBe(1)
    expect(outputs(bench.feed({ key: 'a' }).run())).toEqual([7])
  })

  const noted = (code: string) => [code]
  it.each([
    ['not JSON', { value: '{"key":' }, 'NOT_JSON'],
    ['no value', { value: null }, 'VALUE_NULL'],
    ['no key', { value: '{"key":"a"}', key: null }, 'KEY_MISSING'],
    ['another key', { value: '{"key":"a"}', key: 'b' }, 'KEY_MISMATCH'],
    ['another schema', { value: '[]' }, 'SCHEMA_MISMATCH'],
    ['a key too long', { value: `{"key":"${'k'.repeat(1801)}"}`, key: 'k'.repeat(1801) }, 'KEY_TOO_LONG'],
  ])('sends bad input to the dead letters as it is (invariant 2): %s', (_, record, code) => {
    const collected = bench.feed({ key: 'a', add: 1 }, record, { key: 'a', add: 1 }).run()
    expect(codes(collected)).toEqual(noted(code))
    expect(at(collected, 'dead')[0]).toMatchObject({
      value: record.value,
      key: 'key' in record ? record.key : 'a',
      headers: {
        [deadLetterHeaders.topic]: 'steps',
        [deadLetterHeaders.partition]: String(partition),
        [deadLetterHeaders.offset]: '1',
      },
    })
    expect(outputs(collected)).toEqual([1, 2])
    expect(bench.retakes).toBe(0)
  })

  it('says what producers must set when a record lies on another partition than its key belongs on', () => {
    const stray =
      ['b', 'c', 'd', 'e', 'f'].find((key) => partitionOf('murmur2', Buffer.from(key), PARTITIONS) !== partition) ?? ''
    const collected = bench.feed({ key: stray }).run()
    expect(codes(collected)).toEqual(['WRONG_PARTITION'])
    expect(at(collected, 'dead')[0]?.headers[deadLetterHeaders.message]).toMatch(/murmur2_random/)
  })

  it.each([
    ['before', 'COMPUTATION_FAILED'],
    ['after', 'COMPUTATION_FAILED'],
    ['unpackable', 'STATE_NOT_PACKABLE'],
    ['huge state', 'RECORD_TOO_LARGE'],
    ['huge output', 'RECORD_TOO_LARGE'],
    ['bad output', 'OUTPUT_INVALID'],
  ] as const)('rolls back a message that fails (invariants 1 and 3): %s', (fail, code) => {
    const collected = bench.feed({ key: 'a', add: 1 }, { key: 'a', add: 10, fail }, { key: 'a', add: 1 }).run()
    expect(codes(collected)).toEqual([code])
    expect(outputs(collected)).toEqual([1, 2])
    expect(bench.retakes).toBe(1)
    expect(outputs(bench.feed({ key: 'a' }).run())).toEqual([2])
  })

  it('rolls back what an earlier commit does not hold, and nothing else', () => {
    bench.feed({ key: 'a', add: 5 }).run()
    const collected = bench
      .feed({ key: 'a', add: 1 }, { key: 'a', add: 10, fail: 'after' }, { key: 'a', add: 1, fail: 'before' })
      .run()
    expect(codes(collected)).toEqual(['COMPUTATION_FAILED', 'COMPUTATION_FAILED'])
    expect(outputs(collected)).toEqual([6])
    expect(bench.retakes).toBe(1)
  })

  it('is careful only until things are calm again', () => {
    bench.feed({ key: 'a', fail: 'before' }).run()
    expect(bench.processor.careful).toBe(true)
    for (let i = 0; i < 3; i++) bench.feed({ key: 'a' }).run()
    expect(bench.processor.careful).toBe(false)
  })

  it("stops on the first failure when that was chosen, with the record's place, and without its effect", () => {
    bench = new Bench({ onError: 'stop' })
    bench.feed({ key: 'a', add: 1 }, { key: 'a', add: 10, fail: 'after' })
    let thrown: unknown
    try {
      bench.run()
    } catch (error) {
      thrown = error
    }
    expect(isPotorooError(thrown, 'STOPPED_BY_ON_ERROR')).toBe(true)
    expect(String(thrown)).toMatch(
      new RegExp(`steps, partition ${String(partition)}, offset 1: COMPUTATION_FAILED: halfway`),
    )
    expect(bench.input.position).toBe(1)
    const collected = bench.processor.collect({ identity: 'i', positions: {}, by: 'w', atMs: 5 }, 0)
    expect(outputs(collected)).toEqual([1])
  })

  it('cuts a record that is too large for the dead letters, and says its full size', () => {
    const value = 'x'.repeat(9000)
    const collected = bench.feed({ value }).run()
    expect(collected.deadLetters).toMatchObject([{ cut: true, offset: 0 }])
    const [letter] = at(collected, 'dead')
    expect(letter?.headers[deadLetterHeaders.fullSize]).toBe('9000')
    expect(value.startsWith(letter?.value ?? '?')).toBe(true)
  })

  it('keeps headers of the record on its dead letter', () => {
    const collected = bench.feed({ value: '?', headers: [{ key: 'trace', value: Buffer.from('42') }] }).run()
    expect(at(collected, 'dead')[0]?.headers.trace).toBe('42')
  })
})

describe('an application that is wrong as a whole', () => {
  it('stops the worker: no message is to blame, so none goes to the dead letters', () => {
    const [wrong] = topologyOf(
      definitionOf(
        application('wrong', from(steps).to(counts, (() => Promise.resolve()) as unknown as () => undefined)),
      ),
    ).subTopologies
    if (wrong === undefined) throw new Error('no sub-topology')
    const bench = new Bench({ subTopology: wrong })
    bench.feed({ key: 'a' })
    expect(() => {
      bench.run()
    }).toThrow(/promise/)
    expect(bench.retakes).toBe(1)
  })
})
