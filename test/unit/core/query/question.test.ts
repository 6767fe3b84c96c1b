/** src/core/query/question.ts: what workers ask each other. */
import { expect, test } from 'vitest'
import {
  decodeAnswer,
  decodeQuestion,
  encodeAnswer,
  encodeQuestion,
  type Question,
  type TaskAnswer,
} from '../../../../src/core/query/question.js'

const every = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i))
const questions: readonly Question[] = [
  { kind: 'get', state: 's', partition: 3, consistency: 'committed', key: 'ü\0"' },
  { kind: 'get', state: 's', partition: 0, consistency: 250, key: '' },
  { kind: 'scan', state: 's', partition: 0, consistency: 'fenced', from: every, before: undefined, limit: 1000 },
  { kind: 'scan', state: 's', partition: 0, consistency: 0, from: '', before: every, limit: 1 },
]
const asOf = { commitMs: 7, changelogPosition: 9 }
const answers: readonly TaskAnswer[] = [
  { kind: 'not here' },
  { kind: 'failed', code: 'STATE_UPGRADE_FAILED', message: 'why' },
  { kind: 'state', packed: every, asOf, from: 'owner' },
  { kind: 'state', packed: undefined, asOf, from: 'standby' },
  { kind: 'page', entries: [{ key: every, packed: every }], next: every, asOf, from: 'owner' },
  { kind: 'page', entries: [], next: undefined, asOf, from: 'owner' },
  { kind: 'state', packed: every, asOf, from: 'owner', worker: 'w1' },
  { kind: 'page', entries: [], next: undefined, asOf, from: 'standby', worker: 'ü' },
]

test.each(questions)('a question comes as it was sent: %j', (question) => {
  expect(decodeQuestion(encodeQuestion(question))).toEqual(question)
})
test.each(answers)('an answer comes as it was sent: %#', (answer) => {
  expect(decodeAnswer(encodeAnswer(answer))).toEqual(answer)
})
test.each([
  ...['', '{', 'null', '[]', '{}', '{"kind":"get"}'],
  ...[
    { kind: 'get', state: 's', partition: -1, consistency: 'committed', key: 'a' },
    { kind: 'get', state: 's', partition: 0, consistency: 'eventual', key: 'a' },
    { kind: 'get', state: 's', partition: 0, consistency: -1, key: 'a' },
    { kind: 'get', state: 's', partition: 0, consistency: 'committed', key: '\ud800' },
    { kind: 'scan', state: 's', partition: 0, consistency: 'committed', from: 'a', limit: 1001 },
    { kind: 'scan', state: 's', partition: 0, consistency: 'committed', from: 'a', limit: 0 },
    { kind: 'scan', state: 's', partition: 0, consistency: 'committed', from: '\u0100', limit: 1 },
  ].map((one) => JSON.stringify(one)),
])('what is no question is none: %s', (text) => {
  expect(decodeQuestion(text)).toBeUndefined()
})
test.each([
  ...['', '{"kind":"state"}', '{"kind":"page","entries":[1]}', '{"kind":"failed","code":"NONE","message":""}'],
  JSON.stringify({ kind: 'state', asOf, from: 'owner', worker: 7 }),
])('what is no answer is none: %s', (text) => {
  expect(decodeAnswer(text)).toBeUndefined()
})
