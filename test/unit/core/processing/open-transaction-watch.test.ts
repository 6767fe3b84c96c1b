import { expect, it } from 'vitest'
import { OpenTransactionWatch } from '../../../../src/core/processing/open-transaction-watch.js'

const answer = (nextPosition: number, lastStableOffset: number, highWatermark: number) => ({
  nextPosition,
  lastStableOffset,
  highWatermark,
})

it('says once that a transaction stays open, and once that it is over', () => {
  const watch = new OpenTransactionWatch()
  expect(watch.observe(answer(10, 10, 12), 0)).toBeUndefined()
  expect(watch.observe(answer(10, 10, 12), 4999)).toBeUndefined()
  expect(watch.observe(answer(10, 10, 15), 5001)).toEqual({ kind: 'waiting', waitedMs: 5001, records: 5 })
  expect(watch.observe(answer(10, 10, 15), 9000)).toBeUndefined()
  expect(watch.observe(answer(15, 15, 15), 9500)).toEqual({ kind: 'over', waitedMs: 9500 })
  expect(watch.observe(answer(15, 15, 15), 20_000)).toBeUndefined()
})

it('is silent about transactions that come and go, however long that lasts', () => {
  const watch = new OpenTransactionWatch()
  for (let i = 0; i < 100; i++) expect(watch.observe(answer(i, i, i + 3), i * 1000)).toBeUndefined()
})

it('starts over with every transaction', () => {
  const watch = new OpenTransactionWatch()
  watch.observe(answer(10, 10, 12), 0)
  expect(watch.observe(answer(20, 20, 22), 4000)).toBeUndefined()
  expect(watch.observe(answer(20, 20, 22), 6000)).toBeUndefined()
  expect(watch.observe(answer(20, 20, 22), 9000)).toMatchObject({ kind: 'waiting', waitedMs: 5000 })
  expect(watch.observe(answer(30, 30, 32), 10_000)).toMatchObject({ kind: 'over' })
  expect(watch.observe(answer(30, 30, 32), 15_000)).toMatchObject({ kind: 'waiting' })
})

it('is silent while a backlog in front of the transaction is worked off', () => {
  const watch = new OpenTransactionWatch()
  for (let i = 0; i < 9; i++) expect(watch.observe(answer(i, 10, 12), i * 1000)).toBeUndefined()
  expect(watch.observe(answer(10, 10, 12), 10_000)).toMatchObject({ kind: 'waiting', waitedMs: 10_000 })
})
