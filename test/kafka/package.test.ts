/** The package as npm packs it, installed into an empty folder: what a user gets, and nothing of this checkout. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { compile, linkPackages, readDocument, ROOT, writeFiles } from '../support/documents.js'
import { npmEnvironment, startNpm } from '../support/npm.js'
import { temporaryFolder } from '../support/temporary.js'
import { createTopics } from '../support/topics.js'
import { uniqueName } from '../support/broker.js'

const folder = temporaryFolder()
const app = join(folder, 'app')
const installed = (...path: string[]): string => join(app, 'node_modules', 'potoroo', ...path)
const run = promisify(execFile)
const { version, peerDependencies } = JSON.parse(readDocument('package.json')) as {
  readonly version: string
  readonly peerDependencies: Readonly<Record<string, string>>
}

const env = npmEnvironment
const potoroo = (...args: string[]) => run(join(app, 'node_modules', '.bin', 'potoroo'), args, { cwd: app, env })
let fresh: readonly string[] = []
let withoutZod = ''

beforeAll(async () => {
  await run('npm', ['pack', '--pack-destination', folder], { cwd: ROOT, env })
  mkdirSync(app)
  writeFiles(app, { 'package.json': JSON.stringify({ name: 'app', private: true, type: 'module' }) })
  const flags = ['--prefer-offline', '--no-audit', '--no-fund']
  await run('npm', ['install', join(folder, `potoroo-${version}.tgz`), ...flags], { cwd: app, env })
  // Who installs nothing else: before anything of this file links it.
  fresh = readdirSync(join(app, 'node_modules'))
  withoutZod = await potoroo('produce', 'orders', '/dev/null').then(
    () => '',
    (error: unknown) => String(error),
  )
  linkPackages(app, ['@types/node', 'zod'])
})

const node = (source: string) => run(process.execPath, ['--input-type=module', '--eval', source], { cwd: app, env })

test('an import gives the public API, and nothing else', async () => {
  const { stdout } = await node(`console.log(Object.keys(await import('potoroo')).sort().join())`)
  expect(stdout.trim()).toBe(
    'PotorooError,application,broadcast,bytesCodec,counting,days,from,hopping,hours,intervalJoin,isPotorooError,merge,messagePackCodec,minutes,seconds,session,startWorker,stateObject,stringCodec,table,timer,topic,tumbling,windowed',
  )
  await expect(node(`await import('potoroo/dist/core/records.js')`)).rejects.toThrow('ERR_PACKAGE_PATH_NOT_EXPORTED')
})

test('what only some need is installed by those, and what needs it says so, as a command', () => {
  const optional = Object.keys(peerDependencies)
  expect(optional).toContain('zod')
  expect(fresh).toContain('kafkajs')
  expect(fresh.filter((name) => optional.includes(name))).toEqual([])
  expect(withoutZod).toMatch(
    /error DEPENDENCY_MISSING: .*market-spread.*Cannot find package 'zod'.*\. npm install zod\n/,
  )
})

test('require gives the same where Node can: nothing in the package awaits while it is loaded', async () => {
  for (const name of ['potoroo', 'potoroo/testing', 'potoroo/market-spread']) {
    const source = `console.log(Object.keys(require('${name}')).filter((key) => key !== '__esModule').sort().join())`
    const required = await run(process.execPath, ['--eval', source], { cwd: app, env })
    const { stdout } = await node(`console.log(Object.keys(await import('${name}')).sort().join())`)
    expect(required.stdout).toBe(stdout)
  }
})

/** What `npm init` writes today, and TypeScript as its own documentation sets it up. */
describe('a CommonJS project', () => {
  const project = join(app, 'commonjs')
  const inProject = (...args: string[]) =>
    run(join(app, 'node_modules', '.bin', 'potoroo'), args, { cwd: project, env })
  const source = (end: string): string => `
    import * as z from 'zod'
    import { application, from, stateObject, topic, type Message, type State } from 'potoroo'
    const clicks = topic('clicks', { schema: z.object({ page: z.string() }), key: (click) => click.page })
    const count = stateObject('count', () => ({ clicks: 0 }))
    function step(state: State<typeof count>, click: Message<typeof clicks>): void {
      state.clicks += click.page.length
    }
    ${end}`
  const made = "application('pages', from(clicks).to(count, step))"

  test(
    'compiles, and the command line takes its application, however it is exported',
    { timeout: 120_000 },
    async () => {
      mkdirSync(project)
      const compilerOptions = {
        module: 'NodeNext',
        target: 'ES2023',
        strict: true,
        types: ['node'],
        rootDir: 'src',
        outDir: 'dist',
      }
      writeFiles(project, {
        'package.json': JSON.stringify({ name: 'commonjs', private: true, type: 'commonjs' }),
        'tsconfig.json': JSON.stringify({ compilerOptions, include: ['src'] }),
        'src/default.ts': source(`export default ${made}`),
        'src/named.ts': source(`export const pages = ${made}`),
        'src/several.ts': source(`export const pages = ${made}; export const topics = [clicks]; export default pages`),
      })
      expect(await compile(project)).toBe('')
      expect(readFileSync(join(project, 'dist', 'default.js'), 'utf8')).toContain('require("potoroo")')
      for (const name of ['default', 'named', 'several'])
        expect((await inProject('topology', `dist/${name}.js`, '--json')).stdout).toContain('"application":"pages"')
    },
  )

  test('that is ES modules under CommonJS, or the reverse, is told so', async () => {
    writeFiles(project, {
      'esm.js': `import { application } from 'potoroo'\nexport default application`,
      'module/package.json': '{ "type": "module" }',
      'module/cjs.js': `const { application } = require('potoroo')\nmodule.exports = application`,
    })
    await expect(inProject('topology', 'esm.js')).rejects.toThrow('npm pkg set type=module')
    await expect(inProject('topology', 'module/cjs.js')).rejects.toThrow('It is CommonJS, and its package.json says')
  })
})

test('SIGTERM to npx ends what it has started', async () => {
  const topic = uniqueName('npx')
  await createTopics([{ name: topic, partitions: 1 }])
  const tail = startNpm(['exec', '--', 'potoroo', 'tail', topic, '--debug'], {
    cwd: app,
    env: { KAFKA_BROKERS: inject('brokers') },
  })
  await tail.line(/tailing/)
  tail.kill('SIGTERM')
  await tail.allEnded()
})

test('potoroo/testing runs an application, with nothing beside it', async () => {
  const { stdout } = await node(`
    import * as z from 'zod'
    import { application, from, stateObject, topic } from 'potoroo'
    import { TestDriver } from 'potoroo/testing'
    const clicks = topic('clicks', { schema: z.object({ page: z.string() }), key: (click) => click.page })
    const count = stateObject('count', () => ({ clicks: 0 }))
    const app = application('pages', from(clicks).to(count, (state) => void state.clicks++))
    const driver = await TestDriver.start(app)
    await driver.pipe(clicks, [{ page: '/' }, { page: '/' }])
    await driver.settle()
    console.log(driver.state(count, '/').clicks)
    await driver.close()`)
  expect(stdout.trim()).toBe('2')
})

test('codecs of a schema registry need packages that are not installed, and say which', async () => {
  const { stdout } = await node(`
    import { schemaRegistry } from 'potoroo/schema-registry'
    const registry = schemaRegistry({ url: 'memory:' })
    for (const codec of [registry.avro(), registry.protobuf(), registry.json()])
      console.log(await codec.open('orders', 'read').then(() => 'ready', (error) => error.code + ': ' + error.message))`)
  expect(stdout.trim().split('\n')).toEqual([
    'DEPENDENCY_MISSING: Avro needs the package avsc, which is not installed: npm install avsc',
    'DEPENDENCY_MISSING: Protobuf needs the package protobufjs, which is not installed: npm install protobufjs',
    'ready',
  ])
})

test('types compile, those of its declarations among them', { timeout: 120_000 }, async () => {
  const compilerOptions = { module: 'NodeNext', target: 'ES2023', strict: true, noEmit: true, types: ['node'] }
  writeFiles(app, {
    'tsconfig.json': JSON.stringify({ compilerOptions, files: ['use.ts'] }),
    'use.ts': `
      import * as z from 'zod'
      import { application, from, startWorker, stateObject, topic, type RunningWorker } from 'potoroo'
      import marketSpread from 'potoroo/market-spread'
      import { schemaRegistry } from 'potoroo/schema-registry'
      import { TestDriver } from 'potoroo/testing'
      export const orders = topic('orders', { codec: schemaRegistry({ url: 'memory:' }).avro<{ id: string }>(), key: ({ id }) => id })
      const clicks = topic('clicks', { schema: z.object({ page: z.string() }), key: (click) => click.page })
      const count = stateObject('count', () => ({ clicks: 0 }))
      const pages = application('pages', from(clicks).to(count, (state, click) => {
        state.clicks += click.page.length
        // @ts-expect-error the schema knows no such field
        state.clicks += click.user
      }))
      export const drive = (): Promise<TestDriver> => TestDriver.start(pages, { partitions: 2 })
      export const start = (): Promise<RunningWorker> => startWorker(pages, { brokers: ['127.0.0.1:9092'] })
      export const name: string = marketSpread.name`,
  })
  expect(await compile(app)).toBe('')
})

test('the command line runs, and knows its version', async () => {
  expect((await potoroo('--help')).stdout).toContain('Usage: potoroo')
  expect((await potoroo('--version')).stdout.trim()).toBe(version)
})

test('the bundled application is where the command line looks for it, with its topics', async () => {
  const path = installed('dist', 'market-spread', 'application.js')
  expect(existsSync(path)).toBe(true)
  const { stdout } = await node(`console.log((await import(${JSON.stringify(path)})).default.name)`)
  expect(stdout.trim()).toBe('market-spread')
  writeFiles(app, { 'orders.ndjson': '' })
  // A topic that the application does not declare: it was loaded, and nothing was connected.
  await expect(potoroo('produce', 'nix', 'orders.ndjson')).rejects.toThrow(
    'it takes the topics of the bundled Market Spread: market-data, orders, rejections',
  )
})

test('documents and licence come along, tests and build leftovers do not', () => {
  for (const name of [
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'docker-compose.yml',
    'docs/design.md',
    'docs/tutorial.md',
  ])
    expect(readFileSync(installed(name), 'utf8')).toBe(readDocument(name))
  for (const name of ['test', '.ci', 'tsconfig.json', 'dist/.tsbuildinfo'])
    expect(existsSync(installed(name))).toBe(false)
})
