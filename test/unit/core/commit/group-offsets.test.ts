import { describe, expect, it, test } from 'vitest'
import { offsetsDueMs, takesOffsets } from '../../../../src/core/commit/group-offsets.js'

const fresh = { sinceMs: 20, messages: 5, sinceTransactionMs: 17, endingMs: 1 }

describe('a commit', () => {
  it.each([
    ['soon after one with offsets leaves them', fresh, false],
    ['499 ms after one with offsets leaves them', { ...fresh, sinceMs: 499 }, false],
    ['500 ms after one with offsets takes them along', { ...fresh, sinceMs: 500 }, true],
    ['of 999 messages since leaves them', { ...fresh, messages: 999 }, false],
    ['of 1,000 messages since takes them along', { ...fresh, messages: 1000 }, true],
    ['99 ms after the transaction before leaves them', { ...fresh, sinceTransactionMs: 99 }, false],
    ['100 ms after the transaction before takes them along', { ...fresh, sinceTransactionMs: 100 }, true],
    ['while the markers of the transaction before may be written takes them along', { ...fresh, endingMs: 9 }, true],
    ['when they are written leaves them', { ...fresh, endingMs: 8.5 }, false],
    ['where no commit had any takes them along', { ...fresh, sinceMs: Infinity, messages: 0 }, true],
  ])('%s', (_, age, expected) => {
    expect(takesOffsets(age)).toBe(expected)
  })
})

test('a task with nothing to commit gives the group its positions 100 ms after its last commit, or 500 ms after it last did', () => {
  expect(offsetsDueMs(1000, 1000)).toBe(1100)
  expect(offsetsDueMs(1000, 1399)).toBe(1499)
  expect(offsetsDueMs(1000, 1490)).toBe(1500)
})
