import { describe, expect, it } from 'vitest'
import { Input } from '../../../../src/core/processing/input.js'
import { SeededRandom } from '../../../../src/memory/random.js'
import { batchOf, fetchedOf } from '../../../support/records.js'

const values = (input: Input, most = Infinity): string[] => {
  const taken: string[] = []
  while (input.hasHead && taken.length < most) {
    const { buffer, valueStart, valueEnd } = input.cursor
    taken.push(buffer.toString('utf8', valueStart, valueEnd))
    input.advance()
  }
  return taken
}
const numbered = (base: number, count: number) =>
  batchOf(
    base,
    Array.from({ length: count }, (_, i) => ({ value: String(base + i), timestampMs: base + i })),
  )

describe('Input', () => {
  it('takes an answer only for the position that it ends at (invariant 1)', () => {
    const input = new Input(0, 't', 0)
    expect(input.accept(fetchedOf([numbered(0, 3)]))).toBe(true)
    expect(input.accept(fetchedOf([numbered(0, 3)]))).toBe(false)
    expect(input.accept(fetchedOf([numbered(5, 3)]))).toBe(false)
    expect(input.accept(fetchedOf([numbered(3, 2)]))).toBe(true)
    expect(values(input)).toEqual(['0', '1', '2', '3', '4'])
  })

  it('skips records below its position in a first batch (invariant 2)', () => {
    const input = new Input(0, 't', 2)
    input.accept(fetchedOf([numbered(0, 4)], { position: 2, nextPosition: 4 }))
    expect(input.position).toBe(2)
    expect(values(input)).toEqual(['2', '3'])
  })

  it('goes on behind control batches, so that its position reaches the end (invariant 3)', () => {
    const input = new Input(0, 't', 0)
    input.accept(fetchedOf([numbered(0, 2)], { nextPosition: 3 }))
    expect(values(input)).toEqual(['0', '1'])
    expect(input.position).toBe(3)
    input.accept(fetchedOf([], { position: 3, nextPosition: 4 }))
    expect([input.position, input.end, input.hasHead]).toEqual([4, 4, false])
  })

  it('gives again what was taken since the mark, and only that (invariant 4)', () => {
    const input = new Input(0, 't', 0)
    input.accept(fetchedOf([numbered(0, 3), numbered(3, 3)]))
    expect(values(input, 2)).toEqual(['0', '1'])
    input.mark()
    expect(values(input, 3)).toEqual(['2', '3', '4'])
    input.rewind()
    expect(input.position).toBe(2)
    expect(values(input)).toEqual(['2', '3', '4', '5'])
    input.rewind()
    expect(values(input)).toEqual(['2', '3', '4', '5'])
    input.mark()
    input.rewind()
    expect(values(input)).toEqual([])
    expect(input.position).toBe(6)
  })

  it('counts the memory that it keeps: what was taken stays until the mark', () => {
    const input = new Input(0, 't', 0)
    input.accept(fetchedOf([numbered(0, 3), numbered(3, 3)]))
    const all = input.pinnedBytes
    values(input, 4)
    expect(input.pinnedBytes).toBe(all)
    expect(input.takenBytes).toBe(all / 2)
    input.mark()
    expect([input.pinnedBytes, input.takenBytes]).toEqual([all / 2, 0])
    values(input)
    input.mark()
    expect(input.pinnedBytes).toBe(0)
  })

  it('knows how many records were taken since the mark, and when the first of them was made', () => {
    const input = new Input(0, 't', 2)
    const seen = () => [input.takenRecords, input.firstTimestampMs]
    expect(seen()).toEqual([0, NaN])
    // Two of the batch are below its position.
    input.accept(fetchedOf([numbered(0, 5), numbered(5, 2)], { position: 2, nextPosition: 7 }))
    expect(seen()).toEqual([0, 2])
    values(input, 4)
    expect(seen()).toEqual([4, 2])
    input.rewind()
    expect(seen()).toEqual([0, 2])
    values(input, 4)
    input.mark()
    expect(seen()).toEqual([0, 6])
    values(input)
    expect(seen()).toEqual([1, 6])
    // Dry, and then there is more: the first stays the first.
    input.accept(fetchedOf([numbered(7, 3)], { position: 7, nextPosition: 10 }))
    values(input, 2)
    expect(seen()).toEqual([3, 6])
    input.mark()
    values(input)
    input.mark()
    expect(seen()).toEqual([0, NaN])
    input.accept(fetchedOf([numbered(8, 4)], { position: 10, nextPosition: 12 }))
    expect(seen()).toEqual([0, 10])
    values(input)
    expect(seen()).toEqual([2, 10])
  })

  it('counts each record once, however batches, marks and rewinds lie', () => {
    const random = new SeededRandom(7)
    const below = (n: number): number => Math.floor(random.next() * n)
    for (let round = 0; round < 200; round++) {
      let [end, taken, counted] = [0, 0, 0]
      const input = new Input(0, 't', 0)
      for (let step = 0; step < 30; step++) {
        if (below(2) === 0) {
          const batches = Array.from({ length: below(3) }, () => {
            const batch = numbered(end, 1 + below(4))
            // Not each offset has a record.
            end += batch.count + below(2)
            return batch
          })
          input.accept(fetchedOf(batches, { position: input.end, nextPosition: end }))
        }
        const now = values(input, below(5)).length
        taken += now
        if (below(3) === 0) {
          counted += input.takenRecords
          input.mark()
        } else if (below(4) === 0) {
          taken -= input.takenRecords
          input.rewind()
          expect(input.takenRecords).toBe(0)
        }
      }
      expect(counted + input.takenRecords, `round ${String(round)}`).toBe(taken)
    }
  })

  it('is as far behind as the last answer says, from the mark on', () => {
    const input = new Input(0, 't', 0)
    expect(input.lag).toBeNaN()
    input.accept(fetchedOf([numbered(0, 4)], { lastStableOffset: 9 }))
    values(input, 3)
    expect(input.lag).toBe(9)
    input.mark()
    expect(input.lag).toBe(6)
    values(input)
    input.mark()
    input.accept(fetchedOf([], { position: 4, nextPosition: 9 }))
    input.mark()
    expect(input.lag).toBe(0)
  })

  it('releases an answer once, when all its batches were taken and marked (invariant 6)', () => {
    const released: string[] = []
    const input = new Input(0, 't', 0)
    const answer = (name: string, ...batches: ReturnType<typeof numbered>[]) =>
      fetchedOf(batches, { release: () => released.push(name) })
    input.accept(answer('first', numbered(0, 2), numbered(2, 2)))
    input.accept(answer('second', numbered(4, 2)))
    values(input, 2)
    input.mark()
    expect(released).toEqual([])
    values(input)
    input.rewind()
    expect(values(input)).toEqual(['2', '3', '4', '5'])
    expect(released).toEqual([])
    input.mark()
    expect(released).toEqual(['first', 'second'])
    input.mark()
    expect(released).toEqual(['first', 'second'])
  })

  it('releases an answer at once of which it takes nothing (invariant 6)', () => {
    const released: number[] = []
    const input = new Input(0, 't', 0)
    input.accept(fetchedOf([numbered(7, 3)], { release: () => released.push(7) }))
    input.accept(fetchedOf([], { position: 0, nextPosition: 1, release: () => released.push(0) }))
    expect(released).toEqual([7, 0])
  })

  it('is drained only by proof: an answer that was asked for after the record arrived (invariant 5)', () => {
    const input = new Input(0, 't', 0)
    expect(input.isDrainedFor(2)).toBe(false)
    input.accept(fetchedOf([], { asked: 5, arrived: 9 }))
    expect([4, 5, 6, 9, 10].map((arrived) => input.isDrainedFor(arrived))).toEqual([true, true, false, false, false])
  })

  it('is not drained while there is more below the last stable offset', () => {
    const input = new Input(0, 't', 0)
    input.accept(fetchedOf([numbered(0, 1)], { lastStableOffset: 7, asked: 5, arrived: 9 }))
    values(input)
    expect(input.isDrainedFor(1)).toBe(false)
  })

  describe('looking ahead', () => {
    const seen = (input: Input, most: number): string[] => {
      const keys = new Int32Array(2 * most)
      const count = input.lookAhead(keys)
      const { buffer } = input.cursor
      return Array.from({ length: count }, (_, i) => buffer.toString('utf8', keys[i * 2], keys[i * 2 + 1]))
    }
    const keyed = (base: number, ...keys: (string | null)[]) =>
      batchOf(
        base,
        keys.map((key) => ({ key, timestampMs: base })),
      )

    it('gives the key of each record once, when those before are taken', () => {
      const input = new Input(0, 't', 1)
      expect(seen(input, 2)).toEqual([])
      const batches = [keyed(0, 'below', 'a', 'b', null, 'c', 'd'), keyed(6, 'e')]
      input.accept(fetchedOf(batches, { position: 1 }))
      const looked: string[][] = []
      while (input.hasHead) {
        looked.push(seen(input, 3))
        input.advance()
      }
      expect(looked).toEqual([['a', 'b', 'c'], [], [], ['d'], [], ['e']])
      input.rewind()
      expect(values(input, 2).length).toBe(2)
    })

    it('leaves it to the cursor to say that a batch is malformed', () => {
      const input = new Input(0, 't', 0)
      const batch = keyed(0, 'a', 'b')
      input.accept(fetchedOf([{ ...batch, count: 3 }], { nextPosition: 3 }))
      expect(seen(input, 5)).toEqual(['a', 'b'])
      input.advance()
      expect(seen(input, 5)).toEqual([])
      expect(() => {
        input.advance()
      }).toThrow(/malformed/)
    })
  })
})
