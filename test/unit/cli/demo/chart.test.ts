import { expect, test } from 'vitest'
import { blockRows, columnAt, columnsOf, smoothed } from '../../../../src/cli/demo/chart.js'

const at = (atMs: number, value: number) => ({ atMs, value })

test('a column has the highest value of its time, and what lies between values that of the one before', () => {
  const values = [at(100, 1), at(150, 3), at(190, 2), at(400, 5), at(999, 7), at(1_000, 9), at(-1, 9)]
  expect(columnsOf(values, 0, 1_000, 10)).toEqual([undefined, 3, 3, 3, 5, 5, 5, 5, 5, 7])
  expect(columnsOf([], 0, 1_000, 3)).toEqual([undefined, undefined, undefined])
})

test('what lies outside of the time has no column', () => {
  expect([0, 499, 500, 999, 1_000, -1].map((ms) => columnAt(ms, 0, 1_000, 2))).toEqual([
    0,
    0,
    1,
    1,
    undefined,
    undefined,
  ])
})

test('heights are eighths of rows, the top one full; what is not 0 is seen', () => {
  expect(blockRows([0, 1, 50, 100, undefined, 0.001], 100, 1)).toEqual([' ▁▄█ ▁'])
  expect(blockRows([0, 25, 50, 75, 100], 100, 2)).toEqual(['   ▄█', ' ▄███'])
  expect(blockRows([5, 5], 0, 1)).toEqual(['  '])
})

test('smoothed, a value is the mean of three', () => {
  expect(smoothed([at(1, 3), at(2, 6), at(3, 9), at(4, 0)])).toEqual([at(1, 3), at(2, 4.5), at(3, 6), at(4, 5)])
})
