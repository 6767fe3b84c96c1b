/** A fault is planted by replacing a text of a source, which has to be there, once: found out here without compiling anything. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { plantedFaults } from './planted-faults/index.js'

const sources = new Map<string, string>()
const sourceOf = (file: string): string => {
  const source = sources.get(file) ?? readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
  sources.set(file, source)
  return source
}

test.each(plantedFaults.flatMap(({ what, plants }) => plants.map(({ file, find }) => ({ what, file, find }))))(
  'it is there once, in $file, to plant “$what”',
  ({ file, find }) => {
    expect(sourceOf(file).split(find).length - 1, find).toBe(1)
  },
)
