import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  cut,
  cutLine,
  lineWidth,
  padded,
  paddedLeft,
  painted,
  span,
  spread,
  widthOf,
} from '../../../../src/cli/demo/spans.js'

test('wide characters take two columns, and are cut whole', () => {
  expect(widthOf('労働者')).toBe(6)
  expect(['労働者', '労働者', '労働者'].map((text, i) => cut(text, i + 4))).toEqual(['労…', '労働…', '労働者'])
  expect(padded('労働', 6)).toBe('労働  ')
  expect(paddedLeft('労働', 6)).toBe('  労働')
  expect(widthOf('e\u0301')).toBe(1)
})

test('cut and padded, a text takes what it is given', () => {
  const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }))
  fc.assert(
    fc.property(text, fc.integer({ min: 0, max: 20 }), (any, width) => {
      expect(widthOf(cut(any, width))).toBeLessThanOrEqual(width)
      expect(widthOf(padded(any, width))).toBe(width)
      expect(widthOf(paddedLeft(any, width))).toBe(width)
      expect(cut(any, 1_000)).toBe(any)
    }),
  )
  expect(cut('abc', 0)).toBe('')
})

test('a line is cut where it ends, in whichever span', () => {
  const line = [span('abc', 'good'), span('def', 'bad'), span('ghi')]
  expect(cutLine(line, 5)).toEqual([span('abc', 'good'), span('d…', 'bad')])
  expect(cutLine(line, 9)).toEqual(line)
  expect(lineWidth(cutLine(line, 3))).toBe(3)
})

test('what stands to the right gives way', () => {
  expect(spread([span('left')], [span('right')], 12).map(({ text }) => text)).toEqual(['left', '   ', 'right'])
  expect(spread([span('left')], [span('right')], 10)).toEqual([span('left')])
  expect(spread([span('left')], [span('right')], 3)).toEqual([span('le…')])
})

test('without colours it is the text alone; what is blank at the end is left out', () => {
  const line = [span('a', 'bad'), span(' b '), span('  ', 'news')]
  expect(painted(line, false)).toBe('a b')
  expect(painted(line, true)).toBe('\u001b[1m\u001b[31ma\u001b[39m\u001b[22m b')
  expect(painted([span('   ')], true)).toBe('')
})
