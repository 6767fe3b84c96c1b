import { describe, expect, test } from 'vitest'
import { happened, looked } from '../../../../src/cli/demo/show.js'
import { isDue, storyOf, victimOf } from '../../../../src/cli/demo/story.js'
import { BEGAN_MS, begunShow, FIGURES, nowWith } from './support.js'

const [w1, w2, w3] = ['worker-1', 'worker-2', 'worker-3']

test('workers come one after another, then one is killed, then it is started again, while it is fed', () => {
  expect(storyOf(2, 20_000)).toEqual([
    { kind: 'add', dueMs: 5_000 },
    { kind: 'kill', dueMs: 10_000 },
    { kind: 'restart', dueMs: 14_400 },
  ])
  for (let workers = 1; workers <= 16; workers++) {
    const story = storyOf(workers, 1_000)
    expect(story.filter(({ kind }) => kind === 'add')).toHaveLength(workers - 1)
    const times = story.map(({ dueMs }) => dueMs)
    expect(times).toEqual([...times].sort((a, b) => a - b))
    expect(times.every((dueMs) => dueMs > 0 && dueMs < 1_000)).toBe(true)
  }
})

describe('a step', () => {
  const kill = { kind: 'kill', dueMs: 10_000 } as const
  const restart = { kind: 'restart', dueMs: 14_000 } as const
  const added = happened(begunShow(), { kind: 'added', worker: w2, atMs: BEGAN_MS + 5_000 })
  const both = looked(added, nowWith(BEGAN_MS + 8_500, [w1, w1, w2, w2]), FIGURES)
  const at = (ms: number): number => BEGAN_MS + ms

  test('is done at its time, not before feeding began', () => {
    expect(isDue({ kind: 'add', dueMs: 5_000 }, begunShow(), at(4_999), 0)).toBe(false)
    expect(isDue({ kind: 'add', dueMs: 5_000 }, begunShow(), at(5_000), 0)).toBe(true)
    expect(isDue({ kind: 'add', dueMs: 0 }, { ...begunShow(), beganAtMs: undefined }, at(9_999), 0)).toBe(false)
  })

  test('waits for the one before to have its effect, but not for ever', () => {
    expect(isDue(kill, added, at(10_000), at(5_000))).toBe(false)
    expect(isDue(kill, both, at(10_000), at(5_000))).toBe(true)
    expect(isDue(kill, added, at(29_999), at(5_000))).toBe(false)
    expect(isDue(kill, added, at(30_000), at(5_000))).toBe(true)
    const killed = happened(both, { kind: 'killed', worker: w2, pid: 1, atMs: at(10_000) })
    expect(isDue(restart, killed, at(14_000), at(10_000))).toBe(false)
    expect(isDue(restart, looked(killed, nowWith(at(11_000), [w1, w1, w1, w1]), FIGURES), at(14_000), at(10_000))).toBe(
      true,
    )
  })

  test('leaves time to see what came of the one before', () => {
    const justNow = looked(added, nowWith(at(10_000), [w1, w1, w2, w2]), FIGURES)
    expect(isDue(kill, justNow, at(11_499), at(5_000))).toBe(false)
    expect(isDue(kill, justNow, at(11_500), at(5_000))).toBe(true)
  })

  test('comes after the one before, however late that was', () => {
    expect(isDue(kill, both, at(12_000), at(12_001))).toBe(false)
  })

  test('nobody takes the tasks of the only worker: it is started again all the same', () => {
    const killed = happened(begunShow(), { kind: 'killed', worker: w1, pid: 1, atMs: at(10_000) })
    expect(isDue(restart, killed, at(14_000), at(10_000))).toBe(true)
  })
})

test('the last one that has tasks is killed', () => {
  const withThree = [w2, w3].reduce(
    (show, worker) => happened(show, { kind: 'added', worker, atMs: BEGAN_MS }),
    begunShow(),
  )
  expect(victimOf(withThree)).toBe(w1)
  expect(victimOf(looked(withThree, nowWith(BEGAN_MS, [w1, w2, w3, w1]), FIGURES))).toBe(w3)
  expect(victimOf(looked(withThree, nowWith(BEGAN_MS, [w1, w2, w2, w1]), FIGURES))).toBe(w2)
})
