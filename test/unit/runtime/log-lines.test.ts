/** What happens, as observers and the log are told it. */
import { expect, test } from 'vitest'
import type { Logger } from '../../../src/ports/logger.js'
import { allOf, type RuntimeEvent } from '../../../src/ports/observer.js'
import { lineOf, logObserver } from '../../../src/runtime/log-lines.js'

const letter = {
  kind: 'dead-letter',
  task: 'symbol_0',
  code: 'NOT_JSON',
  message: 'it is not',
  topic: 'orders',
  partition: 0,
  offset: 7,
} as const
const fenced: RuntimeEvent = { kind: 'fenced', task: 'symbol_0' }

test('a line has the fields of its event, and no kind', () => {
  expect(lineOf({ kind: 'task-again', task: 'symbol_0', code: 'FENCED', error: 'why', retryInMs: 50 })).toEqual({
    level: 'warn',
    fields: { task: 'symbol_0', code: 'FENCED', error: 'why', retryInMs: 50 },
    message: 'the task restarts from its last commit',
  })
})

test('what decides on the words is not said beside them', () => {
  const { kind: _kind, ...fields } = letter
  expect(lineOf({ ...letter, cut: false })).toEqual({
    level: 'warn',
    fields,
    message: 'a record went to the dead letters',
  })
  expect(lineOf({ ...letter, cut: true })).toEqual({
    level: 'warn',
    fields,
    message: 'too large for the dead-letter topic: only its beginning was written there',
  })
})

test('the log does not say what happens all the time', () => {
  const lines: string[] = []
  const at = (_: object, message: string): void => void lines.push(message)
  const logger: Logger = { debug: at, info: at, warn: at, error: at }
  const log = logObserver(logger)
  log.observe({ kind: 'store-written', task: 'symbol_0', changes: 1, tookMs: 1 })
  log.observe({ kind: 'standby-progress', task: 'symbol_0', lag: 1 })
  log.observe(fenced)
  expect(lines).toEqual(['fenced: another activation of this task started'])
})

test('an observer that throws or rejects keeps nobody from knowing, and ends nothing', async () => {
  const seen: string[] = []
  const one = (name: string) => ({ observe: (event: RuntimeEvent): void => void seen.push(`${name} ${event.kind}`) })
  const throws = {
    observe: (): never => {
      throw new Error('the observer failed')
    },
  }
  const rejects = { observe: (): unknown => Promise.reject(new Error('the observer failed, later')) }
  allOf([one('first'), throws, rejects, one('last')]).observe(fenced)
  // An unhandled rejection would end this test.
  await new Promise((resolve) => setImmediate(resolve))
  expect(seen).toEqual(['first fenced', 'last fenced'])
})

test('the level may be another one, by what happened', () => {
  const begins = {
    kind: 'source-begins',
    task: 'symbol_0',
    topic: 'orders',
    partition: 0,
    group: 'g',
    start: 'earliest',
    position: 0,
    earliest: 0,
    end: 9,
  } as const
  const fields = {
    task: 'symbol_0',
    topic: 'orders',
    partition: 0,
    group: 'g',
    start: 'earliest',
    position: 0,
    earliest: 0,
    end: 9,
  }
  expect(lineOf({ ...begins, wasActive: false })).toEqual({
    level: 'info',
    fields,
    message: 'the group has no offset for this source: it starts where the topic declares',
  })
  expect(lineOf({ ...begins, wasActive: true })).toMatchObject({ level: 'warn', fields })
})

test('a rebalance is said with its kind, which is not that of the event', () => {
  expect(lineOf({ kind: 'group-rebalances', memberId: 'm', why: 'rebalance-in-progress' })).toEqual({
    level: 'debug',
    fields: { memberId: 'm', kind: 'rebalance-in-progress' },
    message: 'the group rebalances',
  })
})

test('a position that is corrected is said in the words of who corrects it', () => {
  expect(lineOf({ kind: 'position-corrected', task: 't_0', topic: 'orders', partition: 0, warning: 'why' })).toEqual({
    level: 'warn',
    fields: { task: 't_0', topic: 'orders', partition: 0 },
    message: 'why',
  })
})
