/** Invariants are those of window-places.ts. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { WindowsDefinition, WindowShape } from '../../../../src/api/definition.js'
import { OpenWindows } from '../../../../src/api/open-windows.js'
import { firstEnd, placesFor, remove, type LateWindow } from '../../../../src/core/processing/window-places.js'
import { isPotorooError } from '../../../../src/errors.js'

interface Sum {
  n: number
}
const begin: Pick<WindowsDefinition, 'initial' | 'merge'> = {
  initial: () => ({ n: 0 }),
  merge: (earlier, later) => {
    ;(earlier as Sum).n += (later as Sum).n
  },
}
interface Result {
  readonly startMs: number
  readonly endMs: number
  readonly messages: number
  readonly n: number
}

/** A task with one partition: what closes, and what is late for what. */
class Task {
  readonly closed: Result[] = []
  readonly late: LateWindow[] = []
  readonly #open = new OpenWindows()
  #boundMs = -Infinity

  constructor(
    private readonly shape: WindowShape,
    private readonly latenessMs: number,
  ) {}

  take(atMs: number, n: number): void {
    const boundMs = this.#boundMs
    // Before the record is taken, what is due has closed.
    this.#boundMs = Math.max(boundMs, atMs - this.latenessMs)
    this.closeBy(this.#boundMs)
    const moment = { atMs, boundMs: this.#boundMs, closedMs: this.#boundMs }
    const { windows, late } = placesFor(this.#open, { shape: this.shape, ...begin }, moment, 'k')
    this.late.push(...late)
    for (const window of windows) {
      window.messages++
      ;(window.state as Sum).n += n
    }
  }

  closeBy(timeMs: number): void {
    while (firstEnd(this.#open) <= timeMs) {
      const endMs = firstEnd(this.#open)
      for (const window of this.#open.list.filter((one) => one.endMs === endMs)) {
        remove(this.#open, window)
        const { startMs, messages, state } = window
        this.closed.push({ startMs, endMs, messages, n: (state as Sum).n })
      }
    }
  }
}

const run = (shape: WindowShape, latenessMs: number, log: readonly (readonly [number, number])[]): Task => {
  const task = new Task(shape, latenessMs)
  for (const [atMs, n] of log) task.take(atMs, n)
  task.closeBy(Number.MAX_SAFE_INTEGER)
  return task
}

const LATENESS_MS = 50
const shapes = fc.oneof(
  fc.integer({ min: 1, max: 200 }).map((sizeMs): WindowShape => ({ kind: 'tumbling', sizeMs })),
  fc
    .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 5 }), fc.nat(30))
    .map(([everyMs, times, more]): WindowShape => ({ kind: 'hopping', sizeMs: everyMs * times + more, everyMs })),
  fc.integer({ min: 1, max: 100 }).map((gapMs): WindowShape => ({ kind: 'session', gapMs })),
)
const logs = fc.array(fc.tuple(fc.integer({ min: 0, max: 1_000 }), fc.integer({ min: 1, max: 9 })), { maxLength: 40 })
const inOrder = (results: readonly Result[]): readonly Result[] =>
  [...results].sort((a, b) => a.startMs - b.startMs || a.endMs - b.endMs)

describe('windows', () => {
  it('are those of a plain calculation over the log, what is late included (invariant 1)', () => {
    fc.assert(
      fc.property(shapes, logs, (shape, log) => {
        const { closed, late } = run(shape, LATENESS_MS, log)
        const [expected, expectedLate] = calculated(shape, log)
        expect(inOrder(closed)).toEqual(inOrder(expected))
        expect(late.length).toBe(expectedLate)
      }),
    )
  })

  it('sessions and sums are the same in any order of what comes within its lateness', () => {
    const permuted = fc.tuple(logs, fc.array(fc.nat(LATENESS_MS), { minLength: 40 })).map(([log, delays]) => {
      const delayed = log.map(([atMs, n], i) => ({ atMs, n, comesMs: atMs + (delays[i] ?? 0) }))
      return delayed.sort((a, b) => a.comesMs - b.comesMs).map(({ atMs, n }) => [atMs, n] as const)
    })
    fc.assert(
      fc.property(shapes, permuted, (shape, log) => {
        const sorted = [...log].sort(([a], [b]) => a - b)
        const [one, other] = [run(shape, LATENESS_MS, log), run(shape, LATENESS_MS, sorted)]
        expect(one.late).toEqual([])
        expect(inOrder(one.closed)).toEqual(inOrder(other.closed))
      }),
    )
  })

  it('that have closed by the clock take nothing more, and say so (invariant 2)', () => {
    const open = new OpenWindows()
    const shape: WindowShape = { kind: 'hopping', sizeMs: 100, everyMs: 50 }
    const { windows, late } = placesFor(open, { shape, ...begin }, { atMs: 120, boundMs: 100, closedMs: 160 }, 'k')
    expect(windows.map(({ startMs }) => startMs)).toEqual([100])
    expect(late).toEqual([{ startMs: 50, endMs: 150, by: 'clock' }])
  })

  it('are 1,000 of a key at once, and no more', () => {
    const open = new OpenWindows()
    const ten: WindowShape = { kind: 'tumbling', sizeMs: 10 }
    const at = (atMs: number) =>
      placesFor(open, { shape: ten, ...begin }, { atMs, boundMs: -Infinity, closedMs: -Infinity }, 'k')
    for (let i = 0; i < 1_000; i++) at(i * 10)
    expect(at(9_995).windows).toHaveLength(1)
    expect(() => at(10_000)).toThrow(
      expect.toSatisfy((error: unknown) => isPotorooError(error, 'TOO_MANY_WINDOWS')) as Error,
    )
  })
})

function calculated(shape: WindowShape, log: readonly (readonly [number, number])[]): [Result[], number] {
  if (shape.kind === 'counting') throw new RangeError('they know no time')
  return shape.kind === 'session' ? sessionsIn(shape.gapMs, log) : stretchesIn(shape, log)
}

/** By the definition of the windows. */
function stretchesIn(
  shape: Extract<WindowShape, { readonly sizeMs: number }>,
  log: readonly (readonly [number, number])[],
): [Result[], number] {
  const everyMs = shape.kind === 'hopping' ? shape.everyMs : shape.sizeMs
  const found = new Map<number, Result>()
  let late = 0
  let boundMs = -Infinity
  for (const [atMs, n] of log) {
    for (let startMs = Math.floor(atMs / everyMs) * everyMs; startMs + shape.sizeMs > atMs; startMs -= everyMs) {
      const endMs = startMs + shape.sizeMs
      const before = found.get(startMs) ?? { startMs, endMs, messages: 0, n: 0 }
      if (endMs <= boundMs) late++
      else found.set(startMs, { ...before, messages: before.messages + 1, n: before.n + n })
    }
    boundMs = Math.max(boundMs, atMs - LATENESS_MS)
  }
  return [[...found.values()], late]
}

/** As connected parts: messages are one where they are less than the gap apart, and neither was over for the other. */
function sessionsIn(gapMs: number, log: readonly (readonly [number, number])[]): [Result[], number] {
  let boundMs = -Infinity
  let late = 0
  let parts: { readonly atMs: number; readonly n: number }[][] = []
  for (const [atMs, n] of log) {
    if (atMs + gapMs <= boundMs) late++
    else {
      const isOne = (part: readonly { readonly atMs: number }[]): boolean =>
        part.some((other) => Math.abs(other.atMs - atMs) < gapMs && other.atMs + gapMs > boundMs)
      const joined = parts.filter(isOne)
      parts = [...parts.filter((part) => !joined.includes(part)), [...joined.flat(), { atMs, n }]]
    }
    boundMs = Math.max(boundMs, atMs - LATENESS_MS)
  }
  const results = parts.map((part) => ({
    startMs: Math.min(...part.map(({ atMs }) => atMs)),
    endMs: Math.max(...part.map(({ atMs }) => atMs)) + gapMs,
    messages: part.length,
    n: part.reduce((sum, one) => sum + one.n, 0),
  }))
  return [results, late]
}
