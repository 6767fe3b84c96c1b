/** Invariants are those of state-memory.ts. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { byteString, bytesOf, type ByteString } from '../../../../src/core/records/byte-string.js'
import { KeyPrefix, NOWHERE, StateMemory } from '../../../../src/core/state/state-memory.js'

const prefix = new KeyPrefix(0, 'account', 'secret')
const text = (value: string): ByteString => byteString(Buffer.from(value))

/** A memory whose records are all of one kind, and what it holds. */
class Bench {
  readonly memory: StateMemory
  /** Keys of records that are live, and where they are. */
  readonly live = new Map<string, number>()
  #steps = 0
  /** The most steps that one call took. */
  worst = 0

  constructor(readonly maxBytes: number) {
    this.memory = new StateMemory(
      () => maxBytes,
      (carry) => {
        for (const [key, place] of this.live) this.live.set(key, carry(place))
      },
      () => this.live.size,
    )
  }

  add(key: string, value: string): number {
    const bytes = Buffer.from(key)
    return this.#counted(() => this.memory.add(prefix, bytes, 0, bytes.length, text(value)))
  }
  find(key: string): number {
    const bytes = Buffer.from(key)
    return this.#counted(() => this.memory.find(prefix, bytes, 0, bytes.length))
  }
  put(place: number, value: string): number {
    const bytes = bytesOf(text(value))
    return this.#counted(() => this.memory.put(place, bytes, 0, bytes.length))
  }
  valueAt(place: number): string {
    const start = this.memory.keyEnd(place)
    return this.memory.bytesOf(place).toString('utf8', start, start + this.memory.valueBytes(place))
  }

  #counted(call: () => number): number {
    const place = call()
    this.worst = Math.max(this.worst, this.memory.steps - this.#steps)
    this.#steps = this.memory.steps
    return place
  }
}

const COUNT = 100_000
const keyOf = (i: number): string => `key ${String(i)}`
const valueOf = (i: number): string => `value ${String(i)}`

describe('no call does work that grows with the number of records (invariant 4)', () => {
  it('while tables of slots grow', () => {
    const bench = new Bench(Number.POSITIVE_INFINITY)
    for (let i = 0; i < COUNT; i++) {
      bench.add(keyOf(i), valueOf(i))
      // at each moment all are found: what moved, and what did not yet
      const other = (i * 7919) % (i + 1)
      expect(bench.valueAt(bench.find(keyOf(other)))).toBe(valueOf(other))
    }
    for (let i = 0; i < COUNT; i++) expect(bench.find(keyOf(i))).not.toBe(NOWHERE)
    expect(bench.find('another')).toBe(NOWHERE)
    expect(bench.worst).toBeLessThanOrEqual(16)
    expect(bench.memory.steps).toBeGreaterThan(COUNT)
  })

  it.each([
    ['the store has them all', true],
    ['the store has none of them', false],
  ])('while generations turn, where %s', (_, stored) => {
    const bench = new Bench(1 << 20)
    for (let i = 0; i < COUNT; i++) {
      bench.memory.setBatch(bench.add(keyOf(i), valueOf(i)), 1 + Math.floor(i / 1000), 0, 0)
      if (stored && i % 1000 === 999) bench.memory.stored(1 + Math.floor(i / 1000))
    }
    expect(bench.memory.hasForgotten).toBe(true)
    let found = 0
    for (let i = 0; i < COUNT; i++) {
      const place = bench.find(keyOf(i))
      if (place === NOWHERE) continue
      found++
      expect(bench.valueAt(place)).toBe(valueOf(i))
    }
    if (stored) expect(found).toBeLessThan(COUNT / 2)
    else expect(found).toBe(COUNT)
    // some 80 bytes each: six records to go over, and eight slots for each that is carried
    expect(bench.worst).toBeLessThanOrEqual(100)
  })

  it('while generations turn in the midst of intervals: live objects are carried over when there are few', () => {
    const bench = new Bench(4 << 20)
    for (let i = 0; i < COUNT; i++) {
      const place = bench.add(keyOf(i), valueOf(i))
      bench.live.set(keyOf(i), place)
      if (i % 5000 === 4999) bench.live.clear()
    }
    // of 5,000 that an interval has at its end 256 at most, and eight slots for each
    expect(bench.worst).toBeLessThan(2500)
    expect(bench.memory.hasForgotten).toBe(true)
    for (const [key, place] of bench.live) expect(bench.find(key)).toBe(place)
  })
})

it('whatever is done to it, it has what it was given last, or has forgotten what the store has', () => {
  const operation = fc.record({
    key: fc.nat({ max: 60 }),
    bytes: fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 3000 })),
    then: fc.constantFrom('put', 'put', 'look', 'store', 'interval'),
  })
  fc.assert(
    fc.property(
      fc.array(operation, { minLength: 50, maxLength: 400 }),
      fc.constantFrom(600, 4000, 40_000),
      (all, max) => {
        const bench = new Bench(max)
        const { memory } = bench
        const expected = new Map<string, { value: string; batch: number }>()
        let [batch, stored] = [1, 0]
        for (const { key: number, bytes, then } of all) {
          const key = keyOf(number)
          let place = bench.find(key)
          const known = expected.get(key)
          if (place === NOWHERE) {
            expect((known?.batch ?? 0) <= stored && !bench.live.has(key)).toBe(true)
            // as from the store
            place = bench.add(key, known?.value ?? '')
          } else expect(bench.valueAt(place)).toBe(known?.value ?? '')
          bench.live.set(key, place)
          if (then === 'put') {
            const value = String(bytes).repeat(bytes).slice(0, bytes)
            place = bench.put(place, value)
            memory.setBatch(place, batch, 0, 0)
            bench.live.set(key, place)
            expected.set(key, { value, batch })
          } else if (then === 'store') memory.stored((stored = batch++))
          else if (then === 'interval') bench.live.clear()
          for (const [one, at] of bench.live) expect(bench.find(one)).toBe(at)
        }
      },
    ),
    { numRuns: 200 },
  )
})
