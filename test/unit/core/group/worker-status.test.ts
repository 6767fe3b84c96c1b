import { describe, expect, it } from 'vitest'
import { decodeWorkerStatus, encodeWorkerStatus, type WorkerStatus } from '../../../../src/core/group/worker-status.js'

const status: WorkerStatus = {
  v: 1,
  worker: 'w1',
  memberId: 'w1-4711',
  generation: 3,
  active: [{ task: 'symbol_0', state: 'running' }],
  standby: [{ task: 'symbol_1', lag: 12 }, { task: 'symbol_2' }],
  handOffs: [
    {
      task: 'symbol_0',
      from: 'w2',
      to: 'w1',
      reason: 'balance',
      snapshotBytes: 4096,
      replayed: 7,
      pauseMs: 31,
      atMs: 1_700_000_000_000,
    },
  ],
}

describe('the status of a worker', () => {
  it('comes back as it was written', () => {
    expect(decodeWorkerStatus(encodeWorkerStatus(status))).toEqual(status)
  })

  it('has what is held, where something is, and not what is no such thing', () => {
    const held = [
      { topic: 'trades', waitedMs: 2_000, why: 'away' },
      { topic: 'rates', broadcast: 'rate', waitedMs: 1 },
    ]
    const holding: WorkerStatus = { ...status, active: [{ task: 'symbol_0', state: 'running', held }] }
    expect(decodeWorkerStatus(encodeWorkerStatus(holding))).toEqual(holding)
    for (const wrong of [{}, [{ topic: 't' }], [{ topic: 't', waitedMs: 1, why: 2 }]])
      expect(
        decodeWorkerStatus(JSON.stringify({ ...status, active: [{ task: 't', state: 'running', held: wrong }] })),
      ).toBeUndefined()
  })

  it.each([
    ['no JSON', 'x'],
    ['no object', '1'],
    ['another version', JSON.stringify({ ...status, v: 2 })],
    ['no name', JSON.stringify({ ...status, worker: undefined })],
    ['no generation', JSON.stringify({ ...status, generation: '3' })],
    ['a state that there is not', JSON.stringify({ ...status, active: [{ task: 'symbol_0', state: 'constructor' }] })],
    ['a lag that is no number', JSON.stringify({ ...status, standby: [{ task: 'symbol_0', lag: null }] })],
    ['a hand-off without a pause', JSON.stringify({ ...status, handOffs: [{ ...status.handOffs[0], pauseMs: null }] })],
    ['hand-offs that are no list', JSON.stringify({ ...status, handOffs: {} })],
  ])('is none with %s', (_, text) => {
    expect(decodeWorkerStatus(text)).toBeUndefined()
  })
})
