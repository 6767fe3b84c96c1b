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

  test('asks for the compiled module', async () => {
    await expect(loadApplication(module('app.ts', ''))).rejects.toMatchObject({
      code: 'INVALID_CONFIGURATION',
      message: expect.stringContaining('is TypeScript') as unknown,
    })
  })

  test('says why a module does not load', async () => {
    const path = module('app.mjs', "throw new Error('no luck')")
    await expect(loadApplication(path)).rejects.toMatchObject({
      code: 'INVALID_DEFINITION',
      message: `${path} does not load: no luck`,
    })
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
