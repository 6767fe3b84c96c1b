/** Where the simulation is compiled to: checkouts that share their packages don't share that. */
import { existsSync, mkdirSync, readdirSync, rmSync, utimesSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../support/temporary.js'
import { compileSimulation, folderFor, removeForsaken } from './compile.mjs'

test('each checkout has a folder of its own, the same each time', () => {
  const cache = temporaryFolder()
  expect(folderFor('/a', cache)).toBe(folderFor('/a', cache))
  expect(folderFor('/b', cache)).not.toBe(folderFor('/a', cache))
  expect(readdirSync(cache)).toHaveLength(2)
})

test('the folders of checkouts that are gone are removed, and what has named none for a day', () => {
  const [cache, here, gone] = [temporaryFolder(), temporaryFolder(), temporaryFolder()]
  const [kept, removed] = [folderFor(here, cache), folderFor(gone, cache)]
  mkdirSync(join(removed, 'main', 'src'), { recursive: true })
  const [begun, old] = ['begun', 'old'].map((name) => join(cache, name))
  for (const folder of [begun, old]) mkdirSync(String(folder))
  // Seconds.
  const long = Date.now() / 1000 - 90_000
  utimesSync(String(old), long, long)
  utimesSync(kept, long, long)
  rmSync(gone, { recursive: true })
  removeForsaken(cache)
  expect(readdirSync(cache).sort()).toEqual([basename(kept), 'begun'].sort())
})

test('what is compiled is in the folder of this checkout', () => {
  const out = compileSimulation('test')
  expect(existsSync(join(out, 'test/sim/simulation.js'))).toBe(true)
  expect(existsSync(join(out, '..', 'checkout'))).toBe(true)
  rmSync(out, { recursive: true })
})
