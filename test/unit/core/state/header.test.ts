/** Invariants are those of header.ts. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareTimers, encodeHeader, HEADER, NO_TIMES, readHeader } from '../../../../src/core/state/header.js'

const version = fc.oneof(fc.nat(300), fc.maxSafeNat())
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const read = (text: string) => {
  const bytes = Buffer.from(text, 'hex')
  return readHeader(bytes, 0, bytes.length)
}

describe('the header of a packed state object', () => {
  it('is none where there is nothing to say, and else these bytes (invariant 1)', () => {
    expect([0, 1, 127, 128, 300].map((of) => hex(encodeHeader({ version: of })))).toEqual([
      '',
      'c00101',
      'c0017f',
      'c0018001',
      'c001ac02',
    ])
    expect(hex(encodeHeader({ version: Number.MAX_SAFE_INTEGER }))).toBe('c001ffffffffffffff0f')
  })

  it('comes back as it was, in whatever it lies, and says where it ends', () => {
    fc.assert(
      fc.property(version, fc.uint8Array(), fc.uint8Array(), (of, before, behind) => {
        // A body begins with another byte.
        fc.pre(of > 0 || behind[0] !== HEADER)
        const header = encodeHeader({ version: of })
        const bytes = Buffer.concat([before, header, behind])
        const end = before.length + header.length
        expect(readHeader(bytes, before.length, bytes.length)).toEqual({
          kind: 'known',
          header: { version: of, ...NO_TIMES },
          end,
        })
      }),
    )
  })

  it('has times: an end, and timers by both clocks', () => {
    const timers = [
      { dueMs: 300, name: 'calm', id: '' },
      { dueMs: 300, name: 'calm', id: 'ü' },
    ]
    expect(hex(encodeHeader({ version: 0, endsMs: 128 }))).toBe('c0028001')
    expect(hex(encodeHeader({ version: 2, endsMs: 1, time: timers, wall: timers.slice(0, 1) }))).toBe(
      'c00f020102ac020463616c6d00ac020463616c6d02c3bc01ac020463616c6d00',
    )
  })

  it('comes back with its times, and is damaged wherever it is cut off', () => {
    const entry = fc.record({
      dueMs: fc.maxSafeNat(),
      name: fc.string({ maxLength: 5 }),
      id: fc.string({ unit: 'grapheme', maxLength: 5 }),
    })
    const timers = fc
      .uniqueArray(entry, { maxLength: 6, comparator: (a, b) => compareTimers(a, b) === 0 })
      .map((all) => all.sort(compareTimers))
    fc.assert(
      fc.property(fc.nat(3), fc.maxSafeNat(), timers, timers, (of, endsMs, time, wall) => {
        const header = encodeHeader({ version: of, endsMs, time, wall })
        const bytes = Buffer.concat([header, Buffer.from('80', 'hex')])
        const whole = { kind: 'known', header: { version: of, endsMs, time, wall }, end: header.length }
        expect(readHeader(bytes, 0, bytes.length)).toEqual(whole)
        for (let end = 1; end < header.length; end++)
          expect(readHeader(bytes, 0, end), `cut at ${String(end)}`).toEqual({ kind: 'damaged' })
      }),
    )
  })

  it('is damaged wherever it is cut off', () => {
    fc.assert(
      fc.property(version, (of) => {
        fc.pre(of > 0)
        const header = encodeHeader({ version: of })
        for (let end = 1; end < header.length; end++)
          expect(readHeader(header, 0, end), `cut at ${String(end)}`).toEqual({ kind: 'damaged' })
      }),
    )
  })

  it.each([
    ['that says nothing', 'c00080'],
    ['that says version 0', 'c0010080'],
    ['with a version that is longer than it must be', 'c001818000'],
    ['with flags that are longer than they must be', 'c0810001'],
    ['with a version beyond 2^53', 'c001ffffffffffffff1f'],
    ['with an end at 0', 'c0020080'],
    ['with no timers', 'c0040080'],
    ['with timers that are out of order', 'c0040205000004000080'],
    ['with the same timer twice', 'c0040205000005000080'],
    ['with an id that is no UTF-8', 'c00401050001ff80'],
    ['with a version without end', `c001${'ff'.repeat(40)}`],
  ])('is damaged: one %s (invariant 2)', (_, bytes) => {
    expect(read(bytes)).toEqual({ kind: 'damaged' })
  })

  it.each([
    ['c0100180', 16],
    ['c011010580', 17],
    ['c08001', 128],
  ])('is not passed over where it has what is not known: %s (invariant 3)', (bytes, flags) => {
    expect(read(bytes)).toEqual({ kind: 'unknown', flags })
  })

  it('of anything is known, unknown or damaged; what is known is what would be written (invariant 2)', () => {
    const hostile = fc.uint8Array({ maxLength: 12 }).map((rest) => Uint8Array.from([HEADER, ...rest]))
    fc.assert(
      fc.property(fc.oneof(hostile, fc.uint8Array({ maxLength: 12 })), (bytes) => {
        const found = readHeader(bytes, 0, bytes.length)
        if (found.kind !== 'known') return
        expect(hex(encodeHeader(found.header))).toBe(hex(bytes.subarray(0, found.end)))
      }),
      { numRuns: 5000 },
    )
  })
})
