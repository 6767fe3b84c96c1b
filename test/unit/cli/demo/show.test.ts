import { expect, test } from 'vitest'
import { happened, isSettled, looked } from '../../../../src/cli/demo/show.js'
import { begunShow, BEGAN_MS, FIGURES, handOff, nowWith, wholeShow } from './support.js'

const [w1, w2] = ['worker-1', 'worker-2']

test('a task that gets another owner has moved, and says from where; one that nobody has stays where it was', () => {
  const before = begunShow()
  const between = looked(before, nowWith(BEGAN_MS + 400, [w1, w1, null, w1]), FIGURES)
  expect(between.tasks[2]).toEqual({ task: 'symbol_2', owner: w1, state: null, moved: undefined })
  const after = looked(between, nowWith(BEGAN_MS + 800, [w1, w1, w2, w1]), FIGURES)
  expect(after.tasks[2]).toEqual({
    ...{ task: 'symbol_2', owner: w2, state: 'running' },
    moved: { from: w1, atMs: BEGAN_MS + 800 },
  })
  expect(after.tasks[1]?.moved).toBeUndefined()
})

test('moves of some tasks from one worker to another are one moment, however many looks tell of them', () => {
  const first = handOff(0, w1, w2, 30, BEGAN_MS + 100)
  const second = handOff(1, w1, w2, 50, BEGAN_MS + 900)
  const back = handOff(1, w2, w1, 70, BEGAN_MS + 1_000)
  const later = handOff(0, w1, w2, 90, BEGAN_MS + 9_000)
  let show = begunShow()
  const lists = [[first], [second, first], [second, first], [back, second, first], [later]]
  lists.forEach((handOffs, i) => {
    show = looked(show, nowWith(BEGAN_MS + i * 1_000, [w1, w1, w1, w1], { handOffs }), FIGURES)
  })
  expect(show.moments.filter(({ kind }) => kind === 'moved')).toEqual([
    { kind: 'moved', atMs: BEGAN_MS + 100, from: w1, to: w2, pausesMs: [30, 50] },
    { kind: 'moved', atMs: BEGAN_MS + 1_000, from: w2, to: w1, pausesMs: [70] },
    { kind: 'moved', atMs: BEGAN_MS + 9_000, from: w1, to: w2, pausesMs: [90] },
  ])
})

test('a worker is starting until it answers, and again after it was killed', () => {
  const stateOf = ({ workers }: ReturnType<typeof begunShow>) => workers.map(({ state }) => state)
  let show = happened(begunShow(), { kind: 'added', worker: w2, atMs: BEGAN_MS })
  expect(stateOf(show)).toEqual(['running', 'starting'])
  show = looked(show, nowWith(BEGAN_MS + 1, [w1, w1, w2, w2]), FIGURES)
  expect(stateOf(show)).toEqual(['running', 'running'])
  show = happened(show, { kind: 'killed', worker: w2, pid: 1, atMs: BEGAN_MS + 2 })
  // The group has not noticed yet.
  show = looked(show, nowWith(BEGAN_MS + 3, [w1, w1, w2, w2]), FIGURES)
  expect(stateOf(show)).toEqual(['running', 'killed'])
  show = happened(show, { kind: 'restarted', worker: w2, atMs: BEGAN_MS + 4 })
  expect(stateOf(show)).toEqual(['running', 'starting'])
})

test('figures from before feeding began are of no interest', () => {
  expect(begunShow().points).toEqual([])
  expect(wholeShow().points.length).toBeGreaterThan(5)
})

test('it is settled when all that are there have about as many tasks, and all of them run', () => {
  const settled = begunShow()
  expect(isSettled(settled)).toBe(true)
  const after = (owners: readonly (string | null)[], some = {}) =>
    looked(happened(settled, { kind: 'added', worker: w2, atMs: BEGAN_MS }), nowWith(BEGAN_MS, owners, some), FIGURES)
  expect(isSettled(after([w1, w1, w1, w1]))).toBe(false)
  expect(isSettled(after([w1, w1, w1, w2]))).toBe(false)
  expect(isSettled(after([w1, w1, null, w2]))).toBe(false)
  expect(isSettled(after([w1, w1, w2, w2], { state: 'rebalancing' }))).toBe(false)
  expect(isSettled(after([w1, w1, w2, w2]))).toBe(true)
  // A dead one is not waited for, but what it had is.
  const killed = happened(after([w1, w1, w2, w2]), { kind: 'killed', worker: w2, pid: 1, atMs: BEGAN_MS })
  expect(isSettled(killed)).toBe(false)
  expect(isSettled(looked(killed, nowWith(BEGAN_MS, [w1, w1, w1, w1]), FIGURES))).toBe(true)
})
