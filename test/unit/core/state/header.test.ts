/** Invariants are those of header.ts. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeHeader, HEADER, readHeader } from '../../../../src/core/state/header.js'

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
        expect(readHeader(bytes, before.length, bytes.length)).toEqual({ kind: 'known', header: { version: of }, end })
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
    ['with a version that is longer than it has to be', 'c001818000'],
    ['with flags that are longer than they have to be', 'c0810001'],
    ['with a version beyond 2^53', 'c001ffffffffffffff1f'],
    ['with a version without end', `c001${'ff'.repeat(40)}`],
  ])('is damaged: one %s (invariant 2)', (_, bytes) => {
    expect(read(bytes)).toEqual({ kind: 'damaged' })
  })

  it.each([
    ['c0020180', 2],
    ['c003010580', 3],
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
