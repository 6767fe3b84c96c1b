/**
 * Timers by both clocks, and a time to live. What comes out is a function of what lies in the sources, whatever the partitions,
 * workers, crashes, commits, and the order between the two sources: so a plain calculation over the logs has to give the same
 * (*replay equality*). That holds because a round counts by timestamps what lies within it, and because its timer fires when
 * nothing can come any more that does.
 */
import { application, definitionOf } from '../../../src/api/application.js'
import { from } from '../../../src/api/stream.js'
import { stateObject } from '../../../src/api/state-object.js'
import { timer } from '../../../src/api/timer.js'
import { topic } from '../../../src/api/topic.js'
import { partitionOf } from '../../../src/core/plan/partitioner.js'
import type { SeededRandom } from '../../../src/memory/random.js'
import { anything } from '../application.js'
import { multiset } from '../checks.js'
import { drawMoments, START_MS } from './moments.js'
import type { FeedEvent, FeedPlan, Seen, SimulatedApplication } from './simulated-application.js'

/** `bad`: its end throws. `idle`: changes no visit. */
interface Start {
  readonly id: string
  readonly key: string
  readonly waitMs: number
  readonly kind: 'plain' | 'bad' | 'throws' | 'idle'
}
interface Feeding {
  readonly id: string
  readonly key: string
  readonly value: number
  /** Of a start: it is not to come to its end. */
  readonly stops?: string
}
interface Round {
  starts: Record<string, { atMs: number; waitMs: number; kind: Start['kind'] }>
  feeds: [number, number][]
  stops: Record<string, number>
}

const LATENESS_MS = 300
const TTL_MS = 1_600
const STEP_MS = TTL_MS / 64

export type Idle = 'clock' | 'never'

const declare = (idle: Idle) => {
  const starts = topic('starts', {
    schema: anything<Start>(),
    key: ({ key }) => key,
    latenessMs: LATENESS_MS,
    idle,
  })
  const feeds = topic('feeds', { schema: anything<Feeding>(), key: ({ key }) => key, latenessMs: LATENESS_MS, idle })
  const ended = topic('ended', { schema: anything<{ key: string }>(), key: ({ key }) => key })
  const rung = topic('rung', { schema: anything<{ key: string }>(), key: ({ key }) => key })
  const left = topic('left', { schema: anything<{ key: string }>(), key: ({ key }) => key })
  const round = stateObject('round', (): Round => ({ starts: {}, feeds: [], stops: {} }))
  const visit = stateObject('visit', () => ({ n: 0, last: '' }), { ttlMs: TTL_MS })
  const ends = timer('ends', round)
  const rings = timer('rings', round, { clock: 'wall' })
  return application(
    'timed',
    from(starts).to(round, (state, { id, waitMs, kind }, context) => {
      state.starts[id] = { atMs: context.timestampMs, waitMs, kind }
      context.set(rings, context.timestampMs + waitMs, id)
      const dueMs = context.timestampMs + waitMs
      if ((state.stops[id] ?? Infinity) >= dueMs) context.set(ends, dueMs, id)
      if (kind === 'throws') throw new Error(`${id} throws`)
    }),
    from(feeds).to(round, (state, { value, stops }, { timestampMs }) => {
      if (stops === undefined) state.feeds.push([timestampMs, value])
    }),
    from(feeds, 'stops').to(round, (state, { stops }, context) => {
      if (stops === undefined) return
      state.stops[stops] = Math.min(state.stops[stops] ?? Infinity, context.timestampMs)
      const start = state.starts[stops]
      if (start !== undefined && context.timestampMs < start.atMs + start.waitMs) context.clear(ends, stops)
    }),
    from(ends)
      .to(round, (state, { id, dueMs, key }, context) => {
        const start = state.starts[id]
        Reflect.deleteProperty(state.starts, id)
        // Time is what was due: nothing has moved it further, and nothing later was done.
        if (start === undefined || context.timeMs !== dueMs) return { key, id, dueMs, sum: NaN }
        if (start.kind === 'bad') throw new Error(`the end of ${id} throws`)
        const within = state.feeds.filter(([atMs]) => atMs >= start.atMs && atMs < dueMs)
        return { key, id, dueMs, sum: within.reduce((sum, [, value]) => sum + value, 0) }
      })
      .sink(ended),
    from(rings)
      .to(round, (_, { id, key }) => ({ key, id }))
      .sink(rung),
    from(starts, 'visits').to(visit, (state, { id, kind }) => {
      if (kind === 'idle') return
      state.n++
      state.last = id
    }),
    from(visit.expired)
      .map(({ key, state }) => ({ key, ...state }))
      .sink(left),
  )
}

interface TimedEvent extends FeedEvent {
  readonly message: Start | Feeding | undefined
  readonly timestampMs: number
}

function drawRounds(random: SeededRandom, plan: FeedPlan): TimedEvent[] {
  const started: { readonly id: string; readonly key: string }[] = []
  const times = drawMoments(random, plan, 300)
  return times.map((atMs, index) => {
    const key = `K${String(random.below(plan.keys))}`
    const id = `t${String(index)}`
    const delayMs = random.chance(0.3) ? random.below(LATENESS_MS) : 0
    const common = { key, atMs, timestampMs: START_MS + atMs - delayMs }
    if (random.chance(0.02)) return { ...common, topic: 'feeds', text: `no json ${id}`, message: undefined }
    if (random.chance(0.4)) {
      const draw = random.next()
      const kind = draw < 0.05 ? 'bad' : draw < 0.1 ? 'throws' : draw < 0.3 ? 'idle' : 'plain'
      const message: Start = { id, key, waitMs: random.pick([0, 50, 400, 1_500, 4_000]), kind }
      started.push({ id, key })
      return { ...common, topic: 'starts', text: JSON.stringify(message), message }
    }
    const stopped = random.chance(0.2) && started.length > 0 ? random.pick(started.slice(-10)) : undefined
    const message: Feeding = {
      id,
      key: stopped?.key ?? key,
      value: index,
      ...(stopped && { stops: stopped.id }),
    }
    return { ...common, key: message.key, topic: 'feeds', text: JSON.stringify(message), message }
  })
}

interface Expected {
  readonly ended: string[]
  readonly rung: string[]
  readonly left: string[]
  readonly deadLetters: string[]
}

/** The plain calculation: over each partition's log as a set, but for visits, which go in the order of their source's log. */
function calculate(events: readonly TimedEvent[], partitions: number, idle: Idle): Expected {
  const expected: Expected = { ended: [], rung: [], left: [], deadLetters: [] }
  for (let partition = 0; partition < partitions; partition++) {
    const here = events.filter(({ key }) => partitionOf('murmur2', Buffer.from(key), partitions) === partition)
    const boundOf = (name: string): number =>
      Math.max(-Infinity, ...here.filter(({ topic }) => topic === name).map(({ timestampMs }) => timestampMs)) -
      LATENESS_MS
    const timeMs = idle === 'clock' ? Infinity : Math.min(boundOf('starts'), boundOf('feeds'))
    calculateRounds(here, timeMs, expected)
    calculateVisits(here, timeMs, expected)
  }
  return expected
}

function calculateRounds(here: readonly TimedEvent[], timeMs: number, expected: Expected): void {
  for (const { message, timestampMs, text, key } of here) {
    const isStart = message !== undefined && 'waitMs' in message
    if (message === undefined || (isStart && message.kind === 'throws')) expected.deadLetters.push(text)
    if (!isStart || message.kind === 'throws') continue
    expected.rung.push(JSON.stringify({ key, id: message.id }))
    const dueMs = timestampMs + message.waitMs
    const isStopped = here.some(
      (other) =>
        other.message !== undefined &&
        'stops' in other.message &&
        other.message.stops === message.id &&
        other.timestampMs < dueMs,
    )
    if (isStopped || dueMs > timeMs) continue
    if (message.kind === 'bad') {
      expected.deadLetters.push('')
      continue
    }
    const sum = here.reduce((all, other) => {
      const fed = other.message
      const counts = fed !== undefined && 'value' in fed && fed.stops === undefined && other.key === key
      return counts && other.timestampMs >= timestampMs && other.timestampMs < dueMs ? all + fed.value : all
    }, 0)
    expected.ended.push(JSON.stringify({ key, id: message.id, dueMs, sum }))
  }
}

function calculateVisits(here: readonly TimedEvent[], timeMs: number, expected: Expected): void {
  const visits = new Map<string, { n: number; last: string; endsMs: number }>()
  const leave = (key: string, { n, last }: { readonly n: number; readonly last: string }): void => {
    expected.left.push(JSON.stringify({ key, n, last }))
    visits.delete(key)
  }
  for (const { topic, key, timestampMs, message } of here) {
    if (topic !== 'starts') continue
    const there = visits.get(key)
    if (there !== undefined && there.endsMs <= timestampMs) leave(key, there)
    if (message === undefined || !('waitMs' in message) || message.kind === 'throws' || message.kind === 'idle')
      continue
    const { n, endsMs } = visits.get(key) ?? { n: 0, endsMs: 0 }
    const until = Math.ceil((timestampMs + TTL_MS) / STEP_MS) * STEP_MS
    visits.set(key, { n: n + 1, last: message.id, endsMs: Math.max(endsMs, until) })
  }
  for (const [key, visit] of visits) if (visit.endsMs <= timeMs) leave(key, visit)
}

function check(written: readonly TimedEvent[], partitions: number, idle: Idle, seen: Seen): string[] {
  const expected = calculate(written, partitions, idle)
  const valuesOf = (name: string): string[] => seen.records(name).map(({ value }) => value)
  const last = new Map<string, number>()
  const early = seen.records('ended').filter(({ key, value }) => {
    const { dueMs } = JSON.parse(value) as { readonly dueMs: number }
    const isEarly = dueMs < (last.get(key) ?? -Infinity)
    last.set(key, dueMs)
    return isEarly
  })
  return [
    ...multiset('ended', expected.ended, valuesOf('ended')),
    ...early.map(({ key, value }) => `ended, ${key}: out of order: ${value}`),
    ...multiset('rung', expected.rung, valuesOf('rung')),
    ...multiset('left', expected.left, valuesOf('left')),
    ...multiset(
      'dead letters',
      expected.deadLetters,
      seen.deadLetters.map(({ value }) => value),
    ),
  ]
}

export const timedApplication = (idle: Idle): SimulatedApplication => ({
  definition: definitionOf(declare(idle)),
  // The longest timer, what a tick leaves, and what a tick may wait for.
  restMs: 8_000,
  draw: (random, plan) => {
    const written = drawRounds(random, plan)
    return { events: written, check: (seen) => check(written, plan.partitions, idle, seen) }
  },
})
