/** Invariants are those of answer-memory.ts. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AnswerMemory } from '../../../src/kafka/answer-memory.js'

const KIB = 1024
const MIB = 1024 * KIB

describe('memory of answers', () => {
  it('is used again by the next that fits, the least that does', () => {
    const memory = new AnswerMemory()
    const [large, small] = [memory.take(3 * MIB), memory.take(MIB)]
    memory.giveBack(large)
    memory.giveBack(small)
    expect(memory.take(MIB - 7).buffer).toBe(small.buffer)
    expect(memory.take(MIB - 7).buffer).toBe(large.buffer)
    expect(memory.take(MIB).buffer).not.toBe(small.buffer)
  })

  it('is another Buffer each time (invariant 3)', () => {
    const memory = new AnswerMemory()
    const first = memory.take(MIB)
    memory.giveBack(first)
    const second = memory.take(MIB)
    expect(second.buffer).toBe(first.buffer)
    expect(second).not.toBe(first)
  })

  it('is not given to an answer that would keep far more than it needs', () => {
    const memory = new AnswerMemory()
    const large = memory.take(8 * MIB)
    memory.giveBack(large)
    expect(memory.take(MIB).buffer).not.toBe(large.buffer)
    expect(memory.take(7 * MIB).buffer).toBe(large.buffer)
  })

  it('is not kept beyond 24 MiB', () => {
    const memory = new AnswerMemory()
    const taken = Array.from({ length: 8 }, () => memory.take(4 * MIB))
    for (const one of taken) memory.giveBack(one)
    const again = Array.from({ length: 8 }, () => memory.take(4 * MIB).buffer)
    expect(again.filter((one) => taken.some(({ buffer }) => buffer === one)).length).toBe(6)
  })

  it('that is small, or not of here, is not kept', () => {
    const memory = new AnswerMemory()
    const [small, foreign] = [memory.take(KIB), Buffer.allocUnsafeSlow(MIB)]
    memory.giveBack(small)
    memory.giveBack(foreign)
    expect(memory.take(MIB).buffer).not.toBe(foreign.buffer)
  })

  it('never has two answers at a time, whatever is given back, and however often (invariant 1)', () => {
    const step = fc.oneof(
      fc.record({ take: fc.integer({ min: 1, max: 6 * MIB }) }),
      fc.record({ give: fc.nat({ max: 30 }) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const memory = new AnswerMemory()
        const all: Buffer[] = []
        const inUse = new Set<Buffer>()
        for (const one of steps) {
          if ('take' in one) {
            const answer = memory.take(one.take)
            expect(answer.length).toBe(one.take)
            if (one.take >= 64 * KIB)
              for (const other of inUse) expect(other.buffer === answer.buffer, 'lent twice').toBe(false)
            all.push(answer)
            inUse.add(answer)
            continue
          }
          const answer = all[one.give % Math.max(1, all.length)]
          // What was given back may be another's by now: nobody gives it back again.
          if (answer === undefined || !inUse.delete(answer)) continue
          memory.giveBack(answer)
          memory.giveBack(answer)
        }
      }),
      { numRuns: 200 },
    )
  })
})
