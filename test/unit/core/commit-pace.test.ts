import { describe, expect, it } from 'vitest'
import { commitIntervalOf } from '../../../src/core/commit-pace.js'

const pace = { commitIntervalMs: 20, backlogCommitIntervalMs: 100 }

describe('the interval between the commits of a task', () => {
  it.each([
    ['that keeps up is the plain one', 0, 20],
    ['with a backlog is the longer one', 1, 100],
    ['among ten with a backlog is no longer', 10, 100],
    ['among more of them is longer in proportion', 32, 320],
    ['is lengthened to a second at most', 1000, 1000],
  ])('%s', (_, backlogs, expected) => {
    expect(commitIntervalOf(pace, backlogs)).toBe(expected)
  })

  it('that was configured to be longer than that is taken as it is', () => {
    expect(commitIntervalOf({ ...pace, backlogCommitIntervalMs: 2000 }, 1)).toBe(2000)
    expect(commitIntervalOf({ ...pace, backlogCommitIntervalMs: 2000 }, 32)).toBe(2000)
  })
})
