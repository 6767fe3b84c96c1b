/** Every block that a document shows is what it says: TypeScript compiles, data can be read; commands are held in commands.test.ts. */
import { existsSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { DockerfileParser } from 'dockerfile-ast'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { COMPILED, importsOf, moduleOf } from '../../support/docs/snippets.js'
import {
  codeBlocks,
  compile,
  documents,
  readDocument,
  ROOT,
  writeFiles,
  type CodeBlock,
} from '../../support/documents.js'
import { temporaryFolder } from '../../support/temporary.js'

/** How a block of each language is held. Those that are compiled, and shell, have tests of their own; `text` is what programs print. */
const checks: Readonly<Record<string, (text: string) => void>> = {
  ts: () => undefined,
  js: () => undefined,
  sh: () => undefined,
  text: () => undefined,
  // Of Kafka Streams, to compare with.
  java: () => undefined,
  json: expectJson,
  yaml: (text) => {
    expect(parseAllDocuments(text).flatMap(({ errors }) => errors)).toEqual([])
  },
  dockerfile: (text) => {
    const known = [
      'FROM',
      'COPY',
      'CMD',
      'RUN',
      'USER',
      'ENV',
      'WORKDIR',
      'ENTRYPOINT',
      'VOLUME',
      'EXPOSE',
      'ARG',
      'LABEL',
    ]
    for (const instruction of DockerfileParser.parse(text).getInstructions())
      expect(known).toContain(instruction.getKeyword())
  },
}

/** One value, or one on each line. */
function expectJson(text: string): void {
  try {
    JSON.parse(text)
  } catch {
    for (const line of text.trim().split('\n')) expect(() => JSON.parse(line) as unknown, line).not.toThrow()
  }
}

const where = (document: string, { line }: CodeBlock): string => `${document}:${String(line)}`

test.each(documents)('%s has blocks of languages that are checked, and what can be read', (document) => {
  for (const block of codeBlocks(readDocument(document))) {
    const check = checks[block.language]
    expect(check, `${where(document, block)}: '${block.language}'`).toBeDefined()
    check?.(block.text)
  }
})

test('the TypeScript of all documents compiles, against what the package exports', { timeout: 240_000 }, async () => {
  const folder = temporaryFolder()
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'dir')
  const api = importsOf(readDocument('src/index.ts'), 'potoroo')
  const modules = documents.flatMap((document) => {
    // What a page takes for granted: the reader's own topics and computations.
    const granted = `test/fixtures/documents/${fixtureOf(document)}.ts`
    const own = existsSync(join(ROOT, granted))
      ? importsOf(readDocument(granted), `#granted/${fixtureOf(document)}.js`)
      : []
    const text = moduleOf(readDocument(document), new Map([...api, ...own]))
    return text === undefined ? [] : [[`${document}.ts`, text] as const]
  })
  expect(modules.length).toBeGreaterThan(10)
  writeFiles(folder, {
    ...Object.fromEntries(modules),
    'package.json': JSON.stringify({ type: 'module' }),
    'tsconfig.json': JSON.stringify({
      extends: join(ROOT, 'tsconfig.base.json'),
      compilerOptions: {
        composite: false,
        declaration: false,
        noEmit: true,
        typeRoots: [join(ROOT, 'node_modules/@types')],
        paths: {
          potoroo: [join(ROOT, 'src/index.ts')],
          'potoroo/testing': [join(ROOT, 'src/testing/index.ts')],
          'potoroo/schema-registry': [join(ROOT, 'src/schema-registry/index.ts')],
          '#granted/*.js': [join(ROOT, 'test/fixtures/documents/*.ts')],
        },
      },
      include: ['**/*.ts', join(ROOT, 'test/fixtures/documents/*.d.ts')],
    }),
  })
  expect(await compile(folder)).toBe('')
})

const fixtureOf = (document: string): string => basename(document, '.md').toLowerCase()

describe('nothing escapes', () => {
  test('a block in a list, and one without a language, is seen', () => {
    const page = '- item\n\n  ```ts\n  const a = 1\n  ```\n\n```\nplain\n```\n'
    expect(codeBlocks(page)).toEqual([
      { language: 'ts', text: 'const a = 1\n', line: 4 },
      { language: '', text: 'plain\n', line: 8 },
    ])
    expect(() => codeBlocks('```ts\nconst a = 1\n')).toThrow('line 2')
  })

  test('later blocks have the names of earlier ones, on the lines of the page', () => {
    const page =
      "# Page\n\n```ts\nimport { x } from 'x'\nexport const a = 1\nexport default a\n```\n\n```ts\nimport b from './a.js'\n```\n"
    expect(
      moduleOf(
        page,
        new Map([
          ['x', 'never'],
          ['a', 'granted'],
        ]),
      )?.split('\n'),
    ).toEqual([
      "export {}; import { x } from 'x'; granted",
      '',
      '{',
      '',
      ' const a = 1',
      'const theDefault = a',
      '',
      '',
      '{',
      'const b = theDefault;',
      '',
      '}}',
      '',
    ])
  })

  test('every language of a block is checked somewhere', () => {
    expect([...COMPILED, 'sh'].every((language) => Object.hasOwn(checks, language))).toBe(true)
  })
})
