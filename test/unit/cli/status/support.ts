import type { HandOff, WorkerStatus } from '../../../../src/core/group/worker-status.js'
import type { InputLag } from '../../../../src/cli/lag.js'
import { reportOf, type Answer, type Known, type StatusReport } from '../../../../src/cli/status/report.js'
import type { GroupMember } from '../../../../src/kafka/group-view.js'

export interface MemberOptions {
  readonly address?: string | undefined
  readonly active?: readonly string[]
  /** Standby tasks that the leader gave it, with what it said of their lag when it joined. */
  readonly standby?: Readonly<Record<string, number | undefined>>
  readonly leaving?: boolean
}

/** A member as the group describes it. Its member id is `<name>-id`. */
export function member(worker: string, options: MemberOptions = {}): GroupMember {
  const { active = [], standby = {}, leaving = false, address = `${worker}:1` } = options
  const lags = Object.entries(standby).flatMap(([task, lag]) => (lag === undefined ? [] : [[task, lag] as const]))
  return {
    memberId: `${worker}-id`,
    info: { v: 1, worker, active, standby: Object.fromEntries(lags), leaving, address },
    assignment: {
      v: 1,
      active,
      standby: Object.keys(standby).map((task) => ({ task, owner: '' })),
      peers: [],
    },
  }
}

export const says = (worker: string, over: Partial<WorkerStatus> = {}): WorkerStatus => ({
  v: 1,
  worker,
  memberId: `${worker}-id`,
  generation: 4,
  active: [],
  standby: [],
  handOffs: [],
  ...over,
})

export const handOff = (atMs: number, over: Partial<HandOff> = {}): HandOff => ({
  task: 'symbol_0',
  from: 'w1',
  to: 'w2',
  reason: 'balance',
  snapshotBytes: 4096,
  replayed: 3,
  pauseMs: 41.5,
  atMs,
  ...over,
})

export const input = (topic: string, partition: number, committed: number | undefined, end: number): InputLag => ({
  topic,
  partition,
  committed,
  end,
  lag: end - (committed ?? 0),
})

export const report = (
  members: readonly GroupMember[],
  answers: Readonly<Record<string, Answer>> = {},
  over: Partial<Known> = {},
): StatusReport =>
  reportOf({
    application: 'market-spread',
    group: 'x-market-spread',
    atMs: 1000,
    state: 'stable',
    describedMsAgo: 0,
    members,
    answers: new Map(Object.entries(answers).map(([worker, answer]) => [`${worker}-id`, answer])),
    inputs: new Map(
      [0, 1].map((p) => [`symbol_${p}`, [input('quotes', p, 5, 7), input('orders', p, p === 0 ? undefined : 2, 3)]]),
    ),
    repartitions: new Set(),
    ...over,
  })
