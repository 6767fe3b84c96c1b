import { expect, test } from 'vitest'
import { lineOf } from '../../../src/cli/ndjson.js'

test.each([
  ['{"a":1}', '{"a":1}\n'],
  ['{\n  "a": "b\\nc"\r\n}', '{   "a": "b\\nc"  }\n'],
  ['{"big":12345678901234567890}', '{"big":12345678901234567890}\n'],
  ['two\nlines', 'two\nlines\n'],
  ['', '\n'],
])('%j is printed as %j', (value, line) => {
  expect(lineOf(Buffer.from(value)).toString()).toBe(line)
})

test('bytes that are no text stay as they are', () => {
  expect(lineOf(Buffer.from([0xff, 0x00]))).toEqual(Buffer.from([0xff, 0x00, 0x0a]))
})

test('no value is null', () => {
  expect(lineOf(undefined).toString()).toBe('null\n')
})

test('the bytes are copied: the batch that they lie in is used again', () => {
  const value = Buffer.from('{\n}')
  lineOf(value)
  expect(value.toString()).toBe('{\n}')
})
