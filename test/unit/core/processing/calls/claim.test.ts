/** Invariants are those of core/processing/calls/claim.ts. */
import { describe, expect, it } from 'vitest'
import { claimWith, takenAt } from '../../../../../src/core/processing/calls/claim.js'

describe('how far a task that makes calls is', () => {
  it('is as far as what it reads while nothing is under way', () => {
    expect(claimWith({ boundMs: 100, tickMs: 200 }, [])).toEqual({ boundMs: 100, tickMs: 200 })
  })

  it('is no further than the oldest message that is not done, by records and by the clock (invariant 1)', () => {
    const [older, newer] = [takenAt(150, undefined, 100), takenAt(180, undefined, 100)]
    expect(claimWith({ boundMs: 170, tickMs: 200 }, [newer, older])).toEqual({ boundMs: 150, tickMs: 150 })
    expect(claimWith({ boundMs: 170, tickMs: 200 }, [newer])).toEqual({ boundMs: 170, tickMs: 180 })
    expect(claimWith({ boundMs: -Infinity, tickMs: -Infinity }, [newer])).toEqual({
      boundMs: -Infinity,
      tickMs: -Infinity,
    })
  })

  it('is held by what was late at the bound by which it was, and not by what came without time below it (invariant 2)', () => {
    const late = takenAt(50, 120, 100)
    expect(late).toEqual({ lateBoundMs: 120, holdsMs: 120 })
    expect(claimWith({ boundMs: 130, tickMs: 140 }, [late])).toEqual({ boundMs: 120, tickMs: 120 })
    expect(claimWith({ boundMs: 100, tickMs: 110 }, [takenAt(99, undefined, 100)])).toEqual({
      boundMs: 100,
      tickMs: 110,
    })
    expect(claimWith({ boundMs: 100, tickMs: 130 }, [takenAt(100, undefined, 100)])).toEqual({
      boundMs: 100,
      tickMs: 100,
    })
  })
})
