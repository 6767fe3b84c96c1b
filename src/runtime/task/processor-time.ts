import type { CommittedTime } from '../../core/commit/commit-record.js'
import type { TimeStatus } from '../../core/group/worker-status.js'
import { hasDues, usesTime } from '../../core/plan/topology.js'
import type { ProcessorTime } from '../../core/processing/firings.js'
import { Marks } from '../../core/processing/marks.js'
import { Watermark } from '../../core/processing/watermark.js'
import type { Clock } from '../../ports/clock.js'
import type { Observer } from '../../ports/observer.js'
import type { StateStore } from '../../ports/store.js'
import type { RecordTime } from '../record-time.js'
import type { TaskPlan } from '../task-plan.js'

export interface TimeEnvironment {
  readonly observer: Observer
  /** Of records that the runtime writes for itself. */
  readonly recordTime: Pick<RecordTime, 'now'>
  /** The clock that time may go by. */
  readonly nowMs: () => number
  readonly load: ProcessorTime['load']
}

/** Whether the task's time is moved by what it reads. */
export const isTimed = ({ time, processor }: TaskPlan): boolean => time !== undefined || usesTime(processor.subTopology)

/** Of an activation; undefined where nothing falls due, and nobody behind it uses time. */
export function processorTime(
  plan: TaskPlan,
  committed: CommittedTime | undefined,
  env: TimeEnvironment,
): ProcessorTime | undefined {
  const { subTopology } = plan.processor
  const timed = isTimed(plan)
  if (!timed && !hasDues(subTopology)) return undefined
  const { writers = [], marks = [] } = plan.time ?? {}
  const topics = plan.sources.map(({ topic }, i) => {
    const { latenessMs = 0, ticks = false } = subTopology.sources[i]?.topic ?? {}
    // Timers by the wall clock need no bounds.
    return timed ? { topic, latenessMs, ticks, writers: writers[i] } : { topic, latenessMs: Infinity, ticks: false }
  })
  // Once for each topic.
  const told = new Set<string>()
  return {
    watermark: new Watermark(topics, committed, env.nowMs, (topic, timestampMs) => {
      if (told.has(topic)) return
      told.add(topic)
      const { id: task, partition } = plan
      env.observer.observe({ kind: 'record-ahead', task, topic, partition, timestampMs })
    }),
    marks: marks.length === 0 ? undefined : new Marks(plan.id, marks),
    load: env.load,
    nowMs: () => env.recordTime.now(),
  }
}

/** How many state objects of the store wait for a time, about; undefined where none of them can. */
export const waitingIn = (store: StateStore | undefined): number | undefined =>
  store?.hasDues === true ? store.duesSize() : undefined

/** How far a task's time is behind the clock; undefined where it has none. */
export const lagOf = (time: TimeStatus | undefined, clock: Pick<Clock, 'now'>): number | undefined =>
  time?.timeMs === undefined ? undefined : Math.max(0, clock.now() - time.timeMs)
