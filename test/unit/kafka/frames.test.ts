/** Invariants are those of frames.ts. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Frames } from '../../../src/kafka/frames.js'

/** A socket reads what was sent to where there is room, in reads of these sizes at most. */
function readAll(sent: Buffer, reads: readonly number[]) {
  const answers: Buffer[] = []
  const refused: number[] = []
  const frames = new Frames(
    (bytes) => Buffer.alloc(bytes),
    (answer) => answers.push(answer),
    (bytes) => refused.push(bytes),
  )
  let at = 0
  for (let i = 0; at < sent.length && refused.length === 0; i++) {
    const room = frames.room()
    expect(room.length).toBeGreaterThan(0)
    const count = sent.copy(room, 0, at, at + (reads[i % reads.length] ?? 1))
    at += count
    frames.took(count)
  }
  return { answers, refused }
}

const framed = (answers: readonly Buffer[]): Buffer =>
  Buffer.concat(
    answers.flatMap((answer) => {
      const size = Buffer.alloc(4)
      size.writeInt32BE(answer.length)
      return [size, answer]
    }),
  )

const answer = fc
  .tuple(fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 60_000 })), fc.nat({ max: 255 }))
  .map(([length, first]) => Buffer.from(Array.from({ length }, (_, i) => (first + i * 7) % 256)))
const someReads = fc.array(fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 70_000 })), {
  minLength: 1,
  maxLength: 20,
})

describe('answers', () => {
  it('are what was sent, however it is cut into reads', () => {
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 12 }), someReads, (sent, reads) => {
        const { answers, refused } = readAll(framed(sent), reads)
        expect(refused).toEqual([])
        expect(answers.length).toBe(sent.length)
        for (const [i, one] of answers.entries()) expect(sent[i]?.equals(one)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it('keep what they are while others come (invariant 2)', () => {
    const sent = Array.from({ length: 200 }, (_, i) => Buffer.alloc(i * 50, i))
    const { answers } = readAll(framed(sent), [1000])
    for (const [i, one] of answers.entries()) expect(one.every((byte) => byte === i)).toBe(true)
  })

  it('of which only the size came have room for what is missing, and for no more (invariant 1)', () => {
    const frames = new Frames(
      (bytes) => Buffer.alloc(bytes),
      () => undefined,
      () => undefined,
    )
    const size = Buffer.alloc(4)
    size.writeInt32BE(5_000_000)
    size.copy(frames.room())
    frames.took(4)
    expect(frames.room().length).toBe(5_000_000)
    frames.took(4_999_000)
    expect(frames.room().length).toBe(1000)
  })

  it.each([
    ['negative', Buffer.from([0xff, 0xff, 0xff, 0xff]), -1],
    ['that of an alert of TLS', Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28]), 0x15030300],
    ['what no broker sends, as of something that is none', Buffer.from('HTTP/1.1 400 Bad Request'), 0x48545450],
  ])('whose size is %s are refused before there is memory for them', (_, bytes, size) => {
    expect(readAll(bytes, [100])).toEqual({ answers: [], refused: [size] })
  })
})
