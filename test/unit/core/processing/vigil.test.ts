import { describe, expect, test } from 'vitest'
import { LOOK_MS, Vigil, type Seen, type Verdict } from '../../../../src/core/processing/vigil.js'

const vigil = () => new Vigil({ maxComputationMs: 60_000, sessionTimeoutMs: 6_000 })

/** Looks as often as a watchdog does, and gives what it decided, by time. */
function watch(forMs: number, seenAt: (ms: number) => Seen): Map<number, Verdict> {
  const one = vigil()
  const verdicts = new Map<number, Verdict>()
  for (let ms = 0; ms <= forMs; ms += LOOK_MS) verdicts.set(ms, one.look(ms, seenAt(ms)))
  return verdicts
}
const times = (verdicts: Map<number, Verdict>, which: keyof Verdict): number[] =>
  [...verdicts].filter(([, verdict]) => verdict[which]).map(([ms]) => ms)

describe('a run', () => {
  test('is overdue and too long by how long it has been seen itself (invariant 1)', () => {
    const verdicts = watch(70_000, (ms) => ({ run: ms < 500 ? 1 : 2, beats: 0 }))
    expect(times(verdicts, 'isOverdue').slice(0, 5)).toEqual([100, 200, 300, 400, 600])
    expect(times(verdicts, 'isTooLong')[0]).toBe(60_500)
  })

  test('is none while a new one is seen each time, or there is none', () => {
    for (const run of [(ms: number) => ms, () => undefined]) {
      const verdicts = watch(70_000, (ms) => ({ run: run(ms), beats: ms }))
      expect([...times(verdicts, 'isOverdue'), ...times(verdicts, 'isTooLong')]).toEqual([])
    }
  })
})

describe('heartbeats', () => {
  test('are not sent while the event loop shows that it lives (invariant 2)', () => {
    expect(
      times(
        watch(10_000, (ms) => ({ run: undefined, beats: Math.floor(ms / 300) })),
        'heartbeat',
      ),
    ).toEqual([])
  })

  test('are sent in its stead, several to a session, while it is silent', () => {
    const sent = times(
      watch(10_000, () => ({ run: 1, beats: 7 })),
      'heartbeat',
    )
    expect(sent).toEqual([1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10_000])
  })

  test('end when it is silent for longer than a computation may take, and begin again with its next sign (invariant 3)', () => {
    const sent = times(
      watch(140_000, (ms) => ({ run: 1, beats: ms < 100_000 ? 7 : 8 })),
      'heartbeat',
    )
    expect(sent.filter((ms) => ms < 100_000).at(-1)).toBe(65_000)
    expect(sent.find((ms) => ms > 65_000)).toBe(101_000)
  })
})
