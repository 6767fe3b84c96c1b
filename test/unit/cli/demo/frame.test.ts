/** src/cli/demo/frame.ts; its invariants are at the head of that file. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { frameOf } from '../../../../src/cli/demo/frame.js'
import { happened, looked, type Show } from '../../../../src/cli/demo/show.js'
import { lineWidth, painted } from '../../../../src/cli/demo/spans.js'
import { BEGAN_MS, begunShow, FIGURES, nowWith, wholeShow } from './support.js'

const [w1, w2] = ['worker-1', 'worker-2']
const textOf = (show: Show, nowMs: number, width = 80, height = 24): string[] =>
  frameOf(show, nowMs, width, height).map((line) => painted(line, false))
const rowOf = (lines: readonly string[], worker: string): string => lines.find((line) => line.startsWith(worker)) ?? ''

test('the whole of it, as it is seen', () => {
  expect(textOf(wholeShow(), BEGAN_MS + 10_500)).toEqual([
    'Market Spread on Potoroo                                          10.5 s of 20 s',
    'http://127.0.0.1:1/                                   12,345 fed, 678 rejections',
    '',
    'worker-1    0  1  ·  ·  2 tasks',
    'worker-2    ·  · ✗2 ✗3  killed',
    '',
    '     3,000  ███████████████████████████████',
    'records/s   ███████████████████████████████                                3,000',
    '        90  ███████████████████████████████',
    '            ███████████████████████████████',
    'p99 ms      ███████████████████████████████                                   90',
    'p50 ms      ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄                                   50',
    '                          + added        ✗ worker-2 killed',
    '           0 s            5 s            10 s           15 s',
    '',
    '         + worker-1 started',
    '  5.0 s  + worker-2 added',
    '  6.1 s  → 2 tasks from worker-1 to worker-2, paused 180 ms at most',
    ' 10.0 s  ✗ worker-2 killed: SIGKILL to process 4711',
  ])
})

describe('a task that moves', () => {
  const moved = (): Show => {
    const added = happened(begunShow(), { kind: 'added', worker: w2, atMs: BEGAN_MS })
    return looked(added, nowWith(BEGAN_MS + 1_000, [w1, w1, w2, w2]), FIGURES)
  }

  test('is marked at its new owner, its way is drawn, and both pass; it stays in its column (invariant 2)', () => {
    const at = (ms: number) => textOf(moved(), BEGAN_MS + 1_000 + ms)
    expect(rowOf(at(0), w1)).toBe('worker-1    0  1  ↓  ↓  2 tasks')
    expect(rowOf(at(0), w2)).toBe('worker-2    ·  · ↓2 ↓3  2 tasks')
    expect(rowOf(at(1_000), w1)).toBe('worker-1    0  1  ·  ·  2 tasks')
    expect(rowOf(at(1_000), w2)).toBe('worker-2    ·  · ↓2 ↓3  2 tasks')
    expect(rowOf(at(3_000), w2)).toBe('worker-2    ·  ·  2  3  2 tasks')
  })

  test('goes through the rows between', () => {
    const show = ['worker-2', 'worker-3'].reduce(
      (all, worker) => happened(all, { kind: 'added', worker, atMs: BEGAN_MS }),
      begunShow(),
    )
    const lines = textOf(looked(show, nowWith(BEGAN_MS, [w1, w1, w1, 'worker-3']), FIGURES), BEGAN_MS)
    expect(rowOf(lines, w2)).toBe('worker-2    ·  ·  ·  ↓  starting')
    const back = looked(
      looked(show, nowWith(BEGAN_MS, [w1, w1, w1, 'worker-3']), FIGURES),
      nowWith(BEGAN_MS + 5_000, [w1, w1, w1, w1]),
      FIGURES,
    )
    const up = textOf(back, BEGAN_MS + 5_000)
    expect(rowOf(up, w1)).toBe('worker-1    0  1  2 ↑3  4 tasks')
    expect(rowOf(up, 'worker-3')).toBe('worker-3    ·  ·  ·  ↑  0 tasks')
  })
})

test('what a dead worker had is marked until others have it', () => {
  const lines = textOf(wholeShow(), BEGAN_MS + 10_500)
  expect(rowOf(lines, w2)).toBe('worker-2    ·  · ✗2 ✗3  killed')
})

test('moments stand at their times below the charts, with as much text as there is room, and in words below', () => {
  const again = happened(wholeShow(), { kind: 'restarted', worker: w2, atMs: BEGAN_MS + 14_000 })
  const lines = textOf(again, BEGAN_MS + 14_500)
  expect(lines).toContain(`${' '.repeat(26)}+ added        ✗ killed    + worker-2 again`)
  expect(lines.slice(-4)).toEqual([
    '  5.0 s  + worker-2 added',
    '  6.1 s  → 2 tasks from worker-1 to worker-2, paused 180 ms at most',
    ' 10.0 s  ✗ worker-2 killed: SIGKILL to process 4711',
    ' 14.0 s  + worker-2 started again',
  ])
})

test('a low terminal loses what happened first, then the charts, then workers', () => {
  const show = wholeShow()
  const nowMs = BEGAN_MS + 10_500
  expect(textOf(show, nowMs, 80, 24).join('\n')).toMatch(/records\/s[^]*p99 ms[^]*SIGKILL/)
  const low = textOf(show, nowMs, 80, 12).join('\n')
  expect(low).toMatch(/worker-2[^]*records\/s[^]*p50 ms/)
  const lower = textOf(show, nowMs, 80, 7)
  expect(lower.join('\n')).not.toMatch(/records\/s/)
  expect(lower.at(-1)).toMatch(/SIGKILL/)
  expect(textOf(show, nowMs, 80, 4).at(-1)).toBe('and 2 more workers')
})

test('a narrow terminal has no charts, and cuts what is too long', () => {
  const lines = textOf(wholeShow(), BEGAN_MS + 10_500, 24)
  expect(lines[0]).toBe('Market Spread on Potoroo')
  expect(lines.join('\n')).not.toContain('records/s')
  expect(rowOf(lines, 'worker').length).toBeLessThanOrEqual(24)
})

test('tasks for which there is no room are left out, and it says so', () => {
  const many = looked(begunShow(), nowWith(BEGAN_MS, Array<string>(60).fill(w1)), FIGURES)
  expect(rowOf(textOf(many, BEGAN_MS, 40), w1)).toBe('worker-1     0   1   2   3   4   5   …')
  expect(rowOf(textOf(many, BEGAN_MS, 100), w1)).toMatch(/ 20 {2}.*…$/)
})

test('before feeding begins there are no charts', () => {
  expect(textOf({ ...begunShow(), beganAtMs: undefined }, BEGAN_MS).slice(0, 1)).toEqual([
    `Market Spread on Potoroo${' '.repeat(48)}starting`,
  ])
})

test('what a warning says can’t move the cursor', () => {
  const warned = happened(wholeShow(), { kind: 'warned', text: 'a\u001b[2Jb\u202e', atMs: BEGAN_MS })
  const text = textOf(warned, BEGAN_MS + 10_500, 80, 40).join('\n')
  expect(text).toContain('! a\\u{1b}[2Jb\\u{202e}')
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/)
})

test('no frame is wider or higher than the terminal, whatever is in it (invariant 1)', () => {
  const name = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.constantFrom('労働者', '🦘', 'x'.repeat(90)))
  const shows = fc.record({
    names: fc.array(name, { minLength: 1, maxLength: 20 }),
    tasks: fc.integer({ min: 0, max: 60 }),
    lateMs: fc.integer({ min: 0, max: 90_000 }),
  })
  fc.assert(
    fc.property(shows, fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 60 }), (given, width, height) => {
      const { names, tasks, lateMs } = given
      let show = names.reduce(
        (all, worker, i) => happened(all, { kind: 'added', worker, atMs: BEGAN_MS + i * 900 }),
        begunShow(),
      )
      const owners = (turn: number) => Array.from({ length: tasks }, (_, i) => names[(i + turn) % names.length] ?? null)
      for (const turn of [0, 1]) show = looked(show, nowWith(BEGAN_MS + lateMs + turn, owners(turn)), FIGURES)
      const lines = frameOf(show, BEGAN_MS + lateMs + 10, width, height)
      expect(lines.length).toBeLessThanOrEqual(height)
      for (const line of lines) expect(lineWidth(line)).toBeLessThanOrEqual(width)
    }),
  )
})
