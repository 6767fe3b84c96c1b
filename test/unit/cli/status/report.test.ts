import { describe, expect, it } from 'vitest'
import { handOff, input, member, report, says } from './support.js'

const problem = 'no answer within 1000 ms'

describe('a status report', () => {
  it('tells of each task who has it, and how far it is behind', () => {
    const { tasks } = report([member('w1', { active: ['symbol_0'] }), member('w2', { active: ['symbol_1'] })], {
      w1: { status: says('w1', { active: [{ task: 'symbol_0', state: 'restoring' }] }) },
      w2: { problem },
    })
    expect(tasks).toEqual([
      {
        task: 'symbol_0',
        worker: 'w1',
        state: 'restoring',
        lag: 5,
        inputs: [
          { topic: 'quotes', partition: 0, committed: 5, end: 7, lag: 2 },
          { topic: 'orders', partition: 0, committed: null, end: 3, lag: 3 },
        ],
        standbys: [],
      },
      expect.objectContaining({ task: 'symbol_1', worker: 'w2', state: null, lag: 3 }),
    ])
  })

  it('takes what a worker says itself for what is, whatever the leader gave it', () => {
    const { workers, tasks } = report([member('w1', { active: ['symbol_0', 'symbol_1'], standby: { symbol_7: 3 } })], {
      w1: { status: says('w1', { active: [{ task: 'symbol_1', state: 'running' }] }) },
    })
    expect(workers[0]).toMatchObject({ live: true, problem: null, generation: 4, standby: [] })
    expect(tasks.map(({ task, worker }) => [task, worker])).toEqual([
      ['symbol_0', null],
      ['symbol_1', 'w1'],
    ])
  })

  it('tells of standbys what they say now, or said when they joined, or nothing', () => {
    const standby = { symbol_0: 12, symbol_1: -1, symbol_2: undefined }
    const members = ['w1', 'w2'].map((name) => member(name, { standby }))
    const { workers, tasks } = report(members, {
      w1: { status: says('w1', { standby: [{ task: 'symbol_0', lag: 4 }, { task: 'symbol_1' }] }) },
      w2: { problem },
    })
    expect(workers.map((worker) => worker.standby)).toEqual([
      [
        { task: 'symbol_0', lag: 4 },
        { task: 'symbol_1', lag: null },
      ],
      [
        { task: 'symbol_0', lag: 12 },
        { task: 'symbol_1', lag: null },
        { task: 'symbol_2', lag: null },
      ],
    ])
    expect(tasks[0]?.standbys).toEqual([
      { worker: 'w1', lag: 4, live: true },
      { worker: 'w2', lag: 12, live: false },
    ])
  })

  it('keeps two workers of the same name apart', () => {
    const first = member('w', { active: ['symbol_0'] })
    const second = { ...member('w', { active: ['symbol_1'] }), memberId: 'w-other' }
    const { workers } = report([second, first], { w: { status: says('w') } })
    expect(workers.map(({ memberId, live }) => [memberId, live])).toEqual([
      ['w-id', true],
      ['w-other', false],
    ])
  })

  it('prefers, of two that have a task, the one that runs it', () => {
    const { tasks } = report([member('w1'), member('w2')], {
      w1: { status: says('w1', { active: [{ task: 'symbol_0', state: 'created' }] }) },
      w2: { status: says('w2', { active: [{ task: 'symbol_0', state: 'running' }] }) },
    })
    expect(tasks[0]).toMatchObject({ worker: 'w2', state: 'running' })
  })

  it('has the last hand-offs of all workers, the latest first', () => {
    const some = (from: number) => Array.from({ length: 20 }, (_, i) => handOff(from + 2 * i))
    const { handOffs } = report([member('w1'), member('w2')], {
      w1: { status: says('w1', { handOffs: some(100) }) },
      w2: { status: says('w2', { handOffs: some(101) }) },
    })
    expect(handOffs.map(({ atMs }) => atMs)).toEqual(Array.from({ length: 20 }, (_, i) => 139 - i))
  })

  it('lists tasks that the application does not have, and members that are no workers', () => {
    const foreign = { memberId: 'other', info: undefined, assignment: undefined }
    const { tasks, workers } = report([foreign, member('w1', { active: ['old_0'], standby: { old_1: 5 } })])
    expect(workers.map(({ worker, address }) => [worker, address])).toEqual([
      ['other', null],
      ['w1', 'w1:1'],
    ])
    expect(tasks.slice(2)).toEqual([
      { task: 'old_0', worker: 'w1', state: null, lag: null, inputs: [], standbys: [] },
      {
        task: 'old_1',
        worker: null,
        state: null,
        lag: null,
        inputs: [],
        standbys: [{ worker: 'w1', lag: 5, live: false }],
      },
    ])
  })

  it('is JSON through and through', () => {
    const made = report(
      [member('w1', { standby: { symbol_0: -1 } })],
      {},
      { inputs: new Map([['a_0', [input('a', 0, undefined, 3)]]]) },
    )
    expect(JSON.parse(JSON.stringify(made))).toEqual(made)
  })
})
