import { expect, it } from 'vitest'
import { callId, generationOf, pauseBeforeMs, resumedCalls } from '../../../../../src/core/processing/calls/resumed.js'

const commit = { positions: { asks: 5 }, topicIds: { asks: 'one' }, calls: { generation: 'g', done: 'Ag==' } }

it('continues with what the last commit says of the same position in the same topic', () => {
  expect(resumedCalls(commit, { topic: 'asks', id: 'one' }, 5)).toEqual({ generation: 'g', done: 'Ag==' })
  // Brokers without ids, and those that have got them since.
  expect(resumedCalls(commit, { topic: 'asks' }, 5)).toEqual({ generation: 'g', done: 'Ag==' })
  expect(resumedCalls({ ...commit, topicIds: undefined }, { topic: 'asks', id: 'one' }, 5).generation).toBe('g')
})

it('does all of it again from a position that somebody has set, under the same ids', () => {
  expect(resumedCalls(commit, { topic: 'asks', id: 'one' }, 3)).toEqual({ generation: 'g', done: undefined })
})

it('begins a generation where there is none, and where offsets are of another topic', () => {
  expect(resumedCalls(undefined, { topic: 'asks', id: 'one' }, 0).generation).toBeUndefined()
  expect(resumedCalls({ positions: { asks: 0 } }, { topic: 'asks' }, 0).generation).toBeUndefined()
  expect(resumedCalls(commit, { topic: 'asks', id: 'two' }, 5)).toEqual({ generation: undefined, done: undefined })
})

it('names a call by where its message lies', () => {
  expect(generationOf('0123456789abcdef0123456789abcdef')).toBe('0123456789abcdef')
  expect(callId('exchange', '0123456789abcdef', { name: 'clearing' }, 3, 1234)).toBe(
    'exchange-0123456789abcdef-clearing-3-1234',
  )
})

it('waits 100 ms before the second attempt, twice as long each time, and 10 s at most', () => {
  expect([2, 3, 4, 8, 9, 10, 5_000].map(pauseBeforeMs)).toEqual([100, 200, 400, 6400, 10_000, 10_000, 10_000])
})
