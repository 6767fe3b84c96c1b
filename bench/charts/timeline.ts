/** Values over time, on a scale of powers of ten, with marks for what happened. */
import { colourClass, document, element, legend, powerTicks, rounded, type Series, text } from './svg.js'

export interface Timeline {
  readonly title: string
  /** What the vertical axis shows, with its unit. */
  readonly quantity: string
  readonly lines: readonly (Series & { readonly points: readonly Point[] })[]
  readonly marks: readonly { readonly atSeconds: number; readonly label: string }[]
}
export interface Point {
  readonly atSeconds: number
  /** Above 0. */
  readonly value: number
}

const SIZE = { width: 940, height: 400 } as const
const PLOT = { left: 64, right: 920, top: 96, bottom: 350 } as const

export function timeline({ title, quantity, lines, marks }: Timeline): string {
  const points = lines.flatMap((line) => line.points)
  const values = points.length === 0 ? [1] : points.map(({ value }) => value)
  const ticks = powerTicks(Math.min(...values), Math.max(...values))
  const [lowest = 1, highest = 10] = [ticks[0], ticks.at(-1)]
  const endSeconds = Math.max(1, ...points.map(({ atSeconds }) => atSeconds))
  const stepSeconds = [1, 2, 5, 10, 20, 60, 300].find((step) => endSeconds / step <= 14) ?? 600

  const x = (atSeconds: number): number => PLOT.left + (atSeconds / endSeconds) * (PLOT.right - PLOT.left)
  const y = (value: number): number =>
    PLOT.bottom - (Math.log(value / lowest) / Math.log(highest / lowest)) * (PLOT.bottom - PLOT.top)

  const grid = ticks.flatMap((tick) => [
    element('line', { class: 'grid', x1: PLOT.left, x2: PLOT.right, y1: y(tick), y2: y(tick) }),
    text(tick.toLocaleString('en'), { class: 'faint small', x: PLOT.left - 8, y: y(tick) + 4, 'text-anchor': 'end' }),
  ])
  const times = Array.from({ length: Math.floor(endSeconds / stepSeconds) + 1 }, (_, i) => i * stepSeconds)
  const clock = times.map((at) =>
    text(String(at), { class: 'faint small', x: x(at), y: PLOT.bottom + 17, 'text-anchor': 'middle' }),
  )
  const happened = marks.flatMap(({ atSeconds, label }) => [
    element('line', { class: 'mark', x1: x(atSeconds), x2: x(atSeconds), y1: PLOT.top - 6, y2: PLOT.bottom }),
    text(label, { class: 'ink small', x: x(atSeconds) + 4, y: PLOT.top - 8 }),
  ])
  const drawn = lines.map(({ points: mine }, i) =>
    element('polyline', {
      class: `line ${colourClass(i)}`,
      points: mine.map(({ atSeconds, value }) => `${rounded(x(atSeconds))},${rounded(y(value))}`).join(' '),
    }),
  )
  return document(SIZE.width, SIZE.height, title, [
    legend(lines, PLOT.left, 52),
    text(quantity, { class: 'faint small', x: 16, y: 74 }),
    ...grid,
    ...clock,
    element('line', { class: 'axis', x1: PLOT.left, x2: PLOT.right, y1: PLOT.bottom, y2: PLOT.bottom }),
    ...happened,
    // What comes first lies on top.
    ...drawn.reverse(),
    text('seconds', { class: 'faint small', x: PLOT.right, y: PLOT.bottom + 36, 'text-anchor': 'end' }),
  ])
}
