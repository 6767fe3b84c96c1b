import { expect, test } from 'vitest'
import { codes } from '../../../src/kafka/error-table.js'
import { refusalOf } from '../../../src/kafka/refusal.js'
import { chunksOf } from '../../support/records.js'

const [chunk] = chunksOf([{ key: 'a' }, { key: 'ledger\0b\n' }, { key: null }, { key: 'c'.repeat(500) }])
const answer = (index: number | undefined, message: string | null, errorCode: number = codes.INVALID_RECORD) => ({
  topic: 't',
  partition: 2,
  errorCode,
  baseOffset: -1,
  recordErrors:
    index === undefined
      ? []
      : [
          { index, message },
          { index: 0, message: 'this, too' },
        ],
  message: index === undefined ? message : 'some are bad',
})

test.each([
  [
    'the record by its key',
    0,
    'too old',
    "topic t, partition 2, key 'a': INVALID_RECORD: too old (and so with 1 more of this batch)",
  ],
  ['characters that would spoil a line', 1, 'x', String.raw`key 'ledger\u0000b\u000a': INVALID_RECORD: x`],
  ['a record without a key', 2, 'x', 'key null: INVALID_RECORD: x'],
  ['the beginning of a long key', 3, 'x', `key '${'c'.repeat(100)}': INVALID_RECORD: x`],
  ['no record where the broker names one that is not there', 9, 'x', 'partition 2: INVALID_RECORD: x'],
  ['what the broker says of the batch', undefined, 'a rule', 'partition 2: INVALID_RECORD: a rule'],
  ['its code, where it says nothing', undefined, null, 'partition 2: INVALID_RECORD'],
])('names %s', (_, index, message, expected) => {
  const error = refusalOf(answer(index, message), chunk)
  expect(error.code).toBe('RECORD_REFUSED')
  expect(error.message).toContain(expected)
})

test.each([
  ['INVALID_TIMESTAMP', 'RECORD_REFUSED', 'timestamp'],
  ['POLICY_VIOLATION', 'RECORD_REFUSED', 'content'],
  ['MESSAGE_TOO_LARGE', 'RECORD_TOO_LARGE', 'size'],
  ['RECORD_LIST_TOO_LARGE', 'RECORD_TOO_LARGE', 'size'],
] as const)('%s is %s, for its %s', (name, code, what) => {
  const error = refusalOf(answer(undefined, null, codes[name]), chunk)
  expect([error.code, error.cause]).toMatchObject([code, { topic: 't', partition: 2, what }])
  expect(error.message).toContain(name)
})
