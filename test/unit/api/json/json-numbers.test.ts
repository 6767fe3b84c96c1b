/** The invariant is that of json-numbers.ts. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { alteredNumber, isUnaltered } from '../../../../src/api/json/json-numbers.js'

const found = (text: string) => {
  // among other bytes, as records lie: digits among them
  const bytes = Buffer.from(`7777${text}7777`)
  return alteredNumber(bytes, 4, bytes.length - 4)
}

describe('a whole number', () => {
  it.each([
    '0',
    '-0',
    '999999999999999',
    '9007199254740991',
    '9007199254740992',
    '-9007199254740994',
    '100000000000000000000',
    // as JSON.stringify writes 2 ** 60
    '1152921504606847000',
    `1${'0'.repeat(300)}`,
  ])('%s is unaltered', (number) => {
    expect([isUnaltered(number), found(number)]).toEqual([true, undefined])
  })

  it.each([
    '9007199254740993',
    '-9007199254740993',
    '1152921504606846976',
    '12345678901234567890',
    '18446744073709551615',
    '9'.repeat(309),
  ])('%s is altered', (number) => {
    expect(isUnaltered(number)).toBe(false)
    expect(found(number)).toMatchObject({ path: '', read: Number(number) })
  })

  it.each(['0.30000000000000004', '0.1000000000000000055', '9007199254740993.5', '9007199254740993e0', '1e300'])(
    'is something else than %s, which has a limited precision',
    (number) => {
      expect([isUnaltered(number), found(`[${number}]`)]).toEqual([true, undefined])
    },
  )

  it('that JSON.stringify wrote is unaltered, and its digits come out again', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.nat({ max: 70 }), (double, exponent) => {
        for (const number of [double, Math.trunc(double), Math.round((double % 1) * 2 ** exponent)])
          expect(found(JSON.stringify({ number }))).toBeUndefined()
      }),
      { numRuns: 2000 },
    )
  })

  it('is altered exactly where its digits do not come out again', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), (number) => {
        const text = String(number)
        const altered = JSON.stringify(JSON.parse(text)) !== text
        expect(found(text) !== undefined).toBe(altered && number !== 0n)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('is named by where it stands', () => {
  const bad = '9007199254740993'
  it.each([
    [`{"order":{"lines":[{"id":1},{"id":${bad}}]}}`, 'order.lines[1].id'],
    [`[1, [2, {"a" : 3}], ${bad}]`, '[2]'],
    [`{"text":"${bad}", "quoted": "\\"x\\": ${bad}, ", "a\\"b\\u00e4" :\n${bad}\n}`, 'a"bä'],
    [`{"a":{"b":[]},"c":["x:",",${bad},"],"d":-${bad}}`, 'd'],
    [`${'[{"n":'.repeat(50_000)}${bad}${'}]'.repeat(50_000)}`, '…[0].n[0].n[0].n[0].n'],
    [`{"${'n'.repeat(100_000)}":${bad}}`, `${'n'.repeat(39)}…`],
  ])('case %#', (text, path) => {
    expect(found(text)).toEqual({ path, written: expect.stringMatching(/^-?9007199254740993$/) as string, read: text.includes('-') ? -(2 ** 53) : 2 ** 53 }) // prettier-ignore
  })

  it('and not within a string, wherever in the text', () => {
    for (let length = 0; length < 40; length++) {
      const pad = 'x'.repeat(length)
      expect(found(`{"${pad}":"${bad}","b": ",${bad},","c\\"":"\\\\"}`)).toBeUndefined()
      expect(found(`{"${pad}":"${bad}","b": ${bad} }`)).toMatchObject({ path: 'b' })
    }
  })
})
