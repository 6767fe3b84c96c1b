import type { JSX } from 'preact'
import { useMemo, useState } from 'preact/hooks'
import type { HandOff } from '../../../../core/group/worker-status.js'
import type { Now, UiTask } from '../../wire.js'
import type { ViewProps } from '../view-props.js'
import { bytes, clockTime, count, duration, plural } from '../format.js'
import { Command, Empty, Table } from '../parts.js'
import { TaskGrid } from '../task-grid.js'

const SHOWN_ROWS = 100

export function Tasks({ seen }: ViewProps): JSX.Element {
  const { now, begin } = seen
  const [filter, setFilter] = useState('')
  const shown = useMemo(
    () => (now === undefined ? [] : now.tasks.filter((task) => isWanted(task, filter))),
    [now, filter],
  )
  if (now === undefined) return <p class="note">Looking at the group …</p>
  if (now.tasks.length === 0)
    return (
      <Empty title="There are no tasks yet">
        <p>Create the topics that the application reads, and start a worker:</p>
        {begin && <Command text={begin.commands.run} />}
      </Empty>
    )
  return (
    <>
      <div class="toolbar">
        <p class="summary">{summaryOf(now)}</p>
        <label class="field">
          <span>Filter</span>
          <input
            type="search"
            placeholder="task, worker or state"
            value={filter}
            onInput={(event) => {
              setFilter(event.currentTarget.value)
            }}
          />
        </label>
      </div>
      <TaskGrid now={now} tasks={shown} isFiltered={filter !== ''} run={begin?.commands.run ?? ''} />
      <Moves handOffs={now.handOffs} />
      <section class="card">
        <h2>All tasks</h2>
        <Table
          label="All tasks"
          columns={[
            { name: 'task' },
            { name: 'worker' },
            { name: 'state' },
            { name: 'lag', isNumber: true },
            { name: 'standbys' },
          ]}
        >
          {shown.slice(0, SHOWN_ROWS).map((task) => (
            <tr key={task.task}>
              <th scope="row">{task.task}</th>
              <td>{task.worker ?? 'none'}</td>
              <td>{task.worker === null ? '–' : (task.state ?? 'not known')}</td>
              <td class="number">{count(task.lag)}</td>
              <td>{task.standbys.map((one) => `${one.worker} (${warmth(one)})`).join(', ')}</td>
            </tr>
          ))}
        </Table>
        {shown.length > SHOWN_ROWS && (
          <p class="hint">{`The first ${count(SHOWN_ROWS)} of ${count(shown.length)}: filter for others.`}</p>
        )}
      </section>
    </>
  )
}

const isWanted = ({ task, worker, state, standbys }: UiTask, filter: string): boolean =>
  filter === '' ||
  [task, worker ?? 'none', state ?? '', ...standbys.map((one) => one.worker)].some((text) =>
    text.toLowerCase().includes(filter.toLowerCase()),
  )

function summaryOf({ tasks, workers }: Now): string {
  const running = tasks.filter(({ state }) => state === 'running').length
  const nobodys = tasks.filter(({ worker }) => worker === null).length
  const others = tasks.length - running - nobodys
  return [
    `${plural(tasks.length, 'task')} on ${plural(workers.length, 'worker')}`,
    `${count(running)} running`,
    ...(others > 0 ? [`${count(others)} on their way`] : []),
    ...(nobodys > 0 ? [`${count(nobodys)} without a worker`] : []),
  ].join(', ')
}

export function warmth({ lag, live }: UiTask['standbys'][number]): string {
  if (lag === null) return 'not known'
  const behind = lag === 0 ? 'warm' : `${count(lag)} behind`
  return live ? behind : `${behind} at its last join`
}

function Moves({ handOffs }: { readonly handOffs: readonly HandOff[] }): JSX.Element {
  return (
    <section class="card">
      <h2>Last moves</h2>
      {handOffs.length === 0 ? (
        <p class="hint">
          None yet. Start another worker, or stop one: tasks move, and here is why, what was copied, and how long each
          paused.
        </p>
      ) : (
        <Table
          label="Last moves"
          columns={[
            { name: 'when' },
            { name: 'task' },
            { name: 'from → to' },
            { name: 'why' },
            { name: 'paused', isNumber: true },
            { name: 'copied', isNumber: true },
            { name: 'replayed', isNumber: true },
          ]}
        >
          {handOffs.map(({ atMs, task, from, to, reason, pauseMs, snapshotBytes, replayed }) => (
            <tr key={`${String(atMs)} ${task}`}>
              <td class="mono">{clockTime(atMs)}</td>
              <th scope="row">{task}</th>
              <td>{`${from} → ${to}`}</td>
              <td>{reason}</td>
              <td class="number">{duration(pauseMs)}</td>
              <td class="number">{bytes(snapshotBytes)}</td>
              <td class="number">{count(replayed)}</td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  )
}
