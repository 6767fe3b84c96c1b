/** Pure: what is told of several measurements of one thing. */

export interface Spread {
  readonly median: number
  readonly low: number
  readonly high: number
}

export const spreadOf = (values: readonly number[]): Spread => ({
  median: quantile(values, 0.5),
  low: quantile(values, 0),
  high: quantile(values, 1),
})

/**
 * The value at this share (0 to 1) of the sorted values, between two of them by their distance: so a median of two is
 * their middle. NaN where there are none.
 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort()
  const place = share * (sorted.length - 1)
  const [below = NaN, above = NaN] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]]
  return below + (above - below) * (place - Math.floor(place))
}

export interface TimedValue {
  readonly atMs: number
  readonly value: number
}

/** The greatest value of every stretch of so many ms that has one, at the stretch's middle. */
export function greatestPer(stretchMs: number, values: Iterable<TimedValue>): TimedValue[] {
  const greatest = new Map<number, number>()
  for (const { atMs, value } of values) {
    const stretch = Math.floor(atMs / stretchMs)
    greatest.set(stretch, Math.max(value, greatest.get(stretch) ?? -Infinity))
  }
  return [...greatest]
    .sort(([a], [b]) => a - b)
    .map(([stretch, value]) => ({ atMs: (stretch + 0.5) * stretchMs, value }))
}
