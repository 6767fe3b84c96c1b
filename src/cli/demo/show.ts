/**
 * What there is to be seen of the demonstration: who has which task, how fast it goes, and what happened when. Pure; times are ms
 * since the epoch. Whoever draws it, the picture or the lines, draws it from this.
 */
import type { TaskState } from '../../core/commit/task-life.js'
import type { HandOff } from '../../core/group/worker-status.js'
import type { Now } from '../ui/wire.js'

export interface ShownWorker {
  readonly name: string
  readonly state: 'starting' | 'running' | 'killed'
}

export interface ShownTask {
  readonly task: string
  /** Who has it, or had it last; undefined before anybody had. */
  readonly owner: string | undefined
  /** Null while nobody has it. */
  readonly state: TaskState | null
  /** Its last move. */
  readonly moved: { readonly from: string; readonly atMs: number } | undefined
}

/** What was measured between two looks; null where that is not known. */
export interface Point {
  readonly atMs: number
  readonly recordsPerSecond: number | null
  readonly p50Ms: number | null
  readonly p99Ms: number | null
}

export type Moment = { readonly atMs: number } & (
  | { readonly kind: 'started' | 'added' | 'restarted'; readonly worker: string }
  | { readonly kind: 'killed'; readonly worker: string; readonly pid: number | undefined }
  | { readonly kind: 'moved'; readonly from: string; readonly to: string; readonly pausesMs: readonly number[] }
  | { readonly kind: 'warned'; readonly text: string }
)

export interface Show {
  /** Where the page is. */
  readonly url: string
  /** For how long it is to be fed. */
  readonly plannedMs: number
  /** When feeding began; undefined before. */
  readonly beganAtMs: number | undefined
  /** Of the last look. */
  readonly atMs: number
  /** Of the group, as of the last look. */
  readonly state: Now['state']
  readonly workers: readonly ShownWorker[]
  readonly tasks: readonly ShownTask[]
  readonly points: readonly Point[]
  readonly moments: readonly Moment[]
  /** Quotes and orders, so far. */
  readonly fed: number
  /** Those that came out, so far. */
  readonly rejections: number
  /** Records that are not processed yet, as of the last look. */
  readonly lag: number
  /** Hand-offs that are among the moments. */
  readonly known: ReadonlySet<string>
}

export const emptyShow = (url: string, plannedMs: number): Show => ({
  ...{ url, plannedMs, beganAtMs: undefined, atMs: 0, state: 'no workers' },
  ...{ workers: [], tasks: [], points: [], moments: [] },
  ...{ fed: 0, rejections: 0, lag: NaN, known: new Set() },
})

/** Moves of one worker's tasks to another within that time are one moment. */
const TOGETHER_MS = 3_000

export function looked(show: Show, now: Now, figures: Pick<Show, 'fed' | 'rejections'>): Show {
  const { atMs, state, sample } = now
  const { recordsPerSecond, newP50Ms, newP99Ms, lag } = sample
  const fresh = now.handOffs.filter((handOff) => !show.known.has(idOf(handOff)))
  const point = { atMs, recordsPerSecond, p50Ms: newP50Ms, p99Ms: newP99Ms }
  const isThere = new Set(now.workers.flatMap(({ worker, live }) => (live ? [worker] : [])))
  return {
    ...show,
    ...figures,
    ...{ atMs, state, lag },
    workers: show.workers.map((worker) =>
      worker.state === 'starting' && isThere.has(worker.name) ? { ...worker, state: 'running' } : worker,
    ),
    tasks: now.tasks.map((task) => tracked(show, task, atMs)),
    points: show.beganAtMs === undefined ? [] : [...show.points, point],
    moments: [...fresh].sort((a, b) => a.atMs - b.atMs).reduce(withMove, show.moments),
    known: new Set([...show.known, ...fresh.map(idOf)]),
  }
}

export const began = (show: Show, atMs: number): Show => ({ ...show, beganAtMs: atMs })

export function happened(show: Show, moment: Moment): Show {
  return { ...show, moments: [...show.moments, moment], workers: crewAfter(show.workers, moment) }
}

/** Whether all that are to be there are, have about as many tasks as the others, and all tasks are running. */
export function isSettled({ state, workers, tasks }: Show): boolean {
  const running = workers.filter((worker) => worker.state === 'running')
  const counts = running.map(({ name }) => tasks.filter(({ owner }) => owner === name).length)
  return (
    state === 'stable' &&
    tasks.length > 0 &&
    workers.every((worker) => worker.state !== 'starting') &&
    tasks.every((task) => task.state === 'running') &&
    counts.reduce((sum, count) => sum + count, 0) === tasks.length &&
    Math.max(...counts) - Math.min(...counts) <= 1
  )
}

/** How it is named where there is but one kind of tasks: by its partition. */
export const shortName = (task: string): string => task.replace(/^.*_/, '')

function crewAfter(workers: readonly ShownWorker[], moment: Moment): readonly ShownWorker[] {
  if (moment.kind === 'moved' || moment.kind === 'warned') return workers
  const state = moment.kind === 'killed' ? 'killed' : 'starting'
  const others = workers.map((worker) => (worker.name === moment.worker ? ({ ...worker, state } as const) : worker))
  return others.some(({ name }) => name === moment.worker) ? others : [...others, { name: moment.worker, state }]
}

function tracked(show: Show, { task, worker, state }: Now['tasks'][number], atMs: number): ShownTask {
  const before = show.tasks.find((one) => one.task === task)
  if (worker === null) return { task, owner: before?.owner, state: null, moved: before?.moved }
  const isMoved = before?.owner !== undefined && before.owner !== worker
  return { task, owner: worker, state, moved: isMoved ? { from: before.owner, atMs } : before?.moved }
}

const idOf = ({ task, to, atMs }: HandOff): string => JSON.stringify([task, to, atMs])

function withMove(moments: readonly Moment[], { from, to, pauseMs, atMs }: HandOff): readonly Moment[] {
  const at = moments.findLastIndex(
    (one) => one.kind === 'moved' && one.from === from && one.to === to && atMs - one.atMs < TOGETHER_MS,
  )
  const known = moments[at]
  if (known?.kind !== 'moved') return [...moments, { kind: 'moved', atMs, from, to, pausesMs: [pauseMs] }]
  return moments.with(at, { ...known, pausesMs: [...known.pausesMs, pauseMs] })
}
