/** What CONTRIBUTING.md says of tests: which script runs which of them, and where they lie. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { readDocument, ROOT } from '../../support/documents.js'

/** Each runs tests that no other one runs. */
const TIERS = ['test:quick', 'test:sim', 'test:kafka', 'test:nightly']
/** These run those of several. */
const SUMS = { 'test:unit': ['test:quick', 'test:sim'], test: ['test:quick', 'test:sim', 'test:kafka'] }
/** Folders of test/unit for what is not in src: by what a file of that name is there. */
const ELSEWHERE: Readonly<Record<string, (name: string) => string>> = {
  bench: (name) => `bench/${name}.ts`,
  'create-potoroo': (name) => `create-potoroo/src/${name}.ts`,
  examples: (name) => `examples/${name}/application.ts`,
}

const { scripts } = JSON.parse(readDocument('package.json')) as { readonly scripts: Readonly<Record<string, string>> }
const testFiles = (readdirSync(join(ROOT, 'test'), { recursive: true }) as string[])
  .filter((path) => path.endsWith('.test.ts'))
  .map((path) => join('test', path))
  .sort()

/** The files that a script of package.json runs, by vitest's own word. */
async function filesOf(script: string): Promise<string[]> {
  const [runner, command, ...args] = (scripts[script] ?? '').split(' ')
  expect([script, runner, command]).toEqual([script, 'vitest', 'run'])
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
  const list = [vitest, 'list', ...args, '--filesOnly', '--json']
  const { stdout } = await promisify(execFile)(process.execPath, list, { cwd: ROOT })
  return (JSON.parse(stdout) as readonly { readonly file: string }[]).map(({ file }) => relative(ROOT, file)).sort()
}

it('runs each test file by one script of a tier, and by one alone', { timeout: 120_000 }, async () => {
  const byScript = new Map(
    await Promise.all([...TIERS, ...Object.keys(SUMS)].map(async (script) => [script, await filesOf(script)] as const)),
  )
  const filesIn = (tiers: readonly string[]): string[] => tiers.flatMap((tier) => byScript.get(tier) ?? []).sort()
  expect(filesIn(TIERS)).toEqual(testFiles)
  for (const [sum, tiers] of Object.entries(SUMS)) expect([sum, byScript.get(sum)]).toEqual([sum, filesIn(tiers)])
})

it('has a unit test beside what it mirrors, or says at its head what it is about', () => {
  const unit = testFiles.filter((path) => path.startsWith('test/unit/')).map((path) => relative('test/unit', path))
  const stray = unit.filter((path) => {
    const name = path.replace(/\.test\.ts$/, '')
    const [folder = ''] = name.split('/')
    const mirrored = ELSEWHERE[folder]?.(relative(folder, name)) ?? `src/${name}.ts`
    if ([mirrored, `${mirrored}x`].some((file) => existsSync(join(ROOT, file)))) return false
    const isOfLayer = folder in ELSEWHERE || existsSync(join(ROOT, 'src', dirname(name)))
    const isOfElse = ['ci', 'docs', 'ops'].includes(folder)
    return !((isOfLayer || isOfElse) && readFileSync(join(ROOT, 'test/unit', path), 'utf8').startsWith('/**'))
  })
  expect(stray).toEqual([])
})

it('names in CONTRIBUTING.md every script that runs tests, and no script that is not there', () => {
  const contributing = readDocument('CONTRIBUTING.md')
  const named = [...contributing.matchAll(/npm (?:run (?:-s )?([\w:-]+)|(test)\b)/g)].map(([, a, b]) => a ?? b ?? '')
  expect(named.filter((name) => scripts[name] === undefined)).toEqual([])
  expect(named).toEqual(expect.arrayContaining(Object.keys(scripts).filter((name) => /^test(:|$)/.test(name))))
})
