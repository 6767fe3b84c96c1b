/**
 * Time after repartitions. Rounds of a group are fed by devices, through two repartitions and from a topic beside them: what
 * starts them comes of a topic without keys, so of tasks without state; what feeds them comes of devices, and of timers of devices
 * that lie before their repartition. When a round ends, its sum goes two ways: to its region, behind a second repartition in a row,
 * where timers add up what ended before; and back to the device that started it, in a loop. Beside that, each start lives for a
 * while after a repartition of its own.
 *
 * What comes out is a function of what lies in the sources, however far apart the writers of a repartition are: a plain calculation
 * over the logs has to give the same (*replay equality*).
 */
import { application, definitionOf } from '../../../src/api/application.js'
import { from, merge } from '../../../src/api/stream.js'
import { stateObject } from '../../../src/api/state-object.js'
import { timer } from '../../../src/api/timer.js'
import { topic } from '../../../src/api/topic.js'
import { partitionOf } from '../../../src/core/plan/partitioner.js'
import type { SeededRandom } from '../../../src/memory/random.js'
import { anything } from '../application.js'
import { multiset } from '../checks.js'
import { drawMoments, START_MS } from './moments.js'
import type { FeedEvent, FeedPlan, Seen, SimulatedApplication } from './simulated-application.js'
import type { Idle } from './timed-application.js'

interface Start {
  readonly id: string
  readonly device: string
  readonly group: string
  readonly waitMs: number
}
interface Feeding {
  readonly id: string
  readonly device: string
  readonly group: string
  readonly value: number
}
/** `throws`: its computation does. */
interface Poke {
  readonly group: string
  readonly value: number
  readonly throws: boolean
}
interface Device {
  /** Of what its timers are to say once more: group and value. */
  values: Record<string, [string, number]>
  ended: number
}
interface Round {
  starts: Record<string, { atMs: number; device: string; region: string }>
  feeds: [number, number][]
}
interface Ended {
  readonly id: string
  readonly device: string
  readonly region: string
  readonly dueMs: number
  readonly sum: number
}

const LATENESS_MS = 300
const TTL_MS = 1_600
const STEP_MS = TTL_MS / 64
/** A device's timer says later what it was fed, once more. */
const BEAT_MS = 700
/** A region adds up what ended in so many ms before one ended, so many later. */
const SPAN_MS = 1_000
const SETTLES_MS = 500
const REGIONS = 3

const regionOf = (group: string): string => `R${String(Number(group.slice(1)) % REGIONS)}`

const declare = (idle: Idle) => {
  const common = { latenessMs: LATENESS_MS, idle } as const
  const starts = topic('starts', { schema: anything<Start>(), ...common })
  const feeds = topic('feeds', { schema: anything<Feeding>(), key: ({ device }) => device, ...common })
  const pokes = topic('pokes', { schema: anything<Poke>(), key: ({ group }) => group, ...common })
  const ended = topic('ended', { schema: anything<Ended>(), key: ({ id }) => id })
  const added = topic('added', { schema: anything<{ region: string }>(), key: ({ region }) => region })
  const left = topic('left', { schema: anything<{ key: string }>(), key: ({ key }) => key })
  const device = stateObject('device', (): Device => ({ values: {}, ended: 0 }))
  const round = stateObject('round', (): Round => ({ starts: {}, feeds: [] }))
  const region = stateObject('region', () => ({ ended: [] as [number, number][] }))
  const life = stateObject('life', () => ({ n: 0 }), { ttlMs: TTL_MS })
  const beats = timer('beats', device)
  const ends = timer('ends', round)
  const adds = timer('adds', region)

  const fed = from(feeds).to(device, (state, { id, group, value }, context) => {
    context.set(beats, context.timestampMs + BEAT_MS, id)
    state.values[id] = [group, value]
    return { group, value }
  })
  const beaten = from(beats).to(device, (state, { id }) => {
    const [group, value] = state.values[id] ?? ['', NaN]
    Reflect.deleteProperty(state.values, id)
    return { group, value }
  })
  const over = from(ends).to(round, (state, { id, dueMs }, context) => {
    const start = state.starts[id]
    Reflect.deleteProperty(state.starts, id)
    if (start === undefined || context.timeMs !== dueMs) return { id, device: 'D0', region: 'R0', dueMs, sum: NaN }
    const within = state.feeds.filter(([atMs]) => atMs >= start.atMs && atMs < dueMs)
    return {
      id,
      device: start.device,
      region: start.region,
      dueMs,
      sum: within.reduce((sum, [, value]) => sum + value, 0),
    }
  })
  return application(
    'distant',
    // Declared first, so that devices wait for nothing of the loop.
    merge(fed, beaten)
      .keyBy(({ group }) => group, { name: 'fed' })
      .to(round, (state, { value }, { timestampMs }) => void state.feeds.push([timestampMs, value])),
    from(starts)
      .keyBy(({ group }) => group)
      .to(round, (state, { id, waitMs, device: by, group }, context) => {
        state.starts[id] = { atMs: context.timestampMs, device: by, region: regionOf(group) }
        context.set(ends, context.timestampMs + waitMs, id)
      }),
    from(pokes).to(round, (state, { value, throws }, { timestampMs }) => {
      state.feeds.push([timestampMs, value])
      if (throws) throw new Error('this poke throws')
    }),
    over.sink(ended),
    over
      .keyBy((one) => one.region)
      .to(region, (state, { id, dueMs, sum }, context) => {
        state.ended.push([dueMs, sum])
        context.set(adds, dueMs + SETTLES_MS, id)
      }),
    from(adds)
      .to(region, ({ ended: all }, { key, id, dueMs }) => {
        const atMs = dueMs - SETTLES_MS
        const within = all.filter(([ms]) => ms > atMs - SPAN_MS && ms <= atMs)
        return { region: key, id, n: within.length, sum: within.reduce((sum, [, value]) => sum + value, 0) }
      })
      .sink(added),
    over
      .keyBy((one) => one.device, { name: 'back' })
      .to(device, (state) => {
        state.ended++
      }),
    from(starts, 'lives')
      .keyBy(({ id }) => id)
      .to(life, (state) => {
        state.n++
      }),
    from(life.expired)
      .map(({ key, state }) => ({ key, ...state }))
      .sink(left),
  )
}

interface DistantEvent extends FeedEvent {
  readonly message: Start | Feeding | Poke | undefined
  readonly timestampMs: number
}

function drawEvents(random: SeededRandom, plan: FeedPlan): DistantEvent[] {
  // Quiet for a while in the middle, now and then, and some devices always: their partitions may be empty.
  const quiet = random.chance(0.5)
  const devices = 1 + random.below(plan.keys)
  const times = drawMoments(random, plan, 250, quiet)
  return times.map((atMs, index) => {
    const number = random.below(devices)
    const device = `D${String(number)}`
    const group = `G${String(random.below(4))}`
    const delayMs = random.chance(0.3) ? random.below(LATENESS_MS) : 0
    const common = { atMs, timestampMs: START_MS + atMs - delayMs }
    const id = `e${String(index)}`
    const draw = random.next()
    if (draw < 0.02) return { ...common, topic: 'feeds', key: device, text: `no json ${id}`, message: undefined }
    if (draw < 0.35) {
      const message: Start = { id, device, group, waitMs: random.pick([0, 50, 400, 1_500, 4_000]) }
      // By the key it lies where it does; the record has none.
      return { ...common, topic: 'starts', key: id, hasKey: false, text: JSON.stringify(message), message }
    }
    if (draw < 0.85) {
      const message: Feeding = { id, device, group, value: index }
      return { ...common, topic: 'feeds', key: device, text: JSON.stringify(message), message }
    }
    const message: Poke = { group, value: index / 1024, throws: random.chance(0.1) }
    return { ...common, topic: 'pokes', key: group, text: JSON.stringify(message), message }
  })
}

const isThrown = (message: NonNullable<DistantEvent['message']>): boolean => 'throws' in message && message.throws

interface Expected {
  readonly ended: Ended[]
  readonly added: string[]
  readonly left: string[]
  readonly deadLetters: string[]
  readonly back: ReadonlyMap<string, number>
}

/** Few, because each is a task of several stages. */
function partitionsOf(name: string, partitions: number): number {
  const few = Math.min(partitions, 3)
  return name === 'pokes' ? Math.max(1, few - 1) : name === 'starts' ? Math.min(few + 1, 3) : few
}

/** How far time comes in each task where no clock moves it, by what lies in the sources. */
function timesOf(events: readonly DistantEvent[], partitions: number) {
  const bounds = (name: string): readonly number[] => {
    const count = partitionsOf(name, partitions)
    const newest = Array.from({ length: count }, () => -Infinity)
    for (const { topic, key, timestampMs } of events) {
      if (topic !== name) continue
      const at = partitionOf('murmur2', Buffer.from(key), count)
      newest[at] = Math.max(newest[at] ?? -Infinity, timestampMs - LATENESS_MS)
    }
    return newest
  }
  const [starts, feeds, pokes] = [Math.min(...bounds('starts')), bounds('feeds'), bounds('pokes')]
  const writers = Math.min(starts, ...feeds)
  return {
    lives: starts,
    devices: feeds,
    rounds: pokes.map((ms) => Math.min(ms, writers)),
    regions: Math.min(writers, ...pokes),
  }
}

function calculate(events: readonly DistantEvent[], partitions: number, idle: Idle): Expected {
  const times = idle === 'never' ? timesOf(events, partitions) : undefined
  const timeOf = (all: readonly number[] | undefined, name: string, key: string): number =>
    all?.[partitionOf('murmur2', Buffer.from(key), partitionsOf(name, partitions))] ?? Infinity
  const feeds = events.flatMap(({ message, timestampMs, topic }): { group: string; ms: number; value: number }[] => {
    if (message === undefined || !('value' in message) || isThrown(message)) return []
    const { group, value } = message
    const first = { group, ms: timestampMs, value }
    if (topic !== 'feeds' || !('device' in message)) return [first]
    const beatMs = timestampMs + BEAT_MS
    return beatMs > timeOf(times?.devices, 'feeds', message.device) ? [first] : [first, { group, ms: beatMs, value }]
  })
  const starts = events.flatMap(({ message, timestampMs }) =>
    message !== undefined && 'waitMs' in message ? [{ ...message, atMs: timestampMs }] : [],
  )
  const ended = starts.flatMap(({ id, device, group, atMs, waitMs }): Ended[] => {
    const dueMs = atMs + waitMs
    if (dueMs > timeOf(times?.rounds, 'pokes', group)) return []
    const sum = feeds.reduce(
      (all, one) => (one.group === group && one.ms >= atMs && one.ms < dueMs ? all + one.value : all),
      0,
    )
    return [{ id, device, region: regionOf(group), dueMs, sum }]
  })
  const added = ended.flatMap(({ id, region, dueMs }): string[] => {
    if (dueMs + SETTLES_MS > (times?.regions ?? Infinity)) return []
    const within = ended.filter((one) => one.region === region && one.dueMs > dueMs - SPAN_MS && one.dueMs <= dueMs)
    return [JSON.stringify({ region, id, n: within.length, sum: within.reduce((sum, one) => sum + one.sum, 0) })]
  })
  const left = starts.flatMap(({ id, atMs }) => {
    const endsMs = Math.ceil((atMs + TTL_MS) / STEP_MS) * STEP_MS
    return endsMs > (times?.lives ?? Infinity) ? [] : [JSON.stringify({ key: id, n: 1 })]
  })
  const back = new Map<string, number>()
  for (const { device } of ended) back.set(device, (back.get(device) ?? 0) + 1)
  const deadLetters = events.flatMap(({ message, text }) => (message === undefined || isThrown(message) ? [text] : []))
  return { ended, added, left, deadLetters, back }
}

function check(written: readonly DistantEvent[], partitions: number, idle: Idle, seen: Seen): string[] {
  const expected = calculate(written, partitions, idle)
  const valuesOf = (name: string): string[] => seen.records(name).map(({ value }) => value)
  const back = new Map(
    [...seen.states('device')].flatMap(([key, state]) => {
      const { ended } = state as { readonly ended: number }
      return ended === 0 ? [] : [[key, ended] as const]
    }),
  )
  const counts = (of: ReadonlyMap<string, number>): string[] => [...of].map(([key, n]) => `${key}: ${String(n)}`)
  return [
    ...multiset(
      'ended',
      expected.ended.map((one) => JSON.stringify(one)),
      valuesOf('ended'),
    ),
    ...multiset('added', expected.added, valuesOf('added')),
    ...multiset('left', expected.left, valuesOf('left')),
    ...multiset('ended of devices', counts(expected.back), counts(back)),
    ...multiset(
      'dead letters',
      expected.deadLetters,
      seen.deadLetters.map(({ value }) => value),
    ),
  ]
}

export const distantApplication = (idle: Idle): SimulatedApplication => ({
  definition: definitionOf(declare(idle)),
  partitionsOf,
  // The longest timers one after another, what ticks leave, and what they wait for.
  restMs: 11_000,
  draw: (random, plan) => {
    const written = drawEvents(random, plan)
    return { events: written, check: (seen) => check(written, plan.partitions, idle, seen) }
  },
})
