import { describe, expect, it } from 'vitest'
import { greatestPer, quantile, spreadOf } from '../../../bench/statistics.js'

describe('quantile', () => {
  it('takes the middle between two values by their distance, and does not touch its input', () => {
    const values = [4, 1, 3, 2]
    expect(quantile(values, 0.5)).toBe(2.5)
    expect(quantile(values, 0)).toBe(1)
    expect(quantile(values, 1)).toBe(4)
    expect(values).toEqual([4, 1, 3, 2])
  })

  it('sorts by value, not by text', () => {
    expect(quantile([100, 9, 20], 0.5)).toBe(20)
  })

  it('is no number where nothing was measured', () => {
    expect(quantile([], 0.5)).toBeNaN()
  })
})

it('tells median and range', () => {
  expect(spreadOf([3, 1, 2])).toEqual({ median: 2, low: 1, high: 3 })
})

it('keeps the greatest value of every stretch that has one', () => {
  const values = [
    { atMs: 250, value: 1 },
    { atMs: 10, value: 5 },
    { atMs: 99.9, value: 7 },
    { atMs: 100, value: 2 },
  ]
  expect(greatestPer(100, values)).toEqual([
    { atMs: 50, value: 7 },
    { atMs: 150, value: 2 },
    { atMs: 250, value: 1 },
  ])
})
