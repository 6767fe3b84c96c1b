/** docs/complaints.md: every complaint has its source and its tests, and every test that it names is there. */
import { expect, it } from 'vitest'
import { CITATION, citationsIn, missing, namesIn } from '../../support/citations.js'
import { readDocument } from '../../support/documents.js'

const document = readDocument('docs/complaints.md')
const LINK = /\[([\w-]+[#-]\d+)\](?!:)/g
const [, ...complaints] = document.split(/^\d+\. /m).map((part) => part.replace(/^(?:## |\[[^\]]+\]: )[^]*/m, ''))
const sourcesIn = (text: string): string[] => [...text.matchAll(LINK)].map(([, name = '']) => name)

it('names tests that are there, each with its file', () => {
  const citations = citationsIn(document)
  expect(citations.map(({ name }) => name)).toEqual(namesIn(document))
  expect(missing(citations)).toEqual([])
})

it('has a source and a test for each complaint, and an address for each source', () => {
  expect(complaints).toHaveLength(21)
  expect(complaints.filter((text) => sourcesIn(text).length === 0 || !CITATION.test(text))).toEqual([])
  const addresses = [...document.matchAll(/^\[([^\]]+)\]: https:\S+$/gm)].map(([, name = '']) => name)
  expect(addresses.sort()).toEqual([...new Set(sourcesIn(document))].sort())
})
