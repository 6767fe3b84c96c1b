import { describe, expect, it } from 'vitest'
import { nextCommitMs } from '../../../../src/core/commit/commit-pace.js'
import { CommitPhase } from '../../../../src/core/commit/commit-phase.js'

const pace = { commitIntervalMs: 15, backlogCommitIntervalMs: 100 }
const after = (phase: CommitPhase, depth: number, lastMs: number): number =>
  nextCommitMs(pace, 0, lastMs, phase.of(depth))

describe('the phase of a commit', () => {
  it('is none where there are no stages (invariant 3)', () => {
    const phase = new CommitPhase()
    phase.transacted(9)
    expect(phase.of(0)).toBe(0)
    expect(phase.of(3)).toBe(0)
  })

  it('puts tasks of one depth at the same moments of the wall clock, on workers that started at different times', () => {
    const [one, two] = [new CommitPhase(), new CommitPhase()]
    const [oneStartedMs, twoStartedMs] = [1_700_000_000_003, 1_700_000_123_456]
    one.align(oneStartedMs)
    two.align(twoStartedMs)
    for (const depth of [0, 1, 2]) {
      const wallMs = [oneStartedMs + after(one, depth, 1_000), twoStartedMs + after(two, depth, 2_000)]
      const [a = 0, b = 0] = wallMs.map((ms) => ms % pace.commitIntervalMs)
      expect(Math.abs(a - b)).toBeLessThan(0.01)
    }
  })

  it('puts a stage behind the one before by what a transaction takes, and its spread', () => {
    const phase = new CommitPhase()
    phase.align(0)
    for (let i = 0; i < 500; i++) phase.transacted(i % 2 === 0 ? 8 : 10)
    const stageMs = phase.of(1) - phase.of(0)
    expect(stageMs).toBeGreaterThan(10)
    expect(stageMs).toBeLessThan(12.5)
    expect(phase.of(3) - phase.of(0)).toBeCloseTo(3 * stageMs)
  })

  it('does not move for less than a millisecond (invariant 2), nor far for one long pause', () => {
    const phase = new CommitPhase()
    phase.align(0)
    for (let i = 0; i < 500; i++) phase.transacted(8)
    const before = phase.of(1)
    phase.transacted(9)
    expect(phase.of(1)).toBe(before)
    phase.transacted(30_000)
    expect(phase.of(1) - before).toBeLessThan(20)
    for (let i = 0; i < 200; i++) phase.transacted(8)
    expect(Math.abs(phase.of(1) - before)).toBeLessThan(1.1)
  })
})
