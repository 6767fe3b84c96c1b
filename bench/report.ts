/** What a benchmark found, and where, in a form that goes into a terminal, a JSON file and a Markdown page alike. */
import { table } from '#potoroo/cli/table.js'
import type { Surroundings } from './surroundings.js'

export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

export interface Chart {
  /** In the folder of the results. */
  readonly file: string
  readonly alt: string
  readonly svg: string
}

/** What a benchmark itself has to say. */
export interface Findings {
  readonly title: string
  /** What was done. */
  readonly method: readonly string[]
  readonly tables: readonly Table[]
  readonly charts: readonly Chart[]
  /** Everything that was measured, for those who calculate themselves. */
  readonly measured: unknown
  /** What every output was held to. */
  readonly checked: string
  /** Whether all of them were as they had to be. */
  readonly right: boolean
}

export interface Report extends Omit<Findings, 'charts'> {
  readonly name: string
  readonly atIso: string
  readonly surroundings: Surroundings
  readonly settings: Readonly<Record<string, unknown>>
  readonly charts: readonly Omit<Chart, 'svg'>[]
}

export const notMeasured: readonly string[] = [
  'Brokers, workers, the feeding and the reading process share one machine and its loopback: no network, no replication.',
  'The CPU time of the brokers, which both contenders load.',
  'Other state objects and messages than those of Market Spread, some 20 and some 100 to 200 bytes, but by `sizes`, which measures Potoroo alone, by `routing` and by `windows`.',
  'Days: leaks, compaction under load and full disks are for tests, not for this.',
  'Potoroo checks every message against its schema and every key against its partition; Kafka Streams does neither.',
]

export function asText({ title, tables, checked, right }: Findings): string {
  const parts = tables.map(({ title: caption, columns, rows }) => `${caption}\n${table(columns, rows)}`)
  return [`${title}\n`, ...parts, `${verdict(checked, right)}\n`].join('\n')
}

const verdict = (checked: string, right: boolean): string =>
  `${checked} ${right ? 'All were right: none lost, none repeated.' : 'NOT ALL WERE RIGHT: see the table.'}`

/** All reports on one page. */
export function asMarkdown(reports: readonly Report[]): string {
  const parts = reports.map(
    ({ title, name, atIso, method, tables, charts, surroundings, settings, checked, right }) => `## ${title}

${list(method)}

${charts.map(({ file, alt }) => `![${alt}](${file})\n`).join('\n')}
${tables.map((one) => `${one.title}:\n\n${markdownTable(one)}`).join('\n')}
${verdict(checked, right)}

Measured ${atIso} on ${machineLine(surroundings)}. Settings: \`${JSON.stringify(settings)}\`. All figures: [${name}.json](${name}.json).
`,
  )
  return `# Results

Written by \`npm run bench\`; what is measured, and how, stands in [bench/README.md](../README.md). Not measured:

${list(notMeasured)}

${parts.join('\n')}`
}

export const machineLine = ({ machine, versions }: Surroundings): string =>
  [
    `${String(machine.cores)} cores (${machine.cpu})`,
    `${(machine.memoryBytes / 2 ** 30).toFixed(1)} GiB memory`,
    machine.system,
    `load average before ${machine.loadBefore.toFixed(1)}`,
    ...Object.entries(versions).map(([what, version]) => `${what} ${version}`),
  ].join(', ')

const list = (lines: readonly string[]): string => lines.map((line) => `- ${line}`).join('\n')

const markdownTable = ({ columns, rows }: Table): string =>
  [columns, columns.map((_, i) => (i === 0 ? '---' : '--:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |\n`)
    .join('')

export const seconds = (ms: number): string => (ms / 1000).toFixed(2)
export const wholeNumber = (value: number): string => Math.round(value).toLocaleString('en')
export const mebibytes = (bytes: number): string => wholeNumber(bytes / 2 ** 20)
