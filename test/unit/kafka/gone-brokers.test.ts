/** Brokers that are gone: each is said once, and once when it is back, whoever found it. */
import { beforeEach, expect, test } from 'vitest'
import { GoneBrokers } from '../../../src/kafka/gone-brokers.js'

let said: string[]
let gone: GoneBrokers
beforeEach(() => {
  said = []
  const say = (fields: object, message: string): void => {
    said.push(`${message.split(',')[0] ?? ''}: ${Object.values(fields).join(', ')}`)
  }
  gone = new GoneBrokers({ warn: say, info: say })
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
