/**
 * Tasks by the worker that has them. One that comes to another worker moves there before one's eyes, and says for a while where
 * it came from, and why.
 */
import { Component, createRef, type JSX } from 'preact'
import type { HandOff } from '../../../core/group/worker-status.js'
import type { Now, UiTask, UiWorker } from '../wire.js'
import { bytes, count, duration, plural } from './format.js'
import { Command } from './parts.js'

/** With more tasks than that, each is a small square. */
const MANY = 240
/** So many are moved before one's eyes at a time. */
const MOST_MOVES = 40
const MOVE_MS = 700
/** For how long a task says where it came from. */
const NEWS_MS = 30_000
/** Workers beyond that are not drawn as columns of their own. */
const MOST_WORKERS = 200

export interface TaskGridProps {
  readonly now: Now
  /** Of these. */
  readonly tasks: readonly UiTask[]
  readonly isFiltered: boolean
  readonly run: string
}

interface Group {
  readonly id: string
  readonly worker: UiWorker | undefined
  readonly tasks: UiTask[]
  readonly standbys: { readonly task: string; readonly lag: number | null }[]
}

type Places = ReadonlyMap<string, DOMRect>

export class TaskGrid extends Component<TaskGridProps> {
  readonly #place = createRef<HTMLDivElement>()

  override getSnapshotBeforeUpdate(before: TaskGridProps): Places {
    const owners = new Map(before.tasks.map(({ task, worker }) => [task, worker]))
    const moved = this.props.tasks.filter(({ task, worker }) => owners.has(task) && owners.get(task) !== worker)
    return new Map(
      moved.slice(0, MOST_MOVES).flatMap(({ task }) => {
        const rect = this.#chip(task)?.getBoundingClientRect()
        return rect === undefined ? [] : [[task, rect] as const]
      }),
    )
  }

  override componentDidUpdate(_before: TaskGridProps, _state: unknown, places: Places): void {
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) return
    for (const [task, from] of places) {
      const chip = this.#chip(task)
      const to = chip?.getBoundingClientRect()
      if (chip === undefined || to === undefined) continue
      const transform = `translate(${String(from.left - to.left)}px, ${String(from.top - to.top)}px)`
      chip.animate(
        [
          { transform, zIndex: 2 },
          { transform: 'none', zIndex: 2 },
        ],
        { duration: MOVE_MS, easing: 'ease-in-out' },
      )
    }
  }

  #chip(task: string): HTMLElement | undefined {
    return this.#place.current?.querySelector<HTMLElement>(`[data-task="${CSS.escape(task)}"]`) ?? undefined
  }

  override render({ now, tasks, isFiltered, run }: TaskGridProps): JSX.Element {
    const groups = groupsOf(now, tasks)
    const shown = groups.filter((group) => !isFiltered || group.tasks.length + group.standbys.length > 0)
    const isMany = now.tasks.length > MANY
    const news = new Map<string, HandOff>()
    for (const handOff of [...now.handOffs].reverse())
      if (now.atMs - handOff.atMs < NEWS_MS) news.set(`${handOff.task} ${handOff.to}`, handOff)
    return (
      <div class={isMany ? 'grid many' : 'grid'} ref={this.#place}>
        {shown.slice(0, MOST_WORKERS).map((group) => (
          <section class={`card worker${group.worker === undefined ? ' nobody' : ''}`} key={group.id}>
            <h2>{group.worker?.worker ?? 'No worker'}</h2>
            <p class="hint">{group.worker === undefined ? withoutWorker(now) : remarks(group)}</p>
            {group.worker === undefined && now.workers.length === 0 && run !== '' && <Command text={run} />}
            <ul class="chips" aria-label={`Tasks of ${group.worker?.worker ?? 'no worker'}`}>
              {group.tasks.map((task) => (
                <Chip
                  key={task.task}
                  task={task}
                  isMany={isMany}
                  news={news.get(`${task.task} ${task.worker ?? ''}`)}
                />
              ))}
            </ul>
            {group.standbys.length > 0 && (
              <>
                <h3>{`Standby of ${plural(group.standbys.length, 'task')}`}</h3>
                <ul class="chips" aria-label={`Standbys on ${group.worker?.worker ?? ''}`}>
                  {group.standbys.map(({ task, lag }) => (
                    <StandbyChip key={task} task={task} lag={lag} isMany={isMany} />
                  ))}
                </ul>
              </>
            )}
          </section>
        ))}
        {shown.length > MOST_WORKERS && (
          <p class="hint">{`and ${count(shown.length - MOST_WORKERS)} more workers: filter for them`}</p>
        )}
      </div>
    )
  }
}

const withoutWorker = ({ state }: Now): string =>
  state === 'rebalancing' ? 'The group is rebalancing: they have an owner soon.' : 'Nobody processes these tasks.'

function remarks({ worker, tasks }: Group): string {
  if (worker === undefined) return ''
  const lag = tasks.reduce((sum, one) => sum + (one.lag ?? 0), 0)
  return [
    plural(tasks.length, 'task'),
    `lag ${count(lag)}`,
    ...(worker.leaving ? ['stops'] : []),
    ...(worker.problem === null ? [] : [worker.problem]),
  ].join(' · ')
}

/** Those that nobody has come first; then workers by their names. */
function groupsOf({ workers }: Now, tasks: readonly UiTask[]): readonly Group[] {
  const nobody: Group = { id: '', worker: undefined, tasks: [], standbys: [] }
  const byName = new Map<string, Group>()
  const groups = workers.map((worker): Group => ({ id: worker.memberId, worker, tasks: [], standbys: [] }))
  // Two of one name: the first has what both have, for tasks say no more than a name.
  for (const group of groups)
    if (group.worker && !byName.has(group.worker.worker)) byName.set(group.worker.worker, group)
  for (const task of tasks) {
    ;(task.worker === null ? nobody : (byName.get(task.worker) ?? nobody)).tasks.push(task)
    for (const { worker, lag } of task.standbys) byName.get(worker)?.standbys.push({ task: task.task, lag })
  }
  return nobody.tasks.length === 0 ? groups : [nobody, ...groups]
}

interface ChipProps {
  readonly task: UiTask
  readonly isMany: boolean
  readonly news: HandOff | undefined
}

const signs = { running: '●', restoring: '◐', created: '○', closed: '×' } as const

/** Drawn again only where something of it has changed: there may be thousands. */
class Chip extends Component<ChipProps> {
  override shouldComponentUpdate({ task, isMany, news }: ChipProps): boolean {
    const before = this.props
    return (
      task.state !== before.task.state ||
      task.lag !== before.task.lag ||
      task.worker !== before.task.worker ||
      isMany !== before.isMany ||
      news?.atMs !== before.news?.atMs
    )
  }

  override render({ task: { task, state, lag }, isMany, news }: ChipProps): JSX.Element {
    const what = state ?? 'not known'
    const text = `${task}, ${what}, lag ${count(lag)}${news === undefined ? '' : `, ${cameFrom(news)}`}`
    const [, partition = task] = /_(\d+)$/.exec(task) ?? []
    const kind = `chip ${what.replaceAll(' ', '-')}${(lag ?? 0) > 0 ? ' behind' : ''}${news === undefined ? '' : ' moved'}`
    if (isMany)
      return (
        <li class={kind} data-task={task} title={text}>
          <span aria-hidden="true">{partition}</span>
          <span class="quiet">{text}</span>
        </li>
      )
    return (
      <li class={kind} data-task={task}>
        <span class="sign" aria-hidden="true">
          {state === null ? '?' : signs[state]}
        </span>
        <span class="chip-name">{task}</span>
        {state !== 'running' && <span class="badge">{what}</span>}
        <span class="quiet">{state === 'running' ? ', running' : ''}, </span>
        {(lag ?? 0) > 0 ? <span class="badge lag">{`lag ${count(lag)}`}</span> : <span class="quiet">lag 0</span>}
        {news !== undefined && <span class="news">{cameFrom(news)}</span>}
      </li>
    )
  }
}

const cameFrom = ({ from, reason, pauseMs, snapshotBytes, replayed }: HandOff): string =>
  `from ${from}: ${reason}; paused ${whole(duration(pauseMs))}, copied ${whole(bytes(snapshotBytes))}, replayed ${count(replayed)}`

/** A figure stays on one line with its unit. */
const whole = (figure: string): string => figure.replaceAll(' ', '\u00a0')

const StandbyChip = ({
  task,
  lag,
  isMany,
}: {
  readonly task: string
  readonly lag: number | null
  readonly isMany: boolean
}): JSX.Element => {
  const warm = lag === null ? 'not known' : lag === 0 ? 'warm' : `${count(lag)} behind`
  const [, partition = task] = /_(\d+)$/.exec(task) ?? []
  return (
    <li class={`chip standby${lag === 0 ? ' warm' : ''}`} title={`${task}, standby, ${warm}`}>
      <span class="chip-name">{isMany ? partition : task}</span>
      {isMany ? <span class="quiet">{`, ${warm}`}</span> : <span class="badge">{warm}</span>}
    </li>
  )
}
