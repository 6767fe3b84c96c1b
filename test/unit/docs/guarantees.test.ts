/** docs/guarantees.md: every promise has its tests, and every test that it names is there. */
import { expect, test } from 'vitest'
import { CITATION, citationsIn, missing, namesIn } from '../../support/citations.js'
import { readDocument } from '../../support/documents.js'

const document = readDocument('docs/guarantees.md')
const citations = citationsIn(document)

test('the tests that docs/guarantees.md names are there', () => {
  expect(citations.length).toBeGreaterThan(90)
  // Every name has its file.
  expect(citations.map(({ name }) => name)).toEqual(namesIn(document))
  expect(missing(citations)).toEqual([])
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
