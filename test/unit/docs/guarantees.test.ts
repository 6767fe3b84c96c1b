/** docs/guarantees.md: every promise has its tests, and every test that it names is there. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readDocument, ROOT } from '../../support/documents.js'

const document = readDocument('docs/guarantees.md')
/** `file`: “test”, “test” */
const CITATION = /`(test\/[\w./-]+\.ts)`: ((?:“[^”]+”(?:, )?)+)/
const namesIn = (text: string): string[] => [...text.matchAll(/“([^”]+)”/g)].map(([, name = '']) => name)
const citations = [...document.matchAll(new RegExp(CITATION, 'g'))].flatMap(([, file = '', names = '']) =>
  namesIn(names).map((name) => ({ file, name })),
)

test('the tests that docs/guarantees.md names are there', () => {
  expect(citations.length).toBeGreaterThan(90)
  // Every name has its file.
  expect(citations.map(({ name }) => name)).toEqual(namesIn(document))
  const missing = citations.filter(({ file, name }) => {
    const source = readFileSync(join(ROOT, file), 'utf8')
    // Where a test's title begins, not where it is spoken of.
    return !["'", '"', '`'].some((quote) => source.includes(quote + name))
  })
  expect(missing).toEqual([])
})

test('every fault and every promise of docs/guarantees.md names its tests', () => {
  const [promised = ''] = document.split('\n## Not promised\n')
  const faults = promised.split('\n').filter((line) => /^\| (?!fault |-)/.test(line))
  const promises = promised
    .split('\n\n')
    // That one's tests are the table's.
    .filter((paragraph) => paragraph.startsWith('**') && !paragraph.endsWith('It holds under:'))
  expect(faults.length).toBeGreaterThan(20)
  expect(promises.length).toBeGreaterThan(20)
  expect([...faults, ...promises].filter((promise) => !CITATION.test(promise))).toEqual([])
})
