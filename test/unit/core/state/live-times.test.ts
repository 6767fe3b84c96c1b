/** Invariants are those of live-times.ts. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { compareTimers, encodeHeader, MANY_TIMERS, type TimerEntry } from '../../../../src/core/state/header.js'
import { LiveTimes } from '../../../../src/core/state/live-times.js'

const packed = ({ endsMs, time, wall, packed: known }: LiveTimes): string =>
  hex(encodeHeader({ version: 1, endsMs, time, wall, packed: known }))
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

it('are what a sorted list is, and packed as that, whatever is set, cleared, fired and packed in between', () => {
  const acts = fc.array(
    fc.oneof(
      fc.record({
        kind: fc.constant('set' as const),
        clock: fc.constantFrom('time' as const, 'wall' as const),
        dueMs: fc.nat(400),
        name: fc.constantFrom('calm', 'ring'),
        id: fc.nat(60).map(String),
      }),
      fc.record({ kind: fc.constant('clear' as const), at: fc.nat(60) }),
      fc.record({ kind: fc.constant('fire' as const), clock: fc.constantFrom('time' as const, 'wall' as const) }),
      fc.record({ kind: fc.constant('pack' as const) }),
    ),
    { minLength: 40, maxLength: 200, size: 'max' },
  )
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4 * MANY_TIMERS }), acts, (count, all) => {
      const first = Array.from({ length: count }, (_, i) => ({ dueMs: i * 3, name: 'calm', id: String(i) }))
      const times = new LiveTimes({ endsMs: 0, time: first, wall: [] })
      const plain = { time: [...first], wall: [] as TimerEntry[] }
      const remove = (name: string, id: string): void => {
        const there = times.find(name, id)
        const clock = (['time', 'wall'] as const).find((by) =>
          plain[by].some((one) => one.name === name && one.id === id),
        )
        expect(there?.clock).toBe(clock)
        if (there === undefined || clock === undefined) return
        times.remove(there)
        plain[clock] = plain[clock].filter((one) => one.name !== name || one.id !== id)
      }
      for (const act of all) {
        if (act.kind === 'set') {
          const { clock, dueMs, name, id } = act
          remove(name, id)
          times.add(clock, { dueMs, name, id })
          plain[clock] = [...plain[clock], { dueMs, name, id }].sort(compareTimers)
        } else if (act.kind === 'clear') {
          const one = plain.time[act.at] ?? plain.wall[act.at]
          remove(one?.name ?? 'none', one?.id ?? '')
        } else if (act.kind === 'fire') {
          const [one] = plain[act.clock]
          if (one !== undefined) remove(one.name, one.id)
        } else expect(packed(times)).toBe(hex(encodeHeader({ version: 1, ...plain })))
        expect([times.time, times.wall]).toEqual([plain.time, plain.wall])
      }
      expect(packed(times)).toBe(hex(encodeHeader({ version: 1, ...plain })))
    }),
    { numRuns: 300 },
  )
})
