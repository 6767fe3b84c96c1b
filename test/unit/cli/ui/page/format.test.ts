import { expect, test } from 'vitest'
import { bytes, clockTime, count, duration, rate, timestamp } from '../../../../../src/cli/ui/page/format.js'

test('figures as people read them', () => {
  expect([0, 999, 1_234, 12_345_678, null].map(count)).toEqual(['0', '999', '1,234', '12.3 M', '–'])
  expect([0, 0.25, 9.96, 10.4, null].map(rate)).toEqual(['0', '0.3', '10.0', '10', '–'])
  expect([0, 3.14, 250, 1_500, 61_000, 3_661_000, 90_000_000, -5, null].map(duration)).toEqual([
    '0 ms',
    '3.1 ms',
    '250 ms',
    '1.5 s',
    '1 min 1 s',
    '1 h 1 min',
    '1 d 1 h',
    '−5 ms',
    '–',
  ])
  expect([0, 1_023, 1_024, 5 * 1024 ** 3, null].map(bytes)).toEqual(['0 B', '1023 B', '1.0 KiB', '5.0 GiB', '–'])
  expect([timestamp(0), timestamp(9e15), timestamp(null), clockTime(NaN)]).toEqual([
    '1970-01-01 00:00:00.000Z',
    '–',
    '–',
    '–',
  ])
})
