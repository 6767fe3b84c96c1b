import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { application } from '../../../src/api/application.js'
import { from } from '../../../src/api/stream.js'
import { topic } from '../../../src/api/topic.js'
import { loadApplication, topicOf } from '../../../src/cli/application.js'
import { definitionOf } from '../../../src/api/application.js'
import * as z from 'zod'
import { temporaryFolder } from '../../support/temporary.js'

function module(name: string, text: string): string {
  const path = join(temporaryFolder(), name)
  writeFileSync(path, text)
  return path
}

describe('loadApplication', () => {
  test('says which file is not there', async () => {
    await expect(loadApplication('nowhere/app.js')).rejects.toMatchObject({
      code: 'INVALID_CONFIGURATION',
      message: expect.stringMatching(/there is no module .*nowhere\/app\.js/) as unknown,
    })
  })

  test('wants a file: a pipe would be waited for', async () => {
    for (const path of [temporaryFolder(), '/dev/null'])
      await expect(loadApplication(path)).rejects.toMatchObject({
        code: 'INVALID_CONFIGURATION',
        message: expect.stringContaining('is no file') as unknown,
      })
  })

  test('says why a module does not load', async () => {
    const path = module('app.mjs', "throw new Error('no luck')")
    await expect(loadApplication(path)).rejects.toMatchObject({
      code: 'INVALID_DEFINITION',
      message: `${path} does not load: no luck`,
    })
  })

  test.each([
    ['app.mjs', "import 'not-there'", 'not-there'],
    ['app.mjs', "import '@not/there/at-all.js'", '@not/there'],
    ['app.cjs', "require('not-there/at-all')", 'not-there'],
    ['app.mjs', "await import('not-there')", 'not-there'],
  ])('says which package is not installed (%s, %s)', async (name, text, missing) => {
    await expect(loadApplication(module(name, text))).rejects.toMatchObject({
      code: 'DEPENDENCY_MISSING',
      cure: `npm install ${missing}`,
    })
  })

  test.each([
    ['app.mjs', "import './not-there.js'"],
    ['app.cjs', "require('./not-there.js')"],
    ['app.cjs', "require('/not-there')"],
    ['app.mjs', "import '#not-there'"],
  ])('takes a file that is not there for no package (%s, %s)', async (name, text) => {
    await expect(loadApplication(module(name, text))).rejects.toMatchObject({ code: 'INVALID_DEFINITION' })
  })

  test.each(['export const a = 1', 'export default 7', 'export default { name: "a" }'])(
    'takes no %j for an application',
    async (text) => {
      await expect(loadApplication(module('app.mjs', text))).rejects.toMatchObject({
        code: 'INVALID_DEFINITION',
        message: expect.stringContaining('is no application') as unknown,
      })
    },
  )
})

describe('an application is found', () => {
  const make = (name: string): string =>
    `{ name: '${name}', [Symbol.for('potoroo.application')]: { name: '${name}', pipelines: [] } }`

  test.each([
    ['export default', 'app.mjs', `export default ${make('a')}`],
    ['export const', 'app.mjs', `export const a = ${make('a')}; export const other = 7`],
    ['both, of which the default counts', 'app.mjs', `export default ${make('a')}; export const b = ${make('b')}`],
    ['the same twice', 'app.mjs', `export const a = ${make('a')}; export const again = a`],
    ['module.exports =', 'app.cjs', `module.exports = ${make('a')}`],
    ['exports.default =', 'app.cjs', `exports.default = ${make('a')}`],
    [
      'exports.default, compiled',
      'app.cjs',
      `Object.defineProperty(exports, '__esModule', { value: true }); exports.default = ${make('a')}`,
    ],
    [
      'module.exports with a getter, as esbuild writes it',
      'app.cjs',
      `module.exports = Object.defineProperty({}, 'default', { get: () => (${make('a')}), enumerable: true })`,
    ],
    ['exports.a =', 'app.cjs', `exports.a = ${make('a')}; exports.other = 7`],
    ['module.exports = { a }', 'app.cjs', `const a = ${make('a')}; module.exports = { a }`],
  ])('%s', async (_, name, text) => {
    expect((await loadApplication(module(name, text))).definition.name).toBe('a')
  })

  test.each([
    ['app.mjs', `export const a = ${make('a')}; export const b = ${make('b')}`],
    ['app.cjs', `exports.a = ${make('a')}; exports.b = ${make('b')}`],
  ])('but not among several (%s)', async (name, text) => {
    await expect(loadApplication(module(name, text))).rejects.toMatchObject({
      code: 'INVALID_DEFINITION',
      message: expect.stringContaining('exports several applications (a, b): make one the default export') as unknown,
    })
  })

  test.each([
    'module.exports = new Proxy({}, { get() { throw 1 }, ownKeys() { throw 2 }, has() { throw 3 } })',
    'module.exports = { get default() { throw 1 } }',
    'module.exports = null',
    'exports.default = 7',
  ])('and not in %j', async (text) => {
    await expect(loadApplication(module('app.cjs', text))).rejects.toMatchObject({ code: 'INVALID_DEFINITION' })
  })
})

describe('topicOf', () => {
  const make = (name: string) => topic(name, { schema: z.object({ id: z.string() }), key: ({ id }) => id })
  const definition = definitionOf(application('copy', from(make('in')).sink(make('out'))))

  test('finds sources and sinks', () => {
    expect(topicOf(definition, 'in').name).toBe('in')
    expect(topicOf(definition, 'out').name).toBe('out')
  })

  test('names those there are', () => {
    expect(() => topicOf(definition, 'nix')).toThrow('application copy declares no topic nix; it declares in, out')
  })
})
