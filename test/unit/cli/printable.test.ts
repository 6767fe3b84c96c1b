import { expect, test } from 'vitest'
import { lineOf, textLineOf } from '../../../src/cli/ndjson.js'
import { printable, printableBytes } from '../../../src/cli/printable.js'

test.each([
  ['{"a":"ä 漢 😀"}\tb\n', '{"a":"ä 漢 😀"}\tb\n'],
  ['\ufeff{}', '\\u{feff}{}'],
  ['\0\u0001x', '\\u{0}\\u{1}x'],
  ['\u001b[2Jcleared\r', '\\u{1b}[2Jcleared\\u{d}'],
  ['\u009b1m', '\\u{9b}1m'],
  ['txt\u202egnp.exe', 'txt\\u{202e}gnp.exe'],
  ['👨\u200d👩', '👨\u200d👩'],
  ['\ud800', '\\u{d800}'],
])('%j is shown as %j', (text, shown) => {
  expect(printable(text)).toBe(shown)
})

test('bytes that are no UTF-8 are shown one by one', () => {
  expect(printableBytes(Buffer.from([0x00, 0x41, 0xff, 0x7f, 0x1b]))).toBe('\\x00A\\xff\\x7f\\x1b')
  expect(printableBytes(Buffer.from('ä\u001b'))).toBe('ä\\u{1b}')
  expect(printableBytes(new Uint8Array())).toBe('')
})

test('a line for a terminal is escaped, one for a pipe is what the record is', () => {
  const value = Buffer.from([0x82, 0x1b, 0x5b])
  expect(lineOf(value)).toEqual(Buffer.from([0x82, 0x1b, 0x5b, 0x0a]))
  expect(textLineOf(value).toString()).toBe('\\x82\\x1b[\n')
  expect(textLineOf(Buffer.from('{\n"a": 1}')).toString()).toBe('{ "a": 1}\n')
  expect(textLineOf(undefined).toString()).toBe('null\n')
})
