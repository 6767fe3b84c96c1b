/** The package as npm packs it, installed into an empty folder: what a user gets, and nothing of this checkout. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { compile, linkPackages, readDocument, ROOT, writeFiles } from '../support/documents.js'
import { temporaryFolder } from '../support/temporary.js'

const folder = temporaryFolder()
const app = join(folder, 'app')
const installed = (...path: string[]): string => join(app, 'node_modules', 'potoroo', ...path)
const run = promisify(execFile)
const { version } = JSON.parse(readDocument('package.json')) as { version: string }

/** Without what `npm test` tells the processes that it starts: this is another package. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_(package|lifecycle)_/.test(name)))

beforeAll(async () => {
  await run('npm', ['pack', '--pack-destination', folder], { cwd: ROOT, env })
  mkdirSync(app)
  writeFiles(app, { 'package.json': JSON.stringify({ name: 'app', private: true, type: 'module' }) })
  const flags = ['--prefer-offline', '--no-audit', '--no-fund']
  await run('npm', ['install', join(folder, `potoroo-${version}.tgz`), ...flags], { cwd: app, env })
})

const node = (source: string) => run(process.execPath, ['--input-type=module', '--eval', source], { cwd: app, env })

test('an import gives the public API, and nothing else', async () => {
  const { stdout } = await node(`console.log(Object.keys(await import('potoroo')).sort().join())`)
  expect(stdout.trim()).toBe(
    'PotorooError,application,bytesCodec,from,isPotorooError,merge,messagePackCodec,startWorker,stateObject,stringCodec,topic',
  )
  await expect(node(`await import('potoroo/dist/core/records.js')`)).rejects.toThrow('ERR_PACKAGE_PATH_NOT_EXPORTED')
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
  linkPackages(app, ['@types/node'])
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
  const potoroo = join(app, 'node_modules', '.bin', 'potoroo')
  expect((await run(potoroo, ['--help'], { cwd: app, env })).stdout).toContain('Usage: potoroo')
  expect((await run(potoroo, ['--version'], { cwd: app, env })).stdout.trim()).toBe(version)
})

test('the bundled application is where the command line looks for it, with its topics', async () => {
  const path = installed('dist', 'market-spread', 'application.js')
  expect(existsSync(path)).toBe(true)
  const { stdout } = await node(`console.log((await import(${JSON.stringify(path)})).default.name)`)
  expect(stdout.trim()).toBe('market-spread')
  writeFiles(app, { 'orders.ndjson': '' })
  const potoroo = join(app, 'node_modules', '.bin', 'potoroo')
  // A topic that the application does not declare: it was loaded, and nothing was connected.
  await expect(run(potoroo, ['produce', 'nix', 'orders.ndjson'], { cwd: app, env })).rejects.toThrow(
    'application market-spread declares no topic nix; it declares market-data, orders, rejections',
  )
})

test('documents and licence come along, tests and build leftovers do not', () => {
  for (const name of ['README.md', 'LICENSE', 'CHANGELOG.md', 'docker-compose.yml', 'docs/design.md'])
    expect(readFileSync(installed(name), 'utf8')).toBe(readDocument(name))
  for (const name of ['test', '.ci', 'tsconfig.json', 'dist/.tsbuildinfo'])
    expect(existsSync(installed(name))).toBe(false)
})
