import { describe, expect, it } from 'vitest'
import { KeyedMinutes, type MinuteCount } from '../../../bench/keyed-minutes.js'

const START_MS = Date.UTC(2026, 0, 1)
const of = { events: 2000, keys: 50, minutes: 3, startMs: START_MS, disorderMs: 900 }

function counted(): { readonly input: KeyedMinutes; readonly counts: MinuteCount[] } {
  const input = new KeyedMinutes(of)
  const counts = new Map<string, MinuteCount>()
  for (const { key, timestampMs } of input.events()) {
    const startMs = START_MS + Math.floor((timestampMs - START_MS) / 60_000) * 60_000
    const id = `${key} ${String(startMs)}`
    counts.set(id, { key, startMs, n: (counts.get(id)?.n ?? 0) + 1 })
  }
  return { input, counts: [...counts.values()] }
}

describe('KeyedMinutes', () => {
  it('gives the same events again, in order but for the disorder, and all within its minutes', () => {
    const input = new KeyedMinutes(of)
    const events = [...input.events()]
    expect([...input.events()]).toEqual(events)
    expect(events).toHaveLength(2000)
    let newestMs = 0
    for (const { timestampMs } of events) {
      expect(timestampMs).toBeGreaterThan(newestMs - 900)
      newestMs = Math.max(newestMs, timestampMs)
    }
    expect(events.every(({ timestampMs }) => timestampMs >= START_MS && timestampMs < START_MS + 180_000)).toBe(true)
    expect(newestMs).toBeGreaterThan(START_MS + 178_000)
  })

  it('takes what a plain calculation gives for right, round after round', () => {
    const { input, counts } = counted()
    expect(input.windows).toBe(counts.length)
    for (let round = 0; round < 2; round++) {
      input.begin()
      for (const count of counts) input.take(count)
      expect([input.outputs, input.wrong('once'), input.wrong('with every update')]).toEqual([counts.length, 0, 0])
    }
  })

  it.each<[string, (counts: MinuteCount[]) => MinuteCount[], number, number]>([
    ['is missing', (counts) => counts.slice(1), 1, 1],
    ['is another', ([first, ...rest]) => (first ? [{ ...first, n: first.n + 1 }, ...rest] : []), 1, 1],
    ['comes before the final one', (counts) => [...counts.map((one) => ({ ...one, n: 1 })), ...counts], 150, 0],
    ['comes after the final one', (counts) => [...counts, ...counts.map((one) => ({ ...one, n: 1 }))], 150, 150],
    ['is of no key', (counts) => [...counts, { key: 'x', startMs: START_MS, n: 1 }], 1, 1],
    ['is of no minute', (counts) => [...counts, { key: 'k0000001', startMs: START_MS + 180_000, n: 1 }], 1, 1],
    ['is of half a minute', (counts) => [...counts, { key: 'k0000001', startMs: START_MS + 30_000, n: 1 }], 1, 1],
  ])('counts what %s', (_, change, once, updates) => {
    const { input, counts } = counted()
    input.begin()
    for (const count of change(counts)) input.take(count)
    expect([input.wrong('once'), input.wrong('with every update')]).toEqual([once, updates])
  })
})
