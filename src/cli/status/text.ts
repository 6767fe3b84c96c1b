/** A status report for people. */
import { visible } from '../../api/visible.js'
import { table } from '../table.js'
import type { StatusReport, TaskReport } from './report.js'

/** Hand-offs that are shown; --json has more. */
const SHOWN_HAND_OFFS = 10
const NOT_KNOWN = '?'

export function textOf(report: StatusReport): string {
  const { workers, tasks, topics, handOffs } = report
  const parts = [`${headline(report)}\n`]
  if (workers.length > 0)
    parts.push(
      table(
        ['worker', 'address', 'active', 'standby', 'remarks'],
        workers.map(({ worker, address, active, standby, leaving, problem }) => [
          worker,
          address ?? '-',
          active.length,
          standby.length,
          [leaving ? 'stops' : '', problem ?? ''].filter(Boolean).join('; '),
        ]),
      ),
    )
  if (tasks.length > 0)
    parts.push(
      table(
        ['task', 'worker', 'state', 'lag', 'standbys (their lag)'],
        tasks.map((task) => [
          task.task,
          task.worker ?? '-',
          task.worker === null ? '-' : (task.state ?? NOT_KNOWN),
          task.lag ?? NOT_KNOWN,
          standbysOf(task),
        ]),
      ),
    )
  const timed = tasks.filter(({ time }) => time !== undefined)
  if (timed.length > 0) parts.push(`time\n${timesOf(timed, report.atMs)}`)
  const held = tasks.flatMap(({ task, held: all = [] }) => all.map((one) => ({ task, ...one })))
  if (held.length > 0)
    parts.push(
      'held: these messages wait, and all behind them\n' +
        table(
          ['task', 'waits for', 'seconds', 'why'],
          held.map(({ task, topic, broadcast, why, waitedMs }) => [
            task,
            broadcast === undefined ? `what decoding ${topic} needs` : `broadcast ${broadcast} of ${topic}`,
            seconds(waitedMs),
            visible(
              why ??
                (broadcast === undefined ? 'it is being asked for' : 'its brokers do not say that nothing is left'),
            ),
          ]),
        ),
    )
  const calling = tasks.flatMap(({ task, calls }) => (calls === undefined ? [] : [{ task, ...calls }]))
  if (calling.length > 0)
    parts.push(
      'calls\n' +
        table(
          ['task', 'call', 'under way', 'waiting', 'oldest, seconds', 'which', 'attempts', 'why'],
          calling.map(({ task, call, underWay, waiting, oldest }) => [
            task,
            call,
            underWay,
            waiting,
            oldest === undefined ? '-' : seconds(oldest.waitedMs),
            oldest === undefined ? '-' : `${oldest.topic} at ${String(oldest.offset)}`,
            oldest?.attempts ?? '-',
            visible(oldest?.why ?? '-'),
          ]),
        ),
    )
  // Where there is but one step, the lags of the tasks say it.
  if (topics.some(({ isRepartition }) => isRepartition))
    parts.push(
      table(
        ['input', 'kind', 'partitions', 'unread records', 'most on one partition'],
        topics.map(({ topic, isRepartition, partitions, lag, mostLag }) => [
          topic,
          isRepartition ? 'repartition' : 'topic',
          partitions,
          lag,
          mostLag,
        ]),
      ),
    )
  const copies = workers.flatMap(({ worker, broadcasts }) => broadcasts.map((one) => ({ worker, ...one })))
  if (copies.length > 0)
    parts.push(
      table(
        ['broadcast', 'topic', 'worker', 'keys', 'bytes'],
        copies.map(({ broadcast, topic, worker, entries, bytes }) => [broadcast, topic, worker, entries, bytes]),
      ),
    )
  if (handOffs.length > 0)
    parts.push(
      'last hand-offs\n' +
        table(
          ['when', 'task', 'from', 'to', 'pause ms', 'snapshot bytes', 'replayed', 'reason'],
          handOffs
            .slice(0, SHOWN_HAND_OFFS)
            .map(({ atMs, task, from, to, pauseMs, snapshotBytes, replayed, reason }) => [
              new Date(atMs).toISOString(),
              task,
              from,
              to,
              Math.round(pauseMs),
              snapshotBytes,
              replayed,
              reason,
            ]),
        ),
    )
  return parts.join('\n')
}

function headline({ application, group, state, describedMsAgo, workers, tasks }: StatusReport): string {
  const lag = tasks.reduce((sum, task) => sum + (task.lag ?? 0), 0)
  const behind = tasks.length === 0 ? '' : `, ${count(tasks.length, 'task')}, lag ${lag}`
  const name = `${application} (group ${group}): `
  if (state === 'no workers') return `${name}no workers${behind}`
  if (describedMsAgo === null) return `${name}rebalancing, so the group does not tell who its workers are${behind}`
  const old = `rebalancing; its workers as of ${seconds(describedMsAgo)} s ago`
  return `${name}${state === 'rebalancing' ? old : state}, ${count(workers.length, 'worker')}${behind}`
}

const timesOf = (timed: readonly TaskReport[], atMs: number): string =>
  table(
    ['task', 'has everything up to', 'seconds ago', 'waits for', 'next due', 'waiting', 'late'],
    timed.map(({ task, time }) => {
      const timeMs = time?.timeMs ?? undefined
      return [
        task,
        timeMs === undefined ? '-' : new Date(timeMs).toISOString(),
        timeMs === undefined ? '-' : seconds(atMs - timeMs),
        heldBy(time),
        typeof time?.nextDueMs === 'number' ? new Date(time.nextDueMs).toISOString() : '-',
        time?.waiting ?? NOT_KNOWN,
        time?.late ?? 0,
      ]
    }),
  )

/** The topic, the task that writes to it, or the call that is made for it. */
const heldBy = (time: TaskReport['time']): string => {
  if (time === undefined || time.heldBy === null) return '-'
  if (time.heldByCall !== undefined) return `call ${time.heldByCall}`
  return time.heldByTask === null ? time.heldBy : `${time.heldByTask} (in ${time.heldBy})`
}

const standbysOf = ({ standbys }: TaskReport): string =>
  standbys
    .map(({ worker, lag, live }) => `${worker} (${lag ?? NOT_KNOWN}${live ? '' : ' at its last join'})`)
    .join(', ')

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`
const seconds = (ms: number): string => (ms / 1000).toFixed(1)
