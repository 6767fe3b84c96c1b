/**
 * What of the documents is made of the source, part by part. In a page a part lies between `<!-- generated: <name> -->` and
 * `<!-- /generated -->`; test/unit/docs/generated.test.ts holds it to what is here, and `npm run docs:generate` writes it.
 */
import { format } from 'prettier'
import { readDocument, ROOT } from '../documents.js'
import { commandParts } from './commands.js'
import { optionsTable } from './configuration.js'
import { errorTables } from './errors.js'
import { metricsTable } from './metrics.js'

/** By page and name. */
export const generatedParts = async (): Promise<ReadonlyMap<string, Readonly<Record<string, string>>>> =>
  new Map([
    ['docs/command-line.md', await commandParts()],
    ['docs/configuration.md', { options: optionsTable() }],
    ['docs/errors.md', { errors: errorTables() }],
    ['docs/metrics.md', { metrics: metricsTable() }],
  ])

const PART = /(<!-- generated: (\S+) -->\n)(?:.*?\n)??(<!-- \/generated -->)/gs

/** The names of the parts that a page has. */
export const partsIn = (page: string): string[] => [...page.matchAll(PART)].map(([, , name = '']) => name)

/** The page with its parts as they are to be, in the format of the project. */
export async function written(path: string, parts: Readonly<Record<string, string>>): Promise<string> {
  const text = readDocument(path).replace(PART, (whole, begin: string, name: string, end: string) =>
    Object.hasOwn(parts, name) ? `${begin}\n${parts[name] ?? ''}\n\n${end}` : whole,
  )
  const { default: settings } = (await import(`${ROOT}/.prettierrc.json`, { with: { type: 'json' } })) as {
    default: object
  }
  return format(text, { ...settings, parser: 'markdown' })
}
