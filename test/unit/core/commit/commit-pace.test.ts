import { describe, expect, it } from 'vitest'
import { nextCommitMs } from '../../../../src/core/commit/commit-pace.js'

const pace = { commitIntervalMs: 20, backlogCommitIntervalMs: 200 }

describe('after a commit at 1007 ms, the next one of a task', () => {
  it.each([
    ['that keeps up is due when those of all others are', 0, 1020],
    ['with a backlog is due an interval later', 1, 1207],
    ['among ten with a backlog is due no later', 10, 1207],
    ['among more of them is due later, in proportion', 32, 1647],
    ['is due a second later at most', 1000, 2007],
  ])('%s', (_, backlogs, expected) => {
    expect(nextCommitMs(pace, backlogs, 1007)).toBe(expected)
  })

  it('is due later than a second where that was configured', () => {
    const slow = { ...pace, backlogCommitIntervalMs: 2000 }
    expect(nextCommitMs(slow, 1, 1007)).toBe(3007)
    expect(nextCommitMs(slow, 32, 1007)).toBe(3007)
  })
})

describe('a task that keeps up', () => {
  it('that commits when it is due is due again an interval later', () => {
    expect(nextCommitMs(pace, 0, 1020)).toBe(1040)
  })

  it('never waits longer than an interval, and always some time', () => {
    for (let lastMs = 0; lastMs < 100; lastMs += 0.7) {
      const waitMs = nextCommitMs(pace, 0, lastMs) - lastMs
      expect(waitMs).toBeGreaterThan(0)
      expect(waitMs).toBeLessThanOrEqual(20)
    }
  })

  it('commits at a phase of the interval, whatever fraction that is, and not twice at one moment', () => {
    for (const phaseMs of [0, 7.3, -3.1, 1.7e12 + 1 / 3, -1.7e12 - 0.1]) {
      let lastMs = 1000.123
      for (let i = 0; i < 1000; i++) {
        const nextMs = nextCommitMs(pace, 0, lastMs, phaseMs)
        expect(nextMs - lastMs).toBeGreaterThan(i === 0 ? 0 : 19.99)
        expect(nextMs - lastMs).toBeLessThan(20.01)
        lastMs = nextMs
      }
    }
  })

  it('that has never committed is due at once', () => {
    expect(nextCommitMs(pace, 0, -Infinity)).toBe(-Infinity)
  })
})
