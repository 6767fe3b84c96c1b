import { describe, expect, it } from 'vitest'
import { TaskLife, type TaskState } from '../../../../src/core/commit/task-life.js'

const states: TaskState[] = ['created', 'restoring', 'running', 'closed']
const legal = [
  'created restoring',
  'created closed',
  'restoring restoring',
  'restoring running',
  'restoring closed',
  'running restoring',
  'running closed',
]
const wayTo: Record<TaskState, TaskState[]> = {
  created: [],
  restoring: ['restoring'],
  running: ['restoring', 'running'],
  closed: ['closed'],
}

describe('TaskLife', () => {
  it.each(states.flatMap((from) => states.map((to) => [from, to] as const)))('%s → %s', (from, to) => {
    const life = new TaskLife('t')
    for (const step of wayTo[from]) life.become(step)
    if (legal.includes(`${from} ${to}`)) {
      life.become(to)
      expect(life.state).toBe(to)
    } else expect(() => life.become(to)).toThrow(RangeError)
  })

  it('numbers activations: what an earlier one began is not current any more', () => {
    const life = new TaskLife('t')
    const first = life.become('restoring')
    life.become('running')
    expect(life.isCurrent(first)).toBe(true)
    const second = life.become('restoring')
    expect([life.isCurrent(first), life.isCurrent(second)]).toEqual([false, true])
    life.become('closed')
    expect(life.isCurrent(second)).toBe(false)
  })
})
