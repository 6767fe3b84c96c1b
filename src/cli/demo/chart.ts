/** Figures over time as rows of blocks, an eighth of a row in height at the least. Pure. */

export interface Value {
  readonly atMs: number
  readonly value: number
}

const BLOCKS = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const

/** For each column the highest value of its time; between two values that of the one before. Undefined where there is none. */
export function columnsOf(
  values: readonly Value[],
  fromMs: number,
  spanMs: number,
  width: number,
): readonly (number | undefined)[] {
  const columns = new Array<number | undefined>(width).fill(undefined)
  let last: number | undefined
  for (const { atMs, value } of values) {
    const column = columnAt(atMs, fromMs, spanMs, width)
    if (column === undefined) continue
    if (last !== undefined) columns.fill(columns[last], last + 1, column)
    columns[column] = Math.max(value, column === last ? (columns[column] ?? 0) : 0)
    last = column
  }
  return columns
}

/** Undefined: it lies outside. */
export function columnAt(atMs: number, fromMs: number, spanMs: number, width: number): number | undefined {
  const column = Math.floor(((atMs - fromMs) / spanMs) * width)
  return column >= 0 && column < width ? column : undefined
}

/** The topmost row first. What is not 0 is seen. */
export function blockRows(columns: readonly (number | undefined)[], top: number, rows: number): readonly string[] {
  const eighths = columns.map((value) => {
    if (value === undefined || value <= 0 || top <= 0) return 0
    return Math.max(1, Math.min(rows * 8, Math.round((value / top) * rows * 8)))
  })
  return Array.from({ length: rows }, (_, row) => {
    const below = (rows - 1 - row) * 8
    return eighths.map((height) => BLOCKS[Math.max(0, Math.min(8, height - below))]).join('')
  })
}

/** Commits come in lumps: each value is the mean of it and the two before. */
export const smoothed = (values: readonly Value[]): readonly Value[] =>
  values.map(({ atMs }, i) => {
    const last = values.slice(Math.max(0, i - 2), i + 1)
    return { atMs, value: last.reduce((sum, { value }) => sum + value, 0) / last.length }
  })
