/** What README and docs/testing.md show of TestDriver compiles, strictly, and runs. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import {
  blockWith,
  codeBlocks,
  compile,
  linkPackages,
  readDocument,
  ROOT,
  writeFiles,
} from '../../support/documents.js'
import { temporaryFolder } from '../../support/temporary.js'

const readme = codeBlocks(readDocument('README.md'))
const shown = codeBlocks(readDocument('docs/testing.md')).filter(({ language }) => language === 'ts')
const folder = temporaryFolder()
linkPackages(folder, ['zod', 'vitest', '@types/node'])
writeFiles(folder, {
  'package.json': JSON.stringify({ name: 'bank', private: true, type: 'module' }),
  'tsconfig.json': JSON.stringify({
    extends: join(ROOT, 'tsconfig.base.json'),
    compilerOptions: {
      composite: false,
      declaration: false,
      noEmit: true,
      typeRoots: [join(ROOT, 'node_modules/@types')],
      paths: { potoroo: [join(ROOT, 'src/index.ts')], 'potoroo/testing': [join(ROOT, 'src/testing/index.ts')] },
    },
    include: ['*.ts'],
  }),
  'application.ts': blockWith(readme, 'ts', "application('bank'"),
  'readme.ts': blockWith(readme, 'ts', 'potoroo/testing'),
  'shown.ts': shown.map(({ text }) => text).join('\n'),
})
const load = (file: string): Promise<unknown> => import(pathToFileURL(join(folder, file)).href)

test('the documents’ code compiles', { timeout: 120_000 }, async () => {
  expect(await compile(folder)).toBe('')
})

test('the README’s code runs', async () => {
  await load('readme.ts')
})

// Its tests become tests of this file.
expect(shown.length).toBeGreaterThan(4)
await load('shown.ts')
