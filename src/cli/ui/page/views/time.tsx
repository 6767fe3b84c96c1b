import type { JSX } from 'preact'
import type { Now, UiTask } from '../../wire.js'
import { count, duration, plural, timestamp } from '../format.js'
import { Empty, Table } from '../parts.js'
import type { ViewProps } from '../view-props.js'

const SHOWN_ROWS = 200

type Timed = UiTask & { readonly time: NonNullable<UiTask['time']> }
const isTimed = (task: UiTask): task is Timed => task.time !== undefined

export function Time({ seen: { now } }: ViewProps): JSX.Element {
  if (now === undefined) return <p class="note">Looking at the group …</p>
  const timed = now.tasks.filter(isTimed)
  return (
    <>
      {timed.length === 0 ? (
        <Empty title="No running task has a time">
          <p>Timers, time to live and windows give it one: docs/time.md. A task tells its time while it is running.</p>
        </Empty>
      ) : (
        <>
          <HeldBack now={now} timed={timed} />
          <Tasks now={now} timed={timed} />
        </>
      )}
      <Held now={now} />
      <Calls now={now} />
    </>
  )
}

interface Holder {
  readonly name: string
  readonly tasks: string[]
  /** Of the task that is furthest behind. */
  behindMs: number
}

/** What time waits for: a topic, or the task that writes to it. */
function HeldBack({ now, timed }: { readonly now: Now; readonly timed: readonly Timed[] }): JSX.Element {
  const holders = new Map<string, Holder>()
  for (const { task, time } of timed) {
    const name = holderIn(time)
    if (name === undefined) continue
    const holder = holders.get(name) ?? { name, tasks: [], behindMs: 0 }
    holders.set(name, holder)
    holder.tasks.push(task)
    if (time.timeMs !== null) holder.behindMs = Math.max(holder.behindMs, now.atMs - time.timeMs)
  }
  const sorted = [...holders.values()].sort((a, b) => b.behindMs - a.behindMs)
  return (
    <section class="card">
      <h2>What holds time back</h2>
      {sorted.length === 0 ? (
        <p class="hint">Nothing: no task waits for a topic.</p>
      ) : (
        <Table
          label="What holds time back"
          columns={[
            { name: 'waited for' },
            { name: 'tasks', isNumber: true },
            { name: 'furthest behind', isNumber: true },
          ]}
        >
          {sorted.map(({ name, tasks, behindMs }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td class="number">{count(tasks.length)}</td>
              <td class="number">{duration(behindMs)}</td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  )
}

function holderIn({ heldBy, heldByTask, heldByCall }: Timed['time']): string | undefined {
  if (heldByCall !== undefined) return `call ${heldByCall}`
  if (heldBy === null) return undefined
  return heldByTask === null ? heldBy : `${heldByTask}, which writes to ${heldBy}`
}

function Tasks({ now, timed }: { readonly now: Now; readonly timed: readonly Timed[] }): JSX.Element {
  // Those that are furthest behind come first.
  const sorted = [...timed].sort((a, b) => (a.time.timeMs ?? -Infinity) - (b.time.timeMs ?? -Infinity))
  return (
    <section class="card">
      <h2>Watermarks</h2>
      <p class="hint">
        Up to when each task has everything, when a timer, an end or a window is due next, and about how many state
        objects wait for such a time.
      </p>
      <Table
        label="Watermarks"
        columns={[
          { name: 'task' },
          { name: 'has everything up to' },
          { name: 'ago', isNumber: true },
          { name: 'waits for' },
          { name: 'next due' },
          { name: 'waiting', isNumber: true },
          { name: 'late', isNumber: true },
        ]}
      >
        {sorted.slice(0, SHOWN_ROWS).map(({ task, time }) => (
          <tr key={task}>
            <th scope="row">{task}</th>
            <td class="mono">{timestamp(time.timeMs)}</td>
            <td class="number">{duration(time.timeMs === null ? null : now.atMs - time.timeMs)}</td>
            <td>{time.heldByCall ?? time.heldByTask ?? time.heldBy ?? 'nothing'}</td>
            <td class="mono">{timestamp(time.nextDueMs)}</td>
            <td class="number">{count(time.waiting ?? null)}</td>
            <td class="number">{count(time.late)}</td>
          </tr>
        ))}
      </Table>
      {sorted.length > SHOWN_ROWS && (
        <p class="hint">{`The ${count(SHOWN_ROWS)} furthest behind, of ${count(sorted.length)}.`}</p>
      )}
    </section>
  )
}

/** Input that stands still. */
function Held({ now }: { readonly now: Now }): JSX.Element | null {
  const held = now.tasks.flatMap(({ task, held: all = [] }) => all.map((one) => ({ task, ...one })))
  if (held.length === 0) return null
  return (
    <section class="card">
      <h2>{`${plural(held.length, 'input')} held: messages wait, and all behind them`}</h2>
      <Table
        label="Inputs that are held"
        columns={[{ name: 'task' }, { name: 'waits for' }, { name: 'for', isNumber: true }, { name: 'why' }]}
      >
        {held.map(({ task, topic, broadcast, why, waitedMs }) => (
          <tr key={`${task} ${topic} ${broadcast ?? ''}`}>
            <th scope="row">{task}</th>
            <td>{broadcast === undefined ? `what decoding ${topic} needs` : `broadcast ${broadcast} of ${topic}`}</td>
            <td class="number">{duration(waitedMs)}</td>
            <td>{why ?? 'not known yet'}</td>
          </tr>
        ))}
      </Table>
    </section>
  )
}

function Calls({ now }: { readonly now: Now }): JSX.Element | null {
  const calling = now.tasks.flatMap(({ task, calls }) => (calls === undefined ? [] : [{ task, ...calls }]))
  if (calling.length === 0) return null
  return (
    <section class="card">
      <h2>Calls</h2>
      <Table
        label="Calls"
        columns={[
          { name: 'task' },
          { name: 'call' },
          { name: 'under way', isNumber: true },
          { name: 'waiting', isNumber: true },
          { name: 'oldest', isNumber: true },
          { name: 'attempts', isNumber: true },
          { name: 'why' },
        ]}
      >
        {calling.map(({ task, call, underWay, waiting, oldest }) => (
          <tr key={task}>
            <th scope="row">{task}</th>
            <td>{call}</td>
            <td class="number">{count(underWay)}</td>
            <td class="number">{count(waiting)}</td>
            <td class="number">{duration(oldest?.waitedMs)}</td>
            <td class="number">{count(oldest?.attempts)}</td>
            <td>{oldest?.why ?? ''}</td>
          </tr>
        ))}
      </Table>
    </section>
  )
}
