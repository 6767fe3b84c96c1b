/** Invariants are those of watermark.ts. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TickClock } from '../../../../src/core/processing/tick-clock.js'
import { Watermark, type TimedInputState, type TimedTopic } from '../../../../src/core/processing/watermark.js'

const [a, b]: [TimedTopic, TimedTopic] = [
  { topic: 'a', latenessMs: 10, ticks: true },
  { topic: 'b', latenessMs: 100, ticks: true },
]
const empty: TimedInputState = { hasHead: false, headMs: 0, headProvenMs: -Infinity, provenMs: -Infinity }
const head = (headMs: number, headProvenMs = -Infinity): TimedInputState => ({
  hasHead: true,
  headMs,
  headProvenMs,
  provenMs: headProvenMs,
})
const drained = (provenMs: number): TimedInputState => ({ ...empty, provenMs })

describe('time', () => {
  it('is the least bound, and there is none before each input has one', () => {
    const time = new Watermark([a, b], undefined)
    time.reach([head(1_000), empty], 0)
    expect([time.timeMs, time.boundMs(0), time.heldBy([empty, empty])]).toEqual([-Infinity, 990, { topic: 'b' }])
    time.reach([empty, head(1_050)], 1)
    expect([time.timeMs, time.boundMs(1), time.heldBy([empty, empty])]).toEqual([950, 950, { topic: 'b' }])
    expect(time.heldBy([empty, drained(60_000)])).toEqual({ topic: 'a' })
  })

  it('is moved by the clock where an input was proven drained, and a second is left (invariant 2)', () => {
    const time = new Watermark([a], undefined)
    expect(time.reached([drained(5_000)], undefined)).toBe(3_990)
    // It holds for the moment: what comes then decides by itself.
    expect([time.timeMs, time.boundMs(0)]).toEqual([-Infinity, -Infinity])
    // What is here already may be older.
    expect(time.reached([{ ...head(1), provenMs: 5_000 }], undefined)).toBe(-Infinity)
    expect(new Watermark([{ ...a, ticks: false }], undefined).reached([drained(5_000)], undefined)).toBe(-Infinity)
    expect(time.needed(3_990)).toEqual([5_000])
  })

  it('goes on from what came last where that is older than it may be, as fast as the clock, also after a restart', () => {
    const time = new Watermark([a], undefined)
    time.reach([head(1_000, 50_000)], 0)
    expect(time.timeMs).toBe(990)
    expect(time.reached([drained(50_000)], undefined)).toBe(990)
    expect(time.reached([drained(60_000)], undefined)).toBe(9_990)
    expect(time.needed(9_990)).toEqual([60_000])
    const again = new Watermark([a], time.committed())
    expect(again.reached([drained(60_000)], undefined)).toBe(9_990)
    // Until something comes in time.
    again.reach([head(61_000, 60_900)], 0)
    expect(again.reached([drained(70_000)], undefined)).toBe(68_990)
    expect(again.committed().behind).toBeUndefined()
  })

  it('never goes back, is committed with what moved it, and rolled back with it (invariants 1 and 3)', () => {
    const step = fc.record({
      which: fc.nat(1),
      ms: fc.nat(5_000),
      kind: fc.constantFrom('record', 'tick', 'due', 'mark', 'rollBack', 'restart'),
    })
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        let time = new Watermark([a, b], undefined)
        let marked = time.committed()
        let before = -Infinity
        for (const { which, ms, kind } of steps) {
          const inputs = [0, 1].map((i) => (i !== which ? empty : kind === 'record' ? head(ms) : drained(ms)))
          if (kind === 'record') time.reach(inputs, which)
          else if (kind === 'tick') expect(time.reached(inputs, undefined)).toBeGreaterThanOrEqual(time.timeMs)
          else if (kind === 'due') time.fire(ms)
          else if (kind === 'mark') {
            time.mark()
            marked = time.committed()
          } else if (kind === 'rollBack') time.rollBack()
          else time = new Watermark([a, b], JSON.parse(JSON.stringify(marked)) as typeof marked)
          if (kind === 'rollBack' || kind === 'restart') expect(time.committed()).toEqual(marked)
          else expect(time.timeMs).toBeGreaterThanOrEqual(before)
          before = time.timeMs
        }
      }),
    )
  })

  it('is not moved by a record that is more than an hour ahead of the clock; the clock is looked at where that is in doubt (invariant 7)', () => {
    let [nowMs, looks] = [10_000_000, 0]
    const ahead: unknown[] = []
    const now = (): number => {
      looks++
      return nowMs
    }
    const time = new Watermark([a], undefined, now, (...of) => ahead.push(of))
    for (let n = 0; n < 5; n++) time.reach([head(nowMs + n)], 0)
    expect([time.timeMs, looks]).toEqual([nowMs + 4 - 10, 1])
    time.reach([head(nowMs + 3_600_001)], 0)
    time.reach([head(4_070_908_800_000)], 0)
    expect([time.timeMs, ahead]).toEqual([
      nowMs + 4 - 10,
      [
        ['a', nowMs + 3_600_001],
        ['a', 4_070_908_800_000],
      ],
    ])
    // What follows is in time.
    time.reach([head(nowMs + 5)], 0)
    expect([time.lateBoundMs, time.timeMs]).toEqual([undefined, nowMs + 5 - 10])
    nowMs += 60_000
    time.reach([head(nowMs + 3_600_000)], 0)
    expect(time.timeMs).toBe(nowMs + 3_600_000 - 10)
  })

  it('keeps what a commit has of topics that another version of the application reads', () => {
    const time = new Watermark([a], { timeMs: 5, bounds: { a: 7, other: 9 } })
    expect(time.committed()).toEqual({ timeMs: 5, bounds: { a: 7, other: 9 }, wallMs: undefined })
  })

  it('by the wall clock is what all inputs were drained at, or the clock ten seconds ago', () => {
    const time = new Watermark([a, b], undefined)
    expect(time.wallReached([drained(900), drained(800)], 1_000)).toBe(800)
    expect(time.wallReached([drained(900), head(1)], 1_000)).toBe(-9_000)
    time.fireWall(950)
    expect(time.wallReached([drained(900), drained(800)], 1_000)).toBe(950)
  })
})

describe('what writers of a repartition say', () => {
  const behind: TimedTopic = { topic: 'r', latenessMs: 0, ticks: false, writers: ['w_0'] }

  it('is as it was at the last commit when an interval is rolled back, ticks among it', () => {
    const time = new Watermark([behind], undefined)
    time.say(0, { task: 'w_0', boundMs: 100, tickMs: 150 })
    time.mark()
    time.say(0, { task: 'w_0', boundMs: 500, tickMs: 900 })
    expect(time.reached([empty], undefined)).toBe(900)
    time.rollBack()
    expect(time.boundMs(0)).toBe(100)
    expect(time.reached([empty], undefined)).toBe(150)
    // What lies there is out of order, and is here again: the mark after it is not yet.
    expect(time.reached([head(800)], 0)).toBe(150)
  })
})

describe('the clock of ticks', () => {
  it('is the wall clock, and one that is set forward only ten seconds later', () => {
    const clock = new TickClock()
    expect(clock.read(1_000_000, 5)).toBe(1_000_000)
    expect(clock.read(1_000_900, 105)).toBe(1_000_900)
    expect(clock.read(9_000_000, 205)).toBe(1_001_000)
    expect(clock.read(9_009_000, 9_205)).toBe(1_010_000)
    expect(clock.read(9_010_000, 10_205)).toBe(9_010_000)
  })

  it('is believed at once where it is set back', () => {
    const clock = new TickClock()
    clock.read(1_000_000, 0)
    expect(clock.read(500_000, 10)).toBe(500_000)
  })
})
