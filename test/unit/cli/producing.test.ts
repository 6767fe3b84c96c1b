import { beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import type { TopicDefinition } from '../../../src/api/definition.js'
import { topic, topicDefinition } from '../../../src/api/topic.js'
import { type KeyedRecord, produceLines, type RefusedLine } from '../../../src/cli/producing.js'
import { loadPartitioners, partitionOf } from '../../../src/core/partitioner.js'
import { PotorooError } from '../../../src/errors.js'

beforeAll(() => loadPartitioners(['murmur2', 'xxh64']))

const definition: TopicDefinition = {
  name: 'things',
  partitions: 4,
  partitioner: 'murmur2',
  config: {},
  start: 'earliest',
  decode: (bytes, start, end) => {
    try {
      return JSON.parse(bytes.toString('utf8', start, end)) as unknown
    } catch (cause) {
      throw new PotorooError('NOT_JSON', 'no JSON', { cause })
    }
  },
  encode: () => '',
  key: { raw: (message) => (message as { key: string }).key, of: (message) => (message as { key: string }).key },
}

interface Result {
  readonly records: KeyedRecord[]
  readonly sizes: number[]
  readonly refused: RefusedLine[]
  readonly counts: { readonly sent: number; readonly refused: number }
}

async function produce(
  lines: readonly string[],
  { maxMessageBytes = 1_000_000, ...over }: Partial<TopicDefinition> & { maxMessageBytes?: number } = {},
): Promise<Result> {
  const records: KeyedRecord[] = []
  const sizes: number[] = []
  const refused: RefusedLine[] = []
  const topic = { name: 'things', partitions: 4, maxMessageBytes, cleanupPolicy: ['delete'], deleteRetentionMs: 1 }
  const input = async function* () {
    yield await Promise.resolve(Buffer.from(lines.join('\n')))
    yield Buffer.from('\n')
  }
  const counts = await produceLines(input(), {
    definition: { ...definition, ...over },
    topic,
    send: async (some) => {
      await Promise.resolve()
      sizes.push(some.reduce((sum, { value }) => sum + value.length, 0))
      records.push(...some)
    },
    refused: (line) => refused.push(line),
    progress: () => undefined,
  })
  return { records, sizes, refused, counts }
}
const thing = (key: string, n = 0): string => JSON.stringify({ key, n })

describe('produceLines', () => {
  test('keys and partitions as declared, in the order of the lines, values untouched', async () => {
    const lines = [' {"key":"b",  "n":1.0}', thing('a'), thing('b', 2)]
    const { records, counts } = await produce(lines)
    expect(records.map(({ value }) => value.toString())).toEqual(lines)
    expect(records.map(({ key }) => key?.toString())).toEqual(['b', 'a', 'b'])
    for (const { key, partition } of records) expect(partition).toBe(partitionOf('murmur2', key ?? Buffer.alloc(0), 4))
    expect(counts).toEqual({ sent: 3, refused: 0 })
  })

  test('uses the topic’s partitioner', async () => {
    const keys = Array.from({ length: 20 }, (_, i) => thing(`key ${String(i)}`))
    const { records } = await produce(keys, { partitioner: 'xxh64' })
    for (const { key, partition } of records) expect(partition).toBe(partitionOf('xxh64', key ?? Buffer.alloc(0), 4))
  })

  test('leaves out lines that do not fit, by number and reason, and goes on', async () => {
    const { records, refused, counts } = await produce([thing('a'), 'nix', '', thing('b'), thing('k'.repeat(1_901))])
    expect(records.map(({ key }) => key?.toString())).toEqual(['a', 'b'])
    expect(refused.map(({ number, error }) => [number, error.code])).toEqual([
      [2, 'NOT_JSON'],
      [5, 'KEY_TOO_LONG'],
    ])
    expect(counts).toEqual({ sent: 2, refused: 2 })
  })

  test('leaves out what the topic would not take', async () => {
    const { records, refused } = await produce([thing('a'), JSON.stringify({ key: 'x'.repeat(500) }), thing('b')], {
      maxMessageBytes: 1_000,
    })
    expect(records).toHaveLength(2)
    expect(refused.map(({ number, error }) => [number, error.code])).toEqual([[2, 'RECORD_TOO_LARGE']])
  })

  test('sends no more at once than the topic takes in a batch', async () => {
    const lines = Array.from({ length: 100 }, (_, i) => thing('a', i))
    const { records, sizes } = await produce(lines, { maxMessageBytes: 1_000 })
    expect(records.map(({ value }) => value.toString())).toEqual(lines)
    expect(Math.max(...sizes)).toBeLessThan(1_000 - 61)
    expect(sizes.length).toBeGreaterThan(4)
  })

  test('leaves out what a schema throws at', async () => {
    const schema = z.object({ key: z.string(), id: z.string().transform((id) => BigInt(id)) })
    const throwing = topicDefinition(topic('things', { schema, key: ({ key }) => key }), 'test')
    const decode = throwing.decode.bind(throwing)
    const lines = ['7', 'seven', '8', 'eight'].map((id) => JSON.stringify({ key: 'a', id }))
    const { records, refused } = await produce(lines, { decode })
    expect(records.map(({ value }) => value.toString())).toEqual([lines[0], lines[2]])
    expect(refused.map(({ number, error }) => [number, error.code])).toEqual([
      [2, 'SCHEMA_MISMATCH'],
      [4, 'SCHEMA_MISMATCH'],
    ])
  })

  test('a mistake in the definition is no fault of the lines', async () => {
    const decode = (): never => {
      throw new PotorooError('INVALID_DEFINITION', 'async schema')
    }
    await expect(produce([thing('a')], { decode })).rejects.toMatchObject({ code: 'INVALID_DEFINITION' })
  })

  test('nothing is sent while something is under way, and nothing after a failure', async () => {
    let underWay = 0
    let sends = 0
    const input = async function* () {
      for (let i = 0; i < 5; i++) yield await Promise.resolve(Buffer.from(`${thing('a', i)}\n`))
    }
    const produced = produceLines(input(), {
      definition,
      topic: { name: 'things', partitions: 1, maxMessageBytes: 1e6, cleanupPolicy: [], deleteRetentionMs: 1 },
      send: async () => {
        expect(++underWay).toBe(1)
        await new Promise<void>((resolve) => setImmediate(resolve))
        underWay -= 1
        if (++sends === 3) throw new PotorooError('REQUEST_FAILED', 'gone')
      },
      refused: () => undefined,
      progress: () => undefined,
    })
    await expect(produced).rejects.toMatchObject({ code: 'REQUEST_FAILED' })
    expect(sends).toBe(3)
  })
})
