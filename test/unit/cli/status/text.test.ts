import { describe, expect, it } from 'vitest'
import { textOf } from '../../../../src/cli/status/text.js'
import { handOff, input, member, report, says } from './support.js'

describe('a status for people', () => {
  it('shows workers, tasks and hand-offs', () => {
    const made = report(
      [
        member('w1', { active: ['symbol_0', 'symbol_1'], leaving: true }),
        member('w2', { standby: { symbol_0: 7, symbol_1: -1 } }),
      ],
      {
        w1: {
          status: says('w1', {
            active: [
              { task: 'symbol_0', state: 'running' },
              { task: 'symbol_1', state: 'running' },
            ],
            handOffs: [handOff(0)],
          }),
        },
        w2: { problem: 'it is away' },
      },
    )
    expect(textOf(made)).toBe(`market-spread (group x-market-spread): stable, 2 workers, 2 tasks, lag 8

worker  address  active  standby  remarks
w1      w1:1          2        0  stops
w2      w2:1          0        2  it is away

task      worker  state    lag  standbys (their lag)
symbol_0  w1      running    5  w2 (7 at its last join)
symbol_1  w1      running    3  w2 (? at its last join)

last hand-offs
when                      task      from  to  pause ms  snapshot bytes  replayed  reason
1970-01-01T00:00:00.000Z  symbol_0  w1    w2        42            4096         3  balance
`)
  })

  it('shows what is unread of each input where there are repartitions among them, and only there', () => {
    const inputs = new Map([
      ...[0, 1].map((p) => [`lines_${p}`, [input('x-lines', p, 5, 7 + p)]] as const),
      ...[0, 1].map((p) => [`total_${p}`, [input('x-app-lines-total-repartition', p, 0, 30 * p)]] as const),
    ])
    const made = report([], {}, { inputs, repartitions: new Set(['x-app-lines-total-repartition']) })
    expect(textOf(made)).toContain(`
input                          kind         partitions  unread records  most on one partition
x-lines                        topic                 2               5                      3
x-app-lines-total-repartition  repartition           2              30                     30
`)
    expect(textOf(report([]))).not.toContain('unread')
  })

  it('shows what each worker has of broadcasts, where there are any', () => {
    const broadcasts = [{ broadcast: 'rate', topic: 'x-rates', entries: 12, bytes: 3456 }]
    const made = report([member('w1', {}), member('w2', {})], { w1: { status: says('w1', { broadcasts }) } })
    expect(textOf(made)).toContain(`
broadcast  topic    worker  keys  bytes
rate       x-rates  w1        12   3456
`)
  })

  it('shows what is held, for what, and why, and only then', () => {
    const held = [
      { topic: 'x-trades', waitedMs: 12_345, why: 'the registry\u001b is away' },
      { topic: 'x-rates', broadcast: 'rate', waitedMs: 2_000 },
    ]
    const active = [{ task: 'symbol_0', state: 'running' as const, held }]
    const made = report([member('w1', { active: ['symbol_0'] })], { w1: { status: says('w1', { active }) } })
    expect(made.tasks[0]?.held).toEqual(held)
    expect(textOf(made)).toContain(`
held: these messages wait, and all behind them
task      waits for                     seconds  why
symbol_0  what decoding x-trades needs  12.3     the registry<U+001B> is away
symbol_0  broadcast rate of x-rates     2.0      its brokers do not say that nothing is left
`)
    expect(textOf(report([]))).not.toContain('held')
  })

  it('shows which calls are under way, and the oldest one that is not done', () => {
    const oldest = { topic: 'x-trades', offset: 7, attempts: 4, waitedMs: 61_000, why: 'it is\u001b away' }
    const calls = { call: 'clearing', underWay: 3, waiting: 20, oldest }
    const active = [{ task: 'clearing_0', state: 'running' as const, calls }]
    const made = report([member('w1', { active: ['clearing_0'] })], { w1: { status: says('w1', { active }) } })
    expect(textOf(made)).toContain(`
calls
task        call      under way  waiting  oldest, seconds  which          attempts  why
clearing_0  clearing          3       20  61.0             x-trades at 7         4  it is<U+001B> away
`)
    expect(textOf(report([]))).not.toContain('calls')
  })

  it('says what time waits for: a topic, the task that writes there, or a call', () => {
    const time = { timeMs: 0, heldBy: 'x-trades', waiting: 17 }
    const active = [
      { task: 'a_0', state: 'running' as const, time },
      { task: 'b_0', state: 'running' as const, time: { ...time, heldByTask: 'clearing_0' } },
      { task: 'clearing_0', state: 'running' as const, time: { ...time, heldByCall: 'clearing' } },
    ]
    const tasks = active.map(({ task }) => task)
    const text = textOf(report([member('w1', { active: tasks })], { w1: { status: says('w1', { active }) } }))
    const waits = text.split('\n').filter((line) => line.includes('1970-01-01T00:00:00.000Z'))
    expect(waits).toEqual([
      expect.stringMatching(/^a_0 .* x-trades +- +17 +0$/),
      expect.stringMatching(/^b_0 .* clearing_0 \(in x-trades\) +- /),
      expect.stringMatching(/^clearing_0 .* call clearing +- /),
    ])
  })

  it('says that there are no workers, and what is left to do', () => {
    expect(textOf(report([], {}, { state: 'no workers' }))).toMatch(
      /^market-spread \(group x-market-spread\): no workers, 2 tasks, lag 8\n\ntask .*\nsymbol_0 +- +- +5\n/,
    )
    expect(textOf(report([], {}, { state: 'no workers', inputs: new Map() }))).toBe(
      'market-spread (group x-market-spread): no workers\n',
    )
  })

  it('says that the group rebalances, and how old its last word is', () => {
    expect(textOf(report([member('w1')], {}, { state: 'rebalancing', describedMsAgo: 1234 }))).toContain(
      ': rebalancing; its workers as of 1.2 s ago, 1 worker, 2 tasks',
    )
    expect(textOf(report([], {}, { state: 'rebalancing', describedMsAgo: null }))).toContain(
      ': rebalancing, so the group does not tell who its workers are, 2 tasks',
    )
  })

  it('shows no more than the last ten hand-offs', () => {
    const status = says('w1', { handOffs: Array.from({ length: 12 }, (_, i) => handOff(i)) })
    expect(textOf(report([member('w1')], { w1: { status } })).match(/balance/g)).toHaveLength(10)
  })
})
