/** Brokers that are gone: each is said once, and once when it is back, whoever found it. */
import { beforeEach, expect, test } from 'vitest'
import { GoneBrokers } from '../../../src/kafka/gone-brokers.js'
import { Sleeper } from '../../../src/kafka/sleeper.js'
import { Scheduler } from '../../../src/memory/scheduler.js'

let said: string[]
let gone: GoneBrokers
let scheduler: Scheduler
/** Addresses that were asked, and those that answer. */
let asked: (string | undefined)[]
let answering: Set<string | undefined>
beforeEach(() => {
  said = []
  asked = []
  answering = new Set()
  scheduler = new Scheduler()
  const say = (fields: object, message: string): void => {
    said.push(`${message.split(',')[0] ?? ''}: ${Object.values(fields).join(', ')}`)
  }
  gone = new GoneBrokers({ warn: say, info: say }, new Sleeper(scheduler.process('w').clock), (address) => {
    asked.push(address)
    return answering.has(address) ? Promise.resolve() : Promise.reject(new Error('refused'))
  })
})

test('each is said once, and is back once', () => {
  gone.gone('a:1', 'reset')
  gone.gone('a:1', 'refused')
  gone.gone('b:1', 'reset')
  gone.answered('a:1')
  gone.answered('a:1')
  gone.answered('b:1')
  expect(said).toEqual([
    'broker is gone: a:1, reset',
    'broker is gone: b:1, reset',
    'broker is back: a:1',
    'broker is back: b:1',
  ])
  expect(gone.some).toBe(false)
})

test('when none can be reached, no single one is named any more, and any answer ends that', () => {
  gone.gone(undefined, 'refused')
  gone.gone('a:1', 'reset')
  gone.gone(undefined, 'refused')
  gone.answered('b:1')
  expect(said).toEqual(['broker is gone: all, refused', 'broker is back: all'])
})

test('one that was named says enough when none can be reached', () => {
  gone.gone('a:1', 'reset')
  gone.gone(undefined, 'refused')
  gone.answered(undefined)
  gone.answered('a:1')
  expect(said).toEqual(['broker is gone: a:1, reset', 'broker is back: a:1'])
})

test('each is asked until it answers, though nobody reads from it any more', async () => {
  gone.gone('a:1', 'reset')
  await scheduler.advance(3_500)
  expect(asked).toEqual(['a:1', 'a:1'])
  answering.add('a:1')
  await scheduler.advance(4_000)
  expect(said).toEqual(['broker is gone: a:1, reset', 'broker is back: a:1'])
  await scheduler.advance(60_000)
  expect(asked).toEqual(['a:1', 'a:1', 'a:1'])
})

test('all of them are asked when none could be reached', async () => {
  answering.add(undefined)
  gone.gone(undefined, 'refused')
  await scheduler.advance(1_500)
  expect(said).toEqual(['broker is gone: all, refused', 'broker is back: all'])
})
