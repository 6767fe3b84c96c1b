import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { broadcastDefinition } from '../../../../src/api/broadcast.js'
import { BroadcastCopy, ENTRY_BYTES, type RefusedRecord } from '../../../../src/core/processing/broadcast-copy.js'
import { GatedMerge } from '../../../../src/core/processing/gated-merge.js'
import { Input } from '../../../../src/core/processing/input.js'
import { isPotorooError } from '../../../../src/errors.js'
import { broadcast, topic } from '../../../../src/index.js'
import type { Fetched } from '../../../../src/core/records/fetched.js'
import { batchOf, fetchedOf, type FetchedOptions } from '../../../support/records.js'
import { anySchema } from '../../../support/schemas.js'

interface Rate {
  readonly currency: string
  readonly eur: number
}
const rates = topic('rates', {
  schema: anySchema<Rate>(),
  key: (rate) => {
    if (rate.eur < 0) throw new Error('negative')
    return rate.currency
  },
  partitioner: 'none',
})
const definitionOf = (maxBytes?: number) =>
  broadcastDefinition(broadcast('rate', rates, maxBytes === undefined ? {} : { maxBytes }), 'test')

function copyOf(partitions = 1, maxBytes?: number) {
  const refused: RefusedRecord[] = []
  const copy = new BroadcastCopy(definitionOf(maxBytes), (record) => refused.push(record))
  copy.begin(Array.from({ length: partitions }, () => 0))
  return { copy, refused }
}
const emptyOf = (
  partition: number,
  { mayLag, ...options }: FetchedOptions & { readonly mayLag?: boolean },
): Fetched => ({ ...fetchedOf([], options), partition, ...(mayLag === undefined ? {} : { mayLag }) })
const record = (currency: string, eur: number | undefined) => ({
  key: currency,
  value: eur === undefined ? null : JSON.stringify({ currency, eur }),
})

describe('a copy of a broadcast', () => {
  it('is what a Map gives, whatever batches come, and counts what it keeps', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.tuple(fc.constantFrom('a', 'b', 'ü', 'd'), fc.option(fc.nat(9))), { maxLength: 5 })),
        (batches) => {
          const { copy } = copyOf()
          const model = new Map<string, Rate>()
          let position = 0
          for (const pairs of batches) {
            const records = pairs.map(([currency, eur]) => record(currency, eur ?? undefined))
            for (const [currency, eur] of pairs)
              if (eur === null) model.delete(currency)
              else model.set(currency, { currency, eur })
            const batch = records.length === 0 ? [] : [batchOf(position, records)]
            copy.accept(fetchedOf(batch, { position }))
            position += records.length
          }
          expect(copy.position(0)).toBe(position)
          expect(copy.entries).toBe(model.size)
          for (const currency of ['a', 'b', 'ü', 'd']) expect(copy.get(currency)).toEqual(model.get(currency))
          const again = copyOf().copy
          again.accept(fetchedOf(model.size === 0 ? [] : [batchOf(0, [...model.values()].map(({ currency, eur }) => record(currency, eur)))])) // prettier-ignore
          expect(copy.bytes).toBe(again.bytes)
        },
      ),
    )
  })

  it('is proven as of when answers were asked for that left nothing, in each partition (invariant 1)', () => {
    const { copy } = copyOf(2)
    expect(copy.provenUpTo).toBe(-1)
    copy.accept(emptyOf(0, { asked: 3, arrived: 9 }))
    expect(copy.provenUpTo).toBe(-1)
    copy.accept(emptyOf(1, { asked: 5, arrived: 9 }))
    expect(copy.provenUpTo).toBe(3)
    // There is more; or a leader that may have to catch up.
    copy.accept(emptyOf(0, { asked: 10, arrived: 11, lastStableOffset: 7 }))
    copy.accept(emptyOf(0, { asked: 12, arrived: 13, mayLag: true }))
    expect(copy.provenUpTo).toBe(3)
    expect([copy.isProvenFor(0, 3), copy.isProvenFor(0, 4)]).toEqual([true, false])
    // Of another position than that which is asked for.
    copy.accept(emptyOf(0, { asked: 14, arrived: 15, position: 1 }))
    expect(copy.provenUpTo).toBe(3)
    copy.accept(emptyOf(0, { asked: 16, arrived: 17 }))
    expect(copy.provenUpTo).toBe(5)
    copy.begin([0, 0])
    expect(copy.provenUpTo).toBe(-1)
  })

  it('gives copies (invariant 2)', () => {
    const { copy } = copyOf()
    copy.accept(fetchedOf([batchOf(0, [record('a', 1)])]))
    Object.assign(copy.get('a') ?? {}, { eur: 2 })
    expect(copy.get('a')).toEqual({ currency: 'a', eur: 1 })
  })

  it("tells what it can't take, and keeps what it had (invariant 3)", () => {
    const { copy, refused } = copyOf()
    const records = [
      record('a', 1),
      { key: 'a', value: 'no json' },
      { key: null, value: '{}' },
      { key: 'a', value: JSON.stringify({ currency: 'b', eur: 2 }) },
      record('a', -1),
      record('b', 3),
    ]
    copy.accept(fetchedOf([batchOf(0, records)]))
    expect(refused.map(({ offset, error }) => [offset, error.code])).toEqual([
      [1, 'NOT_JSON'],
      [2, 'KEY_MISSING'],
      [3, 'KEY_MISMATCH'],
      [4, 'COMPUTATION_FAILED'],
    ])
    expect([copy.get('a'), copy.get('b')]).toEqual([
      { currency: 'a', eur: 1 },
      { currency: 'b', eur: 3 },
    ])
  })

  it('takes no more than it may, and says with how much it is too large (invariant 4)', () => {
    const one = copyOf().copy
    one.accept(fetchedOf([batchOf(0, [record('a', 1)])]))
    expect(one.bytes).toBeGreaterThan(ENTRY_BYTES)
    const { copy } = copyOf(1, 2 * one.bytes)
    copy.accept(fetchedOf([batchOf(0, [record('a', 1), record('b', 1), record('a', 2)])]))
    const more = (): void => {
      copy.accept(fetchedOf([batchOf(3, [record('c', 1)])], { position: 3 }))
    }
    expect(more).toThrow(
      expect.toSatisfy(
        (error: unknown) =>
          isPotorooError(error, 'BROADCAST_TOO_LARGE') &&
          error.message.includes(`its ${String(2 * one.bytes)} bytes: with 2 keys`) &&
          error.message.includes(String(3 * one.bytes)),
      ),
    )
  })
})

describe('a merge before broadcasts', () => {
  it('lets a record go when they are proven for its arrival, and not before (invariant 1)', () => {
    const input = new Input(0, 'orders', 0)
    let proven = 4
    const merge = new GatedMerge([input], 100, () => undefined, { isOpenFor: (arrived) => arrived <= proven })
    input.accept(fetchedOf([batchOf(0, [{ value: '1' }])], { asked: 3, arrived: 4 }))
    input.accept(fetchedOf([batchOf(1, [{ value: '2' }])], { position: 1, asked: 5, arrived: 6 }))
    expect(merge.next(() => 0)).toBe(input)
    input.advance()
    expect(merge.next(() => 1e9)).toBeUndefined()
    expect(merge.heldUntilMs).toBeUndefined()
    proven = 6
    expect(merge.next(() => 1e9)).toBe(input)
  })
})
