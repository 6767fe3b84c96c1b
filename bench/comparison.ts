/** Pure: rounds of both contenders beside each other, as a table and as bars. */
import type { Rounds } from './benchmark.js'
import type { Bar, Panel } from './charts/bars.js'
import type { Table } from './report.js'
import { type Spread, spreadOf } from './statistics.js'

export interface Figure<T> {
  readonly name: string
  readonly of: (round: T) => number
  readonly text: (value: number) => string
  readonly better: 'more' | 'less'
}

/** Something of which every one counts: told as the sum over all rounds. */
export interface Count<T> {
  readonly name: string
  readonly of: (round: T) => number
}

/** Last rows say by how much the first contender is better than each other. */
export function comparison<T>(
  title: string,
  results: readonly Rounds<T>[],
  figures: readonly Figure<T>[],
  counts: readonly Count<T>[],
): Table {
  const rows = results.map(({ contender, rounds }) => [
    contender.title,
    ...figures.map(({ of, text }) => rangeText(rounds.map(of), text)),
    ...counts.map(({ of }) => rounds.reduce((sum, round) => sum + of(round), 0).toLocaleString('en')),
  ])
  const [ours, ...others] = results
  for (const theirs of others)
    rows.push([
      others.length === 1 ? 'advantage' : `advantage over ${theirs.contender.title}`,
      ...figures.map(({ of, better }) => {
        const ratio = spreadOf(ours?.rounds.map(of) ?? []).median / spread(theirs, of).median
        return `${(better === 'more' ? ratio : 1 / ratio).toFixed(2)} ×`
      }),
      ...counts.map(() => ''),
    ])
  return { title, columns: ['', ...figures.map(({ name }) => name), ...counts.map(({ name }) => name)], rows }
}

export const barsOf = <T>(results: readonly Rounds<T>[], of: (round: T) => number): Bar[] =>
  results.map((result) => {
    const { median, low, high } = spread(result, of)
    return { series: result.contender.name, value: median, low, high }
  })

/** One group of bars: a contender each. */
export const panelOf = <T>(
  title: string,
  unit: string,
  results: readonly Rounds<T>[],
  of: (round: T) => number,
): Panel => ({
  title,
  unit,
  groups: [{ label: '', bars: barsOf(results, of) }],
})

/** The median, and between which values it lies. */
export function rangeText(values: readonly number[], text: (value: number) => string): string {
  const { median, low, high } = spreadOf(values)
  return values.length === 1 ? text(median) : `${text(median)} (${text(low)} to ${text(high)})`
}

const spread = <T>({ rounds }: Rounds<T>, of: (round: T) => number): Spread => spreadOf(rounds.map(of))
