/**
 * Values that are right or wrong in no other way than their size: each counts, or is a dead letter, and the worker continues.
 * INTERNAL never follows from input.
 */
import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { application, from, stateObject, topic, type Message } from '../../../src/index.js'
import { TestDriver } from '../../../src/testing/index.js'

/** Goes as deep as the value does, as a schema of a tree is written. */
const tree: z.ZodType = z.lazy(() => z.union([z.string(), z.number(), z.array(tree), z.record(z.string(), tree)]))

const entries = topic('entries', {
  schema: z.looseObject({ key: z.string(), tree: tree.optional(), keep: z.boolean().optional() }),
  key: (entry) => entry.key,
  config: { 'max.message.bytes': String(2 ** 28) },
})
const counts = topic('counts', { schema: z.object({ key: z.string(), count: z.number() }), key: ({ key }) => key })
const counter = stateObject('counter', (): { count: number; kept?: unknown } => ({ count: 0 }))
const app = application(
  'sizes',
  from(entries)
    .to(counter, (state, entry: Message<typeof entries>) => {
      state.count++
      if (entry.keep === true) state.kept = entry
      return { key: entry.key, count: state.count }
    })
    .sink(counts),
)

const fields = (count: number): string => Array.from({ length: count }, (_, i) => `"f${String(i)}":${String(i)}`).join()
const nested = (open: string, close: string, levels: number): string => open.repeat(levels) + close.repeat(levels)

/** What stands behind the key in an entry, and the dead letter that it becomes: by default it counts. */
const sizes: [what: string, more: () => string, code?: string][] = [
  ['a string of 2^20 characters', () => `"note":"${'x'.repeat(2 ** 20)}"`],
  ['a string of 2^23 characters', () => `"note":"${'x'.repeat(2 ** 23)}"`],
  ['a string of 2^23 escapes', () => `"note":"${String.raw`\n`.repeat(2 ** 23)}"`],
  ['a string of 2^26 characters', () => `"note":"${'x'.repeat(2 ** 26)}"`],
  ['a string of 2^23 characters that does not end', () => `"note":"${'x'.repeat(2 ** 23)}`, 'NOT_JSON'],
  ['a name of 2^24 characters', () => `"${'n'.repeat(2 ** 24)}":1`],
  ['2^24 spaces', () => `"note":${' '.repeat(2 ** 24)}1`],
  ['a number of 10^7 decimals', () => `"note":0.${'3'.repeat(10_000_000)}`],
  ['a number of 10^7 digits', () => `"note":${'3'.repeat(10_000_000)}`, 'NUMBER_NOT_EXACT'],
  ['an array of 10^6 numbers', () => `"note":[${'1,'.repeat(1_000_000)}1]`],
  ['10^5 fields', () => fields(100_000)],
  ['arrays 10^5 levels deep', () => `"note":${nested('[', ']', 100_000)}`],
  ['objects 10^5 levels deep', () => `"note":${'{"n":'.repeat(100_000)}1${'}'.repeat(100_000)}`],
  [
    'arrays that make the schema call itself 10^5 times',
    () => `"tree":${nested('[', ']', 100_000)}`,
    'SCHEMA_MISMATCH',
  ],
  ['an altered number 10^5 levels deep', () => `"note":${'[{"n":'.repeat(50_000)}9007199254740993${'}]'.repeat(50_000)}`, 'NUMBER_NOT_EXACT'], // prettier-ignore
  ['a tree to keep, 10^5 levels deep', () => `"keep":true,"note":${nested('[', ']', 100_000)}`, 'STATE_NOT_PACKABLE'],
  ['names to keep, of 256 kB each, 201 levels deep', () => `"keep":true,"note":${`{"${'n'.repeat(2 ** 18)}":`.repeat(200)}{}${'}'.repeat(200)}`, 'STATE_NOT_PACKABLE'], // prettier-ignore
  ['an array to keep, of 2·10^6 numbers', () => `"keep":true,"note":[${'1,'.repeat(2_000_000)}1]`, 'RECORD_TOO_LARGE'],
  ['a string to keep, of 2^24 characters', () => `"keep":true,"note":"${'x'.repeat(2 ** 24)}"`, 'RECORD_TOO_LARGE'],
]

describe('a message counts, or is a dead letter, and those beside it count', () => {
  it.each(sizes)('%s', async (_, more, code) => {
    const driver = await TestDriver.start(app, { partitions: 1 })
    const plain = { key: 'a', value: '{"key":"a"}' }
    await driver.pipeRaw(entries, plain)
    await driver.pipeRaw(entries, { key: 'a', value: `{"key":"a",${more()}}` })
    await driver.pipeRaw(entries, plain)
    await driver.settle()
    expect(driver.workers.map(({ running }) => running)).toEqual([true])
    expect(driver.readDeadLetters().map((letter) => letter.code)).toEqual(code === undefined ? [] : [code])
    const last = code === undefined ? 3 : 2
    expect(driver.read(counts).map(({ count }) => count)).toEqual([1, 2, 3].slice(0, last))
    await driver.close()
  })
})
