import { describe, expect, it } from 'vitest'
import { takesOffsets } from '../../../src/core/group-offsets.js'

const fresh = { sinceMs: 20, messages: 5, sinceTransactionMs: 17, transactionMs: 3 }

describe('a commit', () => {
  it.each([
    ['soon after one with offsets leaves them', fresh, false],
    ['99 ms after one with offsets leaves them', { ...fresh, sinceMs: 99 }, false],
    ['100 ms after one with offsets takes them along', { ...fresh, sinceMs: 100 }, true],
    ['of 999 messages since leaves them', { ...fresh, messages: 999 }, false],
    ['of 1,000 messages since takes them along', { ...fresh, messages: 1000 }, true],
    ['sooner behind a transaction than that took takes them along', { ...fresh, transactionMs: 18 }, true],
    ['as long behind a transaction as that took leaves them', { ...fresh, transactionMs: 17 }, false],
    ['where no commit had any takes them along', { ...fresh, sinceMs: Infinity, messages: 0 }, true],
  ])('%s', (_, age, expected) => {
    expect(takesOffsets(age)).toBe(expected)
  })
})
