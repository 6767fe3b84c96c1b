/** Whatever is piped into `produce`, and however it comes: what fits is sent as it is, the rest is told by its number. */
import { isUtf8 } from 'node:buffer'
import * as z from 'zod'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { topic } from '../../../src/index.js'
import { topicDefinition } from '../../../src/api/topic.js'
import { produceLines, totalOf } from '../../../src/cli/producing.js'
import { acknowledging } from '../../support/acknowledging.js'

const things = topic('things', {
  schema: z.object({ key: z.string(), note: z.unknown().optional() }),
  key: ({ key }) => key,
})
const definition = topicDefinition(things, 'test')
const MAX_BYTES = 100_000
const info = { name: 'things', partitions: 4, maxMessageBytes: MAX_BYTES, cleanupPolicy: [], deleteRetentionMs: 1 }

interface Produced {
  readonly sent: Buffer[]
  readonly refused: [number, string][]
}
async function produce(chunks: readonly Uint8Array[]): Promise<Produced> {
  const [sent, refused]: [Buffer[], [number, string][]] = [[], []]
  const produced = await produceLines(
    (async function* () {
      for (const chunk of chunks) yield await Promise.resolve(Buffer.from(chunk))
    })(),
    {
      definition,
      topic: info,
      send: (records) => {
        for (const { key, value, partition } of records) {
          sent.push(value)
          expect(key?.equals(Buffer.from((JSON.parse(value.toString()) as { key: string }).key))).toBe(true)
          expect(partition).toBeLessThan(4)
        }
        return Promise.resolve(acknowledging(records))
      },
      refused: ({ number, error }) => refused.push([number, error.code]),
      progress: () => undefined,
    },
  )
  expect(produced).toMatchObject({ refused: refused.length, failure: undefined })
  expect(totalOf(produced.acknowledged)).toBe(sent.length)
  return { sent, refused }
}
/** The input in pieces that end at these places. */
const cut = (input: Buffer, places: readonly number[]): Buffer[] => {
  const ends = [...new Set([...places.map((place) => place % (input.length + 1)), input.length])].sort((a, b) => a - b)
  return ends.map((end, at) => input.subarray(ends[at - 1] ?? 0, end))
}

/** Line by line, as anybody would say who reads the help. */
function expected(input: Buffer): Produced {
  const [sent, refused]: [Buffer[], [number, string][]] = [[], []]
  let number = 0
  for (let at = 0; at < input.length;) {
    const newline = input.indexOf(10, at)
    const end = newline < 0 ? input.length : newline
    let line = input.subarray(at, end)
    at = end + 1
    if (++number === 1 && line.subarray(0, 3).equals(Buffer.from('\ufeff'))) line = line.subarray(3)
    if (line.at(-1) === 13) line = line.subarray(0, -1)
    if (line.length === 0) continue
    const code = judge(line)
    if (code === undefined) sent.push(line)
    else refused.push([number, code])
  }
  return { sent, refused }
}
function judge(line: Buffer): string | undefined {
  if (line.length > MAX_BYTES) return 'RECORD_TOO_LARGE'
  let json: unknown
  try {
    if (!isUtf8(line)) return 'NOT_JSON'
    json = JSON.parse(line.toString())
  } catch {
    return 'NOT_JSON'
  }
  const { key } = (json ?? {}) as { key?: unknown }
  if (typeof json !== 'object' || typeof key !== 'string') return 'SCHEMA_MISMATCH'
  if (!key.isWellFormed()) return 'OUTPUT_INVALID'
  return Buffer.byteLength(key) > 1800 ? 'KEY_TOO_LONG' : undefined
}

const line = fc.oneof(
  fc.string({ maxLength: 5 }).map((key) => Buffer.from(JSON.stringify({ key }))),
  fc
    .constantFrom(
      '',
      '\r',
      ' ',
      '\0',
      '\ufeff',
      'null',
      '[]',
      '{"key":"\\ud800"}',
      '{"key":"\ufffd"}',
      '{"key":7}',
      '{"key":"a"',
    )
    .map((text) => Buffer.from(text)),
  fc
    .constantFrom(
      '{"key":"__proto__","__proto__":{"key":"x"}}',
      '{"__proto__":{"key":"x"}}',
      '{"key":"a","key":"b"}',
      ' {"key":"a\\u0000b"}\t',
    )
    .map((text) => Buffer.from(text)),
  fc.constantFrom(1800, 1801, 200_000).map((length) => Buffer.from(JSON.stringify({ key: 'k'.repeat(length) }))),
  fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
  fc.json({ maxDepth: 3 }).map((text) => Buffer.from(text)),
)

describe('lines of any kind', () => {
  test('are sent or refused, each as if alone, however the input is cut', async () => {
    const input = fc
      .tuple(
        fc.boolean(),
        fc.array(fc.tuple(line, fc.constantFrom('\n', '\r\n')), { maxLength: 25, size: 'max' }),
        fc.boolean(),
      )
      .map(([mark, lines, ends]) => {
        const all = lines.flatMap(([bytes, end]) => [bytes, Buffer.from(end)])
        return Buffer.concat([Buffer.from(mark ? '\ufeff' : ''), ...(ends ? all : all.slice(0, -1))])
      })
    await fc.assert(
      fc.asyncProperty(input, fc.array(fc.nat(), { maxLength: 8 }), async (bytes, places) => {
        expect(await produce(cut(bytes, places))).toEqual(expected(bytes))
      }),
      { numRuns: 300 },
    )
  })

  test.each<[string, Buffer, number, [number, string][]]>([
    ['nothing', Buffer.alloc(0), 0, []],
    ['a line end', Buffer.from('\n'), 0, []],
    ['100,000 line ends', Buffer.alloc(100_000, '\n'), 0, []],
    ['no line end after the last', Buffer.from('{"key":"a"}\n{"key":"b"}'), 2, []],
    ['half a line', Buffer.from('{"key":"a"}\n{"key":'), 1, [[2, 'NOT_JSON']]],
    ['1 MB of code 0', Buffer.alloc(1_000_000), 0, [[1, 'RECORD_TOO_LARGE']]],
    ['20 MB without a line end', Buffer.alloc(20_000_000, 'x'), 0, [[1, 'RECORD_TOO_LARGE']]],
    [
      '20 MB in front of what is right',
      Buffer.concat([Buffer.alloc(20_000_000, 'x'), Buffer.from('\n{"key":"a"}')]),
      1,
      [[1, 'RECORD_TOO_LARGE']],
    ],
    [
      'UTF-16',
      Buffer.from('\ufeff{"key":"a"}\n', 'utf16le'),
      0,
      [
        [1, 'NOT_JSON'],
        [2, 'NOT_JSON'],
      ],
    ],
    ['40,000 levels', Buffer.from(`{"key":"a","note":${'['.repeat(40_000)}${']'.repeat(40_000)}}`), 1, []],
  ])('%s', async (_, input, sent, refused) => {
    const pieces = cut(
      input,
      Array.from({ length: Math.floor(input.length / 65_536) }, (__, n) => n * 65_536),
    )
    const produced = await produce(pieces)
    expect([produced.sent.length, produced.refused]).toEqual([sent, refused])
  })
})
