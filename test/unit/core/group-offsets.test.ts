import { describe, expect, it } from 'vitest'
import { takesOffsets } from '../../../src/core/group-offsets.js'

const fresh = { sinceMs: 20, messages: 5, sinceTransactionMs: 15 }

describe('a commit', () => {
  it.each([
    ['soon after one with offsets leaves them', fresh, false],
    ['99 ms after one with offsets leaves them', { ...fresh, sinceMs: 99 }, false],
    ['100 ms after one with offsets takes them along', { ...fresh, sinceMs: 100 }, true],
    ['of 999 messages since leaves them', { ...fresh, messages: 999 }, false],
    ['of 1,000 messages since takes them along', { ...fresh, messages: 1000 }, true],
    ['at once behind another transaction takes them along', { ...fresh, sinceTransactionMs: 4 }, true],
    ['where no commit had any takes them along', { ...fresh, sinceMs: Infinity, messages: 0 }, true],
  ])('%s', (_, age, expected) => {
    expect(takesOffsets(age)).toBe(expected)
  })
})
