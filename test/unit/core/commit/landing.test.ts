import { expect, test } from 'vitest'
import { LandedElsewhere, Landing } from '../../../../src/core/commit/landing.js'

const of = { topic: 't', partition: 3 }

test('each batch has to land where the one before ended, the first where the log was said to end', () => {
  const landing = new Landing(of, 10)
  expect([landing.landed(10, 5), landing.landed(15, 1)]).toEqual([15, 16])
  const late = (): number => landing.landed(17, 2)
  expect(late).toThrow(LandedElsewhere)
  expect(late).toThrow('t, partition 3: records landed at offset 17 instead of 16')
})

test.each([9, 11])('a first batch that lands at %i instead of 10 says where the log ends at least', (offset) => {
  try {
    new Landing(of, 10).landed(offset, 4)
    expect.unreachable()
  } catch (error) {
    expect(error).toMatchObject({ code: 'TRANSACTION_FAILED', end: offset + 4 })
  }
})

test('where others write, too, records land anywhere', () => {
  const landing = new Landing(of, undefined)
  expect([landing.landed(7, 2), landing.landed(30, 1)]).toEqual([9, 31])
})
