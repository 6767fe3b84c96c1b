import { describe, expect, test } from 'vitest'
import { lineFormat } from '../../../src/cli/record-lines.js'
import type { TailRecord } from '../../../src/cli/tailing.js'

const record = (over: Partial<TailRecord> = {}): TailRecord => ({
  partition: 3,
  offset: 12,
  timestampMs: Date.UTC(2026, 0, 31, 12),
  key: Buffer.from('ada'),
  value: Buffer.from('{"amount":5}'),
  headers: () => [],
  ...over,
})
const text = (over?: Partial<TailRecord>): string => lineFormat('text', false)(record(over)).toString()
const json = (over?: Partial<TailRecord>): unknown => JSON.parse(lineFormat('json', false)(record(over)).toString())
const headers: TailRecord['headers'] = () => [
  { key: 'source', value: Buffer.from('import') },
  { key: 'source', value: Buffer.from([0xff, 0]) },
  { key: 'none', value: null },
]

describe('as text', () => {
  test('place, time, key, headers and value, a tab between them', () => {
    expect(text()).toBe('3:12\t2026-01-31T12:00:00.000Z\tada\t{"amount":5}\n')
    expect(text({ headers })).toBe(
      '3:12\t2026-01-31T12:00:00.000Z\tada\tsource=import source=0xff00 none=null\t{"amount":5}\n',
    )
  })

  test('a key that is no text is in hexadecimal digits, and none is a dash', () => {
    expect(text({ key: Buffer.from([0, 0, 0, 7]) })).toContain('\t0x00000007\t')
    expect(text({ key: Buffer.from([0xff]) })).toContain('\t0xff\t')
    expect(text({ key: undefined })).toContain('\t-\t')
  })

  test('a record is one line of as many cells, whatever is in it, and does nothing to a terminal', () => {
    const line = text({ key: Buffer.from('a b'), value: Buffer.from('x\ty\nz \u001b[2J') })
    expect(line).toBe('3:12\t2026-01-31T12:00:00.000Z\ta b\tx\\ty\\nz \\u{1b}[2J\n')
  })

  test.each([-1, Number.MAX_SAFE_INTEGER])('a timestamp of %d is none', (timestampMs) => {
    expect(text({ timestampMs }).split('\t')[1]).toBe('-')
  })
})

describe('as JSON', () => {
  test('all of it', () => {
    expect(json({ headers })).toEqual({
      partition: 3,
      offset: 12,
      timestampMs: Date.UTC(2026, 0, 31, 12),
      time: '2026-01-31T12:00:00.000Z',
      key: 'ada',
      headers: [
        { name: 'source', value: 'import' },
        { name: 'source', hex: 'ff00' },
        { name: 'none', value: null },
      ],
      value: { amount: 5 },
    })
  })

  test('anything that is not text is told apart', () => {
    expect(json({ key: Buffer.from([0, 1]), value: Buffer.from([0xff]) })).toMatchObject({
      keyHex: '0001',
      valueHex: 'ff',
    })
    expect(json({ key: undefined, value: undefined })).toMatchObject({ key: null, value: null })
    expect(json({ value: Buffer.from('plain "text"') })).toMatchObject({ valueText: 'plain "text"' })
  })

  test('a value is on one line, with the digits that it has', () => {
    const line = lineFormat(
      'json',
      false,
    )(record({ value: Buffer.from('{\n "id": 9007199254740993,\r\n "n": 1.0 }') })).toString()
    expect(line).toMatch(/"value":\{ +"id": 9007199254740993, +"n": 1\.0 \}\}\n$/)
  })

  test('on a terminal nothing of it is a command', () => {
    const value = Buffer.from('"\u009b2J"')
    expect(lineFormat('json', true)(record({ value })).toString()).toContain('"\\u{9b}2J"')
  })
})

test('as its value, the bytes as they are; on a terminal what can be seen', () => {
  const value = Buffer.from([0xff, 0x41])
  expect(lineFormat('value', false)(record({ value }))).toEqual(Buffer.from([0xff, 0x41, 0x0a]))
  expect(lineFormat('value', true)(record({ value })).toString()).toBe('\\xffA\n')
})
