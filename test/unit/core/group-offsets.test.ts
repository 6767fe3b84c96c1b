import { describe, expect, it } from 'vitest'
import { takesOffsets } from '../../../src/core/group-offsets.js'

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
