import type { Now, UiTask } from '../../../../src/cli/ui/wire.js'
import { emptyShow, happened, looked, began, type Show } from '../../../../src/cli/demo/show.js'
import type { HandOff } from '../../../../src/core/group/worker-status.js'

export const PLANNED_MS = 20_000
/** When feeding begins. */
export const BEGAN_MS = 1_000_000

/** Tasks by partition: the owner of each; null: nobody has it. */
export const nowWith = (atMs: number, owners: readonly (string | null)[], some: Partial<Now> = {}): Now => ({
  atMs,
  state: 'stable',
  describedMsAgo: 0,
  workers: [...new Set(owners.flatMap((owner) => owner ?? []))].map((worker) => ({
    ...{ worker, memberId: worker, address: null, leaving: false, live: true, problem: null, generation: 1 },
    ...{ active: owners.filter((owner) => owner === worker).length, standby: 0 },
  })),
  tasks: owners.map((worker, partition): UiTask => ({
    ...{ task: `symbol_${String(partition)}`, worker, state: worker === null ? null : 'running', lag: 0, standbys: [] },
  })),
  topics: [],
  handOffs: [],
  sample: {
    ...{ atMs, workers: 1, recordsPerSecond: 3_000, lag: 0, p50Ms: 1, p99Ms: 1, newP50Ms: 50, newP99Ms: 90 },
    deadLetters: 0,
  },
  ...some,
})

export const FIGURES = { fed: 12_345, rejections: 678 }

export const handOff = (task: number, from: string, to: string, pauseMs: number, atMs: number): HandOff => ({
  ...{ task: `symbol_${String(task)}`, from, to, reason: 'balance', snapshotBytes: 0, replayed: 0, pauseMs, atMs },
})

/** One worker that has all of four tasks, at the begin of feeding. */
export function begunShow(): Show {
  const started = happened(emptyShow('http://127.0.0.1:1/', PLANNED_MS), {
    ...{ kind: 'started', worker: 'worker-1', atMs: BEGAN_MS - 2_000 },
  })
  return began(looked(started, nowWith(BEGAN_MS - 100, Array(4).fill('worker-1')), FIGURES), BEGAN_MS)
}

/** As it is told: the second worker is added, gets half of the tasks, is killed, and is started again. */
export function wholeShow(): Show {
  const [w1, w2] = ['worker-1', 'worker-2']
  let show = begunShow()
  const look = (second: number, owners: readonly (string | null)[], some: Partial<Now> = {}): void => {
    show = looked(show, nowWith(BEGAN_MS + second * 1000, owners, some), FIGURES)
  }
  for (let second = 0.5; second < 5; second++) look(second, [w1, w1, w1, w1])
  show = happened(show, { kind: 'added', worker: w2, atMs: BEGAN_MS + 5_000 })
  const moves = [handOff(2, w1, w2, 120, BEGAN_MS + 6_100), handOff(3, w1, w2, 180, BEGAN_MS + 6_200)]
  for (let second = 6.5; second < 10; second++) look(second, [w1, w1, w2, w2], { handOffs: moves })
  show = happened(show, { kind: 'killed', worker: w2, pid: 4711, atMs: BEGAN_MS + 10_000 })
  look(10.4, [w1, w1, w2, w2], { handOffs: [] })
  return show
}
