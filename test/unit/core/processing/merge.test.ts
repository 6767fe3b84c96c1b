import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Input } from '../../../../src/core/processing/input.js'
import { Merge } from '../../../../src/core/processing/merge.js'
import { batchOf, fetchedOf } from '../../../support/records.js'

const HOLD_MS = 100

function taken(merge: Merge, nowMs: number): string[] {
  const out: string[] = []
  for (let input = merge.next(() => nowMs); input !== undefined; input = merge.next(() => nowMs)) {
    const { buffer, valueStart, valueEnd } = input.cursor
    out.push(buffer.toString('utf8', valueStart, valueEnd))
    input.advance()
  }
  return out
}
const at = (...times: number[]) => times.map((timestampMs) => ({ timestampMs, value: String(timestampMs) }))

describe('Merge', () => {
  it('takes records by timestamp, then by declaration, then by position (rule 1)', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.nat(9), { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 4 }),
        (sources) => {
          const inputs = sources.map((_, i) => new Input(i, `t${String(i)}`, 0))
          const all: { time: number; source: number; position: number }[] = []
          sources.forEach((times, source) => {
            // Within a partition, position is the order, whatever the timestamps: a head waits for what lies before it.
            const sorted = [...times].sort((a, b) => a - b)
            const records = sorted.map((time, position) => ({
              timestampMs: time,
              value: `${String(source)}:${String(position)}`,
            }))
            sorted.forEach((time, position) => all.push({ time, source, position }))
            inputs[source]?.accept(fetchedOf([batchOf(0, records)]))
            inputs[source]?.accept(fetchedOf([], { position: records.length, asked: 3, arrived: 4 }))
          })
          const expected = all
            .sort((a, b) => a.time - b.time || a.source - b.source || a.position - b.position)
            .map(({ source, position }) => `${String(source)}:${String(position)}`)
          expect(taken(new Merge(inputs, HOLD_MS), 0)).toEqual(expected)
        },
      ),
    )
  })

  it('holds records back while an empty source may have older ones (rule 2)', () => {
    const [quotes, orders] = [new Input(0, 'q', 0), new Input(1, 'o', 0)]
    const merge = new Merge([quotes, orders], HOLD_MS)
    orders.accept(fetchedOf([batchOf(0, at(5))], { asked: 3, arrived: 4 }))
    expect(taken(merge, 0)).toEqual([])
    expect([merge.awaits(quotes), merge.awaits(orders)]).toEqual([true, false])
    // An empty answer to a question that was asked before the order had arrived proves nothing.
    quotes.accept(fetchedOf([], { asked: 2, arrived: 6 }))
    expect(taken(merge, 1)).toEqual([])
    quotes.accept(fetchedOf([batchOf(0, at(1))], { asked: 7, arrived: 8 }))
    expect(taken(merge, 2)).toEqual(['1', '5'])
    expect(merge.awaits(quotes)).toBe(false)
    expect(merge.heldUntilMs).toBeUndefined()
  })

  it('takes nothing for proven by the same answer, whose partitions are read one after the other (rule 2)', () => {
    const [quotes, orders] = [new Input(0, 'q', 0), new Input(1, 'o', 0)]
    const merge = new Merge([quotes, orders], HOLD_MS)
    quotes.accept(fetchedOf([], { asked: 3, arrived: 4 }))
    orders.accept(fetchedOf([batchOf(0, at(5))], { asked: 3, arrived: 4 }))
    expect(taken(merge, 0)).toEqual([])
    quotes.accept(fetchedOf([], { asked: 5, arrived: 6 }))
    expect(taken(merge, 1)).toEqual(['5'])
  })

  it('waits no longer than the bound, once per dry spell (rule 3)', () => {
    const [quotes, orders] = [new Input(0, 'q', 0), new Input(1, 'o', 0)]
    const merge = new Merge([quotes, orders], HOLD_MS)
    orders.accept(fetchedOf([batchOf(0, at(5))], { asked: 3, arrived: 4 }))
    expect(taken(merge, 10)).toEqual([])
    expect(merge.heldUntilMs).toBe(110)
    expect(taken(merge, 109)).toEqual([])
    expect(taken(merge, 110)).toEqual(['5'])
    orders.accept(fetchedOf([batchOf(1, at(6))], { asked: 5, arrived: 6 }))
    expect(taken(merge, 111)).toEqual(['6'])
    quotes.accept(fetchedOf([batchOf(0, at(7))], { asked: 7, arrived: 8, lastStableOffset: 9 }))
    orders.accept(fetchedOf([batchOf(2, at(8))], { asked: 9, arrived: 10 }))
    expect(taken(merge, 112)).toEqual(['7'])
    expect(merge.heldUntilMs).toBe(212)
  })

  it('waits again for a source that gave something, however long ago it was waited for (rule 3)', () => {
    const [quotes, orders] = [new Input(0, 'q', 0), new Input(1, 'o', 0)]
    const merge = new Merge([quotes, orders], HOLD_MS)
    orders.accept(fetchedOf([batchOf(0, at(5, 7))], { asked: 1, arrived: 2 }))
    expect(taken(merge, 0)).toEqual([])
    quotes.accept(fetchedOf([batchOf(0, at(6))], { asked: 1, arrived: 3, lastStableOffset: 9 }))
    // Both have something, so that nothing is held; it takes longer than the bound to come to the end of one.
    expect(taken(merge, 2 * HOLD_MS)).toEqual(['5', '6'])
    expect(merge.heldUntilMs).toBe(3 * HOLD_MS)
  })
})
