import { beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import type { TopicDefinition } from '../../../src/api/definition.js'
import { topic, topicDefinition } from '../../../src/api/topic.js'
import {
  type KeyedRecord,
  type Produced,
  produceLines,
  type ProduceTarget,
  rangesOf,
  type RefusedLine,
  totalOf,
} from '../../../src/cli/producing.js'
import { loadPartitioners, partitionOf } from '../../../src/core/plan/partitioner.js'
import { PotorooError } from '../../../src/errors.js'
import { messagePackCodec } from '../../../src/index.js'
import { acknowledging } from '../../support/acknowledging.js'

beforeAll(() => loadPartitioners(['murmur2', 'xxh64']))

const definition: TopicDefinition = {
  name: 'things',
  partitions: 4,
  partitioner: 'murmur2',
  config: {},
  start: 'earliest',
  latenessMs: 1000,
  ticks: true,
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

type Over = Partial<TopicDefinition> &
  Pick<ProduceTarget, 'timestampField' | 'headers'> & { readonly maxMessageBytes?: number }

interface Result {
  readonly records: KeyedRecord[]
  readonly refused: RefusedLine[]
  readonly counts: { readonly sent: number; readonly refused: number }
}

async function produce(
  lines: readonly string[],
  { maxMessageBytes = 1_000_000, timestampField, headers, ...over }: Over = {},
): Promise<Result> {
  const records: KeyedRecord[] = []
  const refused: RefusedLine[] = []
  const topic = { name: 'things', partitions: 4, maxMessageBytes, cleanupPolicy: ['delete'], deleteRetentionMs: 1 }
  const input = async function* () {
    yield await Promise.resolve(Buffer.from(lines.join('\n')))
    yield Buffer.from('\n')
  }
  const produced = await produceLines(input(), {
    definition: { ...definition, ...over },
    topic,
    timestampField,
    headers,
    send: async (some) => {
      records.push(...some)
      return Promise.resolve(acknowledging(some))
    },
    refused: (line) => refused.push(line),
    progress: () => undefined,
  })
  expect(produced.failure).toBeUndefined()
  return { records, refused, counts: { sent: totalOf(produced.acknowledged), refused: produced.refused } }
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

  test('writes what a codec makes of the JSON in a line, under keys of any bytes', async () => {
    const codec = messagePackCodec<{ key: string }>()
    const coded = topicDefinition(topic('things', { codec, key: (m) => m.key, keyFormat: 'hex' }), 'it')
    const { records, refused } = await produce(['{"key":"00ff"}', '{"key":"nix"}', 'nix'], coded)
    expect(records.map(({ key, value }) => [key, codec.decode(value, 'things')])).toEqual([
      [Buffer.of(0, 255), { key: '00ff' }],
    ])
    expect(refused.map(({ error }) => error.code)).toEqual(['OUTPUT_INVALID', 'NOT_JSON'])
  })

  test('leaves out lines that do not fit, by number and reason, and continues', async () => {
    const { records, refused, counts } = await produce([thing('a'), 'nix', '', thing('b'), thing('k'.repeat(1_901))])
    expect(records.map(({ key }) => key?.toString())).toEqual(['a', 'b'])
    expect(refused.map(({ number, error }) => [number, error.code])).toEqual([
      [2, 'NOT_JSON'],
      [5, 'KEY_TOO_LONG'],
    ])
    expect(counts).toEqual({ sent: 2, refused: 2 })
  })

  test('gives each record the time that is in its line, and leaves out lines without one', async () => {
    const ms = Date.UTC(2026, 0, 31, 12)
    const times = [ms, '2026-01-31T12:00:00Z', '2026-01-31T13:00:00.000+01:00', '2026-01-31']
    const none = ['2026-01-31T12:00', 'soon', 1.5, -1, null, { at: ms }, undefined, 1e300]
    const lines = [...times, ...none].map((at) => JSON.stringify({ key: 'a', order: { at } }))
    const { records, refused } = await produce([...lines, '{"key":"a","order":7}'], { timestampField: ['order', 'at'] })
    expect(records.map(({ timestampMs }) => timestampMs)).toEqual([ms, ms, ms, Date.UTC(2026, 0, 31)])
    expect(records.map(({ value }) => value.toString())).toEqual(lines.slice(0, 4))
    expect(refused.map(({ number, error }) => [number, error.code])).toEqual(
      [...none, 7].map((_, i) => [times.length + i + 1, 'SCHEMA_MISMATCH']),
    )
    expect(refused[1]?.error.message).toContain('order.at is "soon": a timestamp must be')
    // No field of the line is meant that is one of all objects.
    expect((await produce([thing('a')], { timestampField: ['constructor'] })).refused).toHaveLength(1)
  })

  test('without such a field leaves the time to who sends it', async () => {
    expect((await produce([thing('a')])).records[0]?.timestampMs).toBeUndefined()
  })

  test('gives each record the headers, which count for what the topic takes', async () => {
    const headers = [{ key: 'source', value: Buffer.from('x'.repeat(400)) }]
    const lines = [thing('a'), JSON.stringify({ key: 'a', text: 'x'.repeat(500) })]
    const { records, refused } = await produce(lines, { headers, maxMessageBytes: 1_000 })
    expect(records.map((record) => record.headers)).toEqual([headers])
    expect(refused.map(({ error }) => error.code)).toEqual(['RECORD_TOO_LARGE'])
    expect((await produce(lines, { maxMessageBytes: 1_000 })).records).toHaveLength(2)
  })

  test('leaves out what the topic would not take', async () => {
    const { records, refused } = await produce([thing('a'), JSON.stringify({ key: 'x'.repeat(500) }), thing('b')], {
      maxMessageBytes: 1_000,
    })
    expect(records).toHaveLength(2)
    expect(refused.map(({ number, error }) => [number, error.code])).toEqual([[2, 'RECORD_TOO_LARGE']])
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

  test('counts what is acknowledged, by partition, and numbers the records by their lines', async () => {
    const keys = ['a', 'b', 'c', 'd', 'e']
    const { produced, sent } = await produceChunks([
      [thing('a'), 'nix', thing('b')],
      [thing('c'), thing('d')],
      [thing('e')],
    ])
    expect(sent.map(({ line }) => line)).toEqual([1, 3, 4, 5, 6])
    const expected = new Map<number, number>()
    for (const key of keys) {
      const partition = partitionOf('murmur2', Buffer.from(key), 4)
      expected.set(partition, (expected.get(partition) ?? 0) + 1)
    }
    expect(produced).toEqual({ acknowledged: expected, refused: 1, failure: undefined })
  })

  test('nothing is sent while something is under way, and nothing after a failure, which names the lines', async () => {
    let underWay = 0
    let sends = 0
    const gone = new PotorooError('REQUEST_FAILED', 'gone')
    const { produced, sent } = await produceChunks(
      [[thing('a', 1), thing('a', 2)], [thing('a', 3), 'nix', thing('b', 5), thing('a', 6)], [thing('a', 7)]],
      {
        send: async (records) => {
          expect(++underWay).toBe(1)
          await new Promise<void>((resolve) => setImmediate(resolve))
          underWay -= 1
          if (++sends === 1) return acknowledging(records)
          const lost = records.slice(1).reverse()
          return [
            { partition: 3, acknowledged: 1, missing: [], error: undefined },
            { partition: 1, acknowledged: 0, missing: lost, error: gone },
          ]
        },
      },
    )
    expect(sends).toBe(2)
    expect(sent.map(({ line }) => line)).toEqual([1, 2, 3, 5, 6])
    expect(produced).toMatchObject({ refused: 1, failure: { error: gone, missing: [5, 6], lastLine: 6 } })
    expect(totalOf(produced.acknowledged)).toBe(3)
  })

  test('an input that breaks, or a mistake in the definition, ends it with what was acknowledged until then', async () => {
    const broken = new PotorooError('INVALID_CONFIGURATION', 'a directory')
    const { produced } = await produceChunks([[thing('a')], broken])
    expect(produced).toMatchObject({ refused: 0, failure: { error: broken, missing: [], lastLine: 1 } })
    expect(totalOf(produced.acknowledged)).toBe(1)

    const mistake = new PotorooError('INVALID_DEFINITION', 'async schema')
    const decode = (bytes: Buffer, start: number, end: number): unknown => {
      if (bytes.includes('oops')) throw mistake
      return definition.decode(bytes, start, end)
    }
    const undefinable = await produceChunks([[thing('a')], [thing('b'), thing('oops')]], { decode })
    expect(undefinable.produced).toMatchObject({ failure: { error: mistake, missing: [], lastLine: 2 } })
    expect(totalOf(undefinable.produced.acknowledged)).toBe(1)
  })

  test.each([
    [[], ''],
    [[7], '7'],
    [[7, 8], '7-8'],
    [[1, 2, 3, 7, 9, 10], '1-3, 7, 9-10'],
  ])('lines %j are told as %j', (lines, text) => {
    expect(rangesOf(lines)).toBe(text)
  })
})

/** Each chunk as it comes; an error in its place is where the input breaks. */
async function produceChunks(
  chunks: readonly (readonly string[] | Error)[],
  { send, decode }: Partial<Pick<TopicDefinition, 'decode'> & Pick<ProduceTarget, 'send'>> = {},
): Promise<{ readonly produced: Produced; readonly sent: KeyedRecord[] }> {
  const sent: KeyedRecord[] = []
  const input = async function* () {
    for (const chunk of chunks) {
      if (chunk instanceof Error) throw chunk
      yield await Promise.resolve(Buffer.from(chunk.map((line) => `${line}\n`).join('')))
    }
  }
  const produced = await produceLines(input(), {
    definition: { ...definition, ...(decode === undefined ? {} : { decode }) },
    topic: { name: 'things', partitions: 4, maxMessageBytes: 1e6, cleanupPolicy: [], deleteRetentionMs: 1 },
    send: (records) => {
      sent.push(...records)
      return send?.(records) ?? Promise.resolve(acknowledging(records))
    },
    refused: () => undefined,
    progress: () => undefined,
  })
  return { produced, sent }
}
