/** Tests that a document names: `file`: “test”, “test” */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './documents.js'

export const CITATION = /`(test\/[\w./-]+\.ts)`: ((?:“[^”]+”(?:,\s+)?)+)/

export interface Citation {
  readonly file: string
  readonly name: string
}

/** Whatever is in the quotes of a document. */
export const namesIn = (text: string): string[] =>
  [...text.matchAll(/“([^”]+)”/g)].map(([, name = '']) => name.replaceAll(/\s+/g, ' '))

export const citationsIn = (document: string): Citation[] =>
  [...document.matchAll(new RegExp(CITATION, 'g'))].flatMap(([, file = '', names = '']) =>
    namesIn(names).map((name) => ({ file, name })),
  )

/** Those of which no test is there. */
export const missing = (citations: readonly Citation[]): Citation[] =>
  citations.filter(({ file, name }) => {
    const source = readFileSync(join(ROOT, file), 'utf8')
    // Where a test's title begins, not where it is spoken of.
    return !["'", '"', '`'].some((quote) => source.includes(quote + name))
  })
