/**
 * What of the documents is made of the source is as the source is: options, commands, errors, metrics. `npm run docs:generate`
 * writes it.
 */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { programForDocuments } from '../../support/docs/commands.js'
import { documentedFlags } from '../../support/docs/configuration.js'
import { generatedParts, partsIn, written } from '../../support/docs/generated.js'
import { documents, readDocument, ROOT } from '../../support/documents.js'

const parts = await generatedParts()

test.each([...parts])('%s is what `npm run docs:generate` writes', async (path, ofPage) => {
  await expect(await written(path, ofPage)).toMatchFileSnapshot(join(ROOT, path))
})

test('each part has its place, and each place its part', () => {
  const places = documents
    .map((path) => [path, partsIn(readDocument(path))] as const)
    .filter(([, names]) => names.length > 0)
  expect(Object.fromEntries(places)).toEqual(
    Object.fromEntries([...parts].map(([path, ofPage]) => [path, Object.keys(ofPage)])),
  )
})

test('the table of options has each option of `potoroo run`, and no other', async () => {
  const run = (await programForDocuments()).commands.find((command) => command.name() === 'run')
  const shown = run?.options.filter(({ hidden }) => !hidden).flatMap(({ long }) => long ?? [])
  expect(documentedFlags.toSorted()).toEqual(shown?.toSorted())
})
