/** Applications as their TypeScript: run where Node or a loader can, else told how to compile them. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runCli } from '../support/cli.js'
import { linkPackages, ROOT, writeFiles } from '../support/documents.js'
import { temporaryFolder } from '../support/temporary.js'

const TSCONFIG = `{
  // as many write it
  "compilerOptions": { "module": "NodeNext", "rootDir": "src",
    "outDir": "dist" }
}`
const TOPICS = `import * as z from 'zod'
import { topic } from 'potoroo'
export const clicks = topic('clicks', { schema: z.object({ page: z.string() }), key: (click) => click.page })
export interface Click { page: string }
`
const application = (imports: string, more = ''): string => `${imports}
import { application, from, stateObject } from 'potoroo'
const count = stateObject('count', (): { clicks: number } => ({ clicks: 0 }))
${more}
export default application('pages', from(clicks).to(count, (state, click: Click): void => { state.clicks += click.page.length }))
`

function project(files: Readonly<Record<string, string>>): string {
  const folder = temporaryFolder()
  linkPackages(folder, ['zod', 'potoroo'])
  writeFiles(folder, { 'package.json': '{ "type": "module" }', 'tsconfig.json': TSCONFIG, ...files })
  return folder
}
const topology = async (cwd: string, path: string, env: Readonly<Record<string, string>> = {}) => {
  const { code, stdout, stderr } = await runCli(['topology', path, '--json'], { cwd, env })
  return { code, said: [...stdout, ...stderr].join('\n') }
}
/** 'strip' from 22.18 on. */
const isTaken = Boolean((process.features as { readonly typescript?: unknown }).typescript)
const fits = { code: 0, said: expect.stringContaining('"application":"pages"') as unknown }
const sources = {
  'src/topics.ts': TOPICS,
  'src/application.ts': application("import { clicks, type Click } from './topics.ts'"),
}

describe('an application in TypeScript', () => {
  test('runs where Node runs TypeScript; elsewhere it is told how to compile it', async () => {
    const { code, said } = await topology(project(sources), 'src/application.ts')
    if (isTaken) expect({ code, said }).toEqual(fits)
    else {
      expect(code).toBe(2)
      expect(said).toContain('Compile it with npx tsc, and name dist/application.js.')
      expect(said).toContain('from version 22.18 on')
    }
  })

  test('is told what Node does not run of it, and how to compile that', async () => {
    const imports = "import { clicks, type Click } from './topics.ts'"
    const folder = project({
      ...sources,
      'src/enum.ts': application(imports, 'enum Kind { a }'),
      'src/js.ts': application("import { clicks, type Click } from './topics.js'"),
      'src/type.ts': application("import { clicks, Click } from './topics.ts'"),
    })
    const compile = (name: string): string => `ompile it with npx tsc, and name dist/${name}.js.`
    for (const [name, cure] of [
      ['enum', ''],
      ['js', "an import must name the source file ('./topics.ts')"],
      ['type', "Node needs 'import type'"],
    ] as const) {
      const { code, said } = await topology(folder, `src/${name}.ts`)
      expect(code).toBe(2)
      if (isTaken) expect(said).toContain(cure)
      expect(said).toContain(compile(name))
    }
  })

  test('runs with a loader, by which Node takes it', async () => {
    const loader = join(ROOT, 'test', 'fixtures', 'typescript-loader.mjs')
    const env = { NODE_OPTIONS: `--import=${loader} --no-warnings` }
    expect(await topology(project(sources), 'src/application.ts', env)).toEqual(fits)
  })

  test('whose JavaScript is not there yet is told to be compiled', async () => {
    const { code, said } = await topology(project(sources), 'dist/application.js')
    expect(code).toBe(2)
    expect(said).toMatch(
      /there is no module .*dist\/application\.js.*Its source src\/application\.ts is not compiled yet: npx tsc$/,
    )
  })

  test.each([
    ['src/application', 'Name src/application.ts, which exists.'],
    ['src/application.js', 'Its source src/application.ts is not compiled yet'],
  ])('named as %s is found', async (path, said) => {
    expect((await topology(project(sources), path)).said).toContain(said)
  })
})
