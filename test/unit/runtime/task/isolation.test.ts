/** Invariants of runtime/task/isolation.ts, on inputs that are nothing but places. */
import { describe, expect, test } from 'vitest'
import { Input } from '../../../../src/core/processing/input.js'
import type { RuntimeEvent } from '../../../../src/ports/observer.js'
import { RecordsRefused } from '../../../../src/ports/log.js'
import { PotorooError } from '../../../../src/errors.js'
import { Isolation } from '../../../../src/runtime/task/isolation.js'
import { planOf } from './plan.js'

const refusal = new PotorooError('RECORD_REFUSED', 'no')
const untimely = (topic: string): PotorooError =>
  new PotorooError('RECORD_REFUSED', 'no', { cause: new RecordsRefused(topic, 0, 'timestamp', 'too far ahead') })

/** An input of that position. */
const at = (position: number, index = 0): Input => {
  const input = new Input(index, 'in', position)
  input.cursor.offset = position
  return input
}

function isolation() {
  const events: RuntimeEvent[] = []
  let refusedTimes = 0
  const one = new Isolation(planOf(), {
    observer: { observe: (event) => events.push(event) },
    recordTime: { refused: () => refusedTimes++ },
    options: { maxComputationMs: 1000 },
  })
  return { one, events, refusedTimes: () => refusedTimes }
}

describe('a commit that is refused for its records (invariant 1)', () => {
  test('is followed by smaller ones, until one is refused alone: its message is condemned, and said', () => {
    const { one, events } = isolation()
    expect(one.isOn).toBe(false)
    expect(one.failed(32, [at(32)], refusal)).toEqual({ error: refusal, narrowed: true })
    expect([one.isOn, one.atMost]).toEqual([true, 2])
    one.take(at(0), [at(0)])
    expect(one.failed(1, [at(1)], refusal).narrowed).toBe(true)
    expect(events).toEqual([
      { kind: 'failing-message-found', task: 'sub_0', topic: 'in', partition: 0, offset: 0, code: 'RECORD_REFUSED' },
    ])
    expect(one.take(at(0), [at(0)])).toBe(refusal)
    one.committed(1)
    expect(one.take(at(1), [at(1)])).toBeUndefined()
    expect(one.isPastSuspects([at(31)])).toBe(false)
    expect(one.isPastSuspects([at(32)])).toBe(true)
  })

  test('stops the worker where its dead letter is refused, too', () => {
    const { one } = isolation()
    one.failed(1, [at(1)], refusal)
    one.take(at(0), [at(0)])
    one.failed(1, [at(1)], refusal)
    one.take(at(0), [at(0)])
    const { error, narrowed } = one.failed(1, [at(1)], refusal)
    expect(narrowed).toBe(false)
    expect(error).toMatchObject({ code: 'INVALID_CONFIGURATION' })
    expect(String(error)).toContain("in, partition 0, offset 0 can't be skipped")
  })
})

test('any other failure blames nobody', () => {
  const { one } = isolation()
  const error = new PotorooError('TRANSACTION_FAILED', 'who knows')
  expect(one.failed(32, [at(32)], error)).toEqual({ error, narrowed: false })
  expect(one.isOn).toBe(false)
})

describe('after a slow message (invariant 2)', () => {
  test('a hundred after it are done one by one', () => {
    const { one, events } = isolation()
    one.current = at(7)
    one.computed(999, [at(8)])
    expect([one.isOn, one.current]).toEqual([false, undefined])
    one.current = at(7)
    one.computed(1000, [at(8)])
    expect(events).toEqual([
      { kind: 'slow-message', task: 'sub_0', topic: 'in', partition: 0, offset: 7, tookMs: 1000 },
    ])
    // Before it, as after a failure, the others do not count.
    for (let n = 0; n < 200; n++) one.take(at(7), [at(7)])
    expect([one.isSlow, one.atMost]).toEqual([true, 1])
    for (let n = 0; n < 99; n++) one.take(at(8), [at(8)])
    expect(one.isSlow).toBe(true)
    one.take(at(8), [at(8)])
    expect(one.isOn).toBe(false)
  })
})

describe('a computation that was ended from outside', () => {
  test('is not done again, and what is beside it is (invariant 3)', () => {
    const { one } = isolation()
    one.current = at(7)
    expect(one.isCutOff).toBe(true)
    const error = one.cutOff([at(7)], 3)
    expect(error).toMatchObject({
      code: 'COMPUTATION_TOO_LONG',
      message: 'in, partition 0, offset 7: its computation was ended after 1000 ms',
    })
    expect(one.isCutOff).toBe(false)
    expect(one.take(at(6), [at(6)])).toBeUndefined()
    expect(one.take(at(7), [at(7)])).toBe(error)
  })

  test('was the packing: the message that was alone in it is to blame, and of several none', () => {
    for (const messages of [1, 2]) {
      const { one } = isolation()
      one.take(at(7), [at(7)])
      one.current = undefined
      one.isPacking = true
      expect(one.isCutOff).toBe(true)
      const error = one.cutOff([at(8)], messages)
      expect(one.take(at(7), [at(7)])).toBe(messages === 1 ? error : undefined)
    }
  })
})

test("a refusal of the worker's own time blames no message, three times in a row (invariant 4)", () => {
  for (const topic of ['changelog', 'dead-letters']) {
    const { one, refusedTimes } = isolation()
    const error = untimely(topic)
    for (let n = 0; n < 3; n++) expect(one.failed(32, [at(32)], error).narrowed).toBe(false)
    one.committed(32)
    for (let n = 0; n < 3; n++) expect(one.failed(32, [at(32)], error).narrowed).toBe(false)
    expect(one.isOn).toBe(false)
    expect(one.failed(32, [at(32)], error).narrowed).toBe(true)
    expect(refusedTimes()).toBe(7)
  }
  const { one, refusedTimes } = isolation()
  expect(one.failed(32, [at(32)], untimely('out')).narrowed).toBe(true)
  expect(refusedTimes()).toBe(0)
})
