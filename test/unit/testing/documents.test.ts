/** What docs/tutorial.md and docs/testing.md show of TestDriver compiles, strictly, and runs; so does what docs/routing.md shows. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import type { Application, Topic } from '../../../src/index.js'
import { TestDriver } from '../../../src/testing/index.js'
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

interface Reading {
  readonly meter: string
  readonly site: string
  readonly watts: number
}
interface Plant {
  readonly default: Application
  readonly readings: Topic<Reading>
  readonly corrections: Topic<Reading>
  readonly alarms: Topic<{ readonly meter: string; readonly sum: number }>
  readonly totals: Topic<{ readonly site: string; readonly sum: number }>
}

const tutorial = codeBlocks(readDocument('docs/tutorial.md'))
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
  'application.ts': blockWith(tutorial, 'ts', "application('bank'"),
  'tutorial.ts': blockWith(tutorial, 'ts', 'potoroo/testing'),
  'plant.ts': blockWith(codeBlocks(readDocument('docs/routing.md')), 'ts', "application(\n  'plant'"),
  'shown.ts': shown.map(({ text }) => text).join('\n'),
})
const load = (file: string): Promise<unknown> => import(pathToFileURL(join(folder, file)).href)

test('the documents’ code compiles', { timeout: 120_000 }, async () => {
  expect(await compile(folder)).toBe('')
})

test('the tutorial’s code runs', async () => {
  await load('tutorial.ts')
})

test.each([1, 7])('the application of docs/routing.md does what it says, on %i partitions', async (partitions) => {
  const plant = (await load('plant.ts')) as Plant
  const driver = await TestDriver.start(plant.default, { partitions, workers: 2 })
  onTestFinished(() => driver.close())
  await driver.pipe(plant.readings, [
    { meter: 'm1', site: 's1', watts: 700 },
    { meter: 'm2', site: 's1', watts: 200 },
  ])
  await driver.pipe(plant.corrections, { meter: 'm1', site: 's1', watts: 400 })
  await driver.settle()
  expect(driver.read(plant.alarms)).toEqual([{ meter: 'm1', sum: 1100 }])
  expect(Math.max(...driver.read(plant.totals).map(({ sum }) => sum))).toBe(1300)
})

// Its tests become tests of this file.
expect(shown.length).toBeGreaterThan(4)
await load('shown.ts')
