/** Charts of the benchmarks, as SVG: bench/charts. */
import { describe, expect, it } from 'vitest'
import { barChart } from '../../../bench/charts/bars.js'
import { linearTicks, powerTicks } from '../../../bench/charts/svg.js'
import { timeline } from '../../../bench/charts/timeline.js'

const series = [
  { name: 'a', title: 'A & B' },
  { name: 'c', title: 'C' },
]

describe('ticks', () => {
  it.each([
    [4.2, [0, 1, 2, 3, 4, 5]],
    [10, [0, 2, 4, 6, 8, 10]],
    [300, [0, 100, 200, 300]],
    [0.07, [0, 0.02, 0.04, 0.06, 0.08]],
  ])('reach %d in round steps', (greatest, ticks) => {
    expect(linearTicks(greatest).map((tick) => Number(tick.toPrecision(6)))).toEqual(ticks)
  })

  it('are powers of ten around both ends', () => {
    expect(powerTicks(12, 950)).toEqual([10, 100, 1000])
    expect(powerTicks(10, 10)).toEqual([10, 100])
  })
})

it('draws a bar for each value, as high as it is great', () => {
  const bar = (name: string, value: number) => ({ series: name, value, low: value, high: value })
  const svg = barChart({
    title: 'T',
    series,
    panels: [{ title: 'P', unit: 's', groups: [{ label: 'g', bars: [bar('a', 10), bar('c', 5)] }] }],
  })
  const heights = [...svg.matchAll(/class="fill series-\d"[^>]* height="([\d.]+)"/g)].map(([, height]) =>
    Number(height),
  )
  // The legend's first.
  expect(heights).toEqual([12, 12, 230, 115])
  expect(svg).toContain('A &amp; B')
  expect(svg).toContain('prefers-color-scheme:dark')
})

it('draws time to the right and greater values higher', () => {
  const points = [
    { atSeconds: 0, value: 10 },
    { atSeconds: 5, value: 1000 },
    { atSeconds: 10, value: 100 },
  ]
  const svg = timeline({
    title: 'T',
    quantity: 'ms',
    lines: [{ name: 'a', title: 'A', points }],
    marks: [{ atSeconds: 5, label: 'a worker is added' }],
  })
  expect(/points="([^"]+)"/.exec(svg)?.[1]).toBe('64,350 492,96 920,223')
  expect(svg).toContain('a worker is added')
})

it('can be drawn of nothing', () => {
  expect(timeline({ title: 'T', quantity: 'ms', lines: [], marks: [] })).not.toContain('NaN')
})
