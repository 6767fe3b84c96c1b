/** A figure over the last minutes: ten, or as many as there are. */
import type { JSX } from 'preact'
import type { Sample } from '../wire.js'

const MINUTE_MS = 60_000
/** The shortest that has room for all is shown. */
const SPANS_MS = [1, 2, 5, 10].map((minutes) => minutes * MINUTE_MS)
const WIDTH = 300
const HEIGHT = 56
/** Samples further apart have something missing between them. */
const GAP_MS = 15_000

export interface SparklineProps {
  readonly history: readonly Sample[]
  readonly valueOf: (sample: Sample) => number | null
  readonly format: (value: number) => string
  readonly label: string
}

interface Point {
  readonly x: number
  readonly y: number
  readonly atMs: number
}

export function Sparkline({ history, valueOf, format, label }: SparklineProps): JSX.Element {
  const endMs = history.at(-1)?.atMs ?? 0
  const shownMs = endMs - (history[0]?.atMs ?? endMs)
  const spanMs = SPANS_MS.find((ms) => ms >= shownMs) ?? 10 * MINUTE_MS
  const minutes = `${String(spanMs / MINUTE_MS)} min`
  const values = history.flatMap((sample) => {
    const value = valueOf(sample)
    return value === null ? [] : [{ atMs: sample.atMs, value }]
  })
  const highest = Math.max(0, ...values.map(({ value }) => value))
  const top = highest === 0 ? 1 : highest
  const points = values.map(({ atMs, value }): Point => ({
    atMs,
    x: WIDTH * (1 - (endMs - atMs) / spanMs),
    y: HEIGHT - 2 - (value / top) * (HEIGHT - 6),
  }))
  const text =
    values.length === 0 ? `${label}: nothing yet` : `${label}: at most ${format(highest)} in the last ${minutes}`
  const runs = runsOf(points)
  return (
    <figure class="spark">
      <svg viewBox={`0 0 ${String(WIDTH)} ${String(HEIGHT)}`} preserveAspectRatio="none" role="img" aria-label={text}>
        <line class="base" x1="0" x2={WIDTH} y1={HEIGHT - 2} y2={HEIGHT - 2} />
        {runs.map((run) => (
          <g key={run[0]?.atMs}>
            <path
              class="area"
              d={`${pathOf(run)}L${fixed(run.at(-1)?.x)},${String(HEIGHT - 2)}L${fixed(run[0]?.x)},${String(HEIGHT - 2)}Z`}
            />
            <path class="line" d={pathOf(run)} />
          </g>
        ))}
      </svg>
      <figcaption aria-hidden="true">
        <span>{`${minutes} ago`}</span>
        <span>{values.length === 0 ? '' : `max ${format(highest)}`}</span>
        <span>now</span>
      </figcaption>
    </figure>
  )
}

const fixed = (n: number | undefined): string => (n ?? 0).toFixed(1)
const pathOf = (run: readonly Point[]): string =>
  // One alone is a dot.
  `${run.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${fixed(x)},${fixed(y)}`).join('')}h0`

function runsOf(points: readonly Point[]): readonly (readonly Point[])[] {
  const runs: Point[][] = []
  let before: Point | undefined
  for (const point of points) {
    if (before === undefined || point.atMs - before.atMs > GAP_MS) runs.push([])
    runs.at(-1)?.push(point)
    before = point
  }
  return runs
}
