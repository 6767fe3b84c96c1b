/**
 * Windows after calls. Rides are rated right behind their topic, others are counted first and then shipped; both go by their
 * group, through one repartition, to windows. What is outside is slow, fails, and loses questions and answers; some calls never succeed.
 *
 * What lies in which window is a function of what lies in the sources, and of which calls have failed for good: however long a call took,
 * its result is late if its message was, and else it is not (*replay equality*).
 */
import { application, definitionOf } from '../../../src/api/application.js'
import { from, merge } from '../../../src/api/stream.js'
import { stateObject } from '../../../src/api/state-object.js'
import { tumbling, windowed } from '../../../src/api/windows.js'
import { topic } from '../../../src/api/topic.js'
import { partitionOf } from '../../../src/core/plan/partitioner.js'
import { SeededRandom } from '../../../src/memory/random.js'
import type { Outside } from '../../../src/ports/outside.js'
import { anything } from '../application.js'
import { multiset } from '../checks.js'
import { drawMoments, START_MS } from './moments.js'
import type { FeedEvent, FeedPlan, OutsideWorld, Seen, SimulatedApplication } from './simulated-application.js'
import type { Idle } from './timed-application.js'

/** `fails`: its call never succeeds. */
interface Ride {
  readonly id: string
  readonly key: string
  readonly group: string
  readonly value: number
  readonly kind: 'plain' | 'fails'
}
interface RideEvent extends FeedEvent {
  readonly message: Ride | undefined
  readonly timestampMs: number
}

const LATENESS_MS = 300
const TICK_MARGIN_MS = 1_000
const SIZE_MS = 500

const outsideOnly = async (): Promise<Ride | undefined> =>
  Promise.reject(new Error('there is an outside in this world'))

function declare(random: SeededRandom, idle: Idle) {
  const settings = { schema: anything<Ride>(), key: ({ key }: Ride) => key, latenessMs: LATENESS_MS, idle }
  const [rides, others] = [topic('rides', settings), topic('others', settings)]
  const sums = topic('sums', { schema: anything<{ group: string }>(), key: ({ group }) => group })
  const counted = stateObject('counted', () => ({ n: 0 }))
  const short = windowed('short', tumbling(SIZE_MS), () => ({ sum: 0 }), { late: 'drop' })
  const shape = () => ({ overlap: random.pick([1, 2, 16, 1024]), timeoutMs: random.pick([200, 2_000]) })
  const rated = from(rides).call('rate', outsideOnly, { ...shape(), attempts: 3, failed: 'dead-letter' })
  const shipped = from(others)
    .to(counted, (state, ride) => {
      state.n++
      return ride
    })
    .call('ship', outsideOnly, { ...shape(), attempts: Infinity })
  return application(
    'rated',
    merge(rated, shipped)
      .keyBy(({ group }) => group, { name: 'all' })
      .to(short, (state, { value }) => {
        state.sum += value
      }),
    from(short.closed)
      .map(({ key, startMs, messages, state: { sum } }) => ({ group: key, startMs, messages, sum }))
      .sink(sums),
  )
}

/** What is outside, as this world draws it. */
function outsideOf(random: SeededRandom, world: OutsideWorld): Outside {
  const { scheduler } = world
  const rates = {
    lost: random.pick([0, 0.05, 0.3]),
    failing: random.pick([0, 0.05, 0.3]),
    slowMs: random.pick([1, 50, 400, 1_500]),
  }
  return {
    make: (_, given) => {
      const ride = given as Ride
      const chance = (rate: number): boolean => !world.isCalm() && random.chance(rate)
      const takesMs = random.between(0, world.isCalm() ? 5 : rates.slowMs)
      return new Promise((resolve, reject) => {
        if (chance(rates.lost)) return
        const fails = ride.kind === 'fails' || chance(rates.failing)
        scheduler.after(undefined, takesMs, () => {
          if (fails) reject(new Error('not now'))
          else resolve(ride)
        })
      })
    },
  }
}

function drawEvents(random: SeededRandom, plan: FeedPlan): RideEvent[] {
  return drawMoments(random, plan, 150).map((atMs, index) => {
    const key = `K${String(random.below(plan.keys))}`
    const id = `c${String(index)}`
    const source = random.pick(['rides', 'others'])
    const delayMs = random.chance(0.15)
      ? LATENESS_MS + random.below(TICK_MARGIN_MS)
      : random.chance(0.4)
        ? random.below(LATENESS_MS)
        : 0
    const common = { topic: source, key, atMs, timestampMs: START_MS + atMs - delayMs }
    if (random.chance(0.02)) return { ...common, text: `no json ${id}`, message: undefined }
    const kind = source === 'rides' && random.chance(0.05) ? 'fails' : 'plain'
    const message: Ride = { id, key, group: `G${String(random.below(3))}`, value: index, kind }
    return { ...common, text: JSON.stringify(message), message }
  })
}

/** Few, because each is a task of several stages. */
const partitionsOf = (name: string, partitions: number): number => {
  const few = Math.min(partitions, 3)
  return name === 'rides' ? Math.min(few + 1, 3) : few
}

/** `failed`: by their text, those whose calls have. */
function calculate(events: readonly RideEvent[], partitions: number, idle: Idle, failed: ReadonlySet<string>) {
  const bounds = new Map<string, number>(
    ['rides', 'others'].flatMap((name) =>
      Array.from({ length: partitionsOf(name, partitions) }, (_, at) => [`${name}-${String(at)}`, -Infinity] as const),
    ),
  )
  const windows = new Map<string, { group: string; startMs: number; messages: number; sum: number }>()
  for (const { topic: source, key, timestampMs, message, text } of events) {
    const log = `${source}-${String(partitionOf('murmur2', Buffer.from(key), partitionsOf(source, partitions)))}`
    const boundMs = bounds.get(log) ?? -Infinity
    bounds.set(log, Math.max(boundMs, timestampMs - LATENESS_MS))
    const startMs = Math.floor(timestampMs / SIZE_MS) * SIZE_MS
    if (message === undefined || failed.has(text) || startMs + SIZE_MS <= boundMs) continue
    const { group, value } = message
    const before = windows.get(`${group} ${String(startMs)}`) ?? { group, startMs, messages: 0, sum: 0 }
    const after = { ...before, messages: before.messages + 1, sum: before.sum + value }
    windows.set(`${group} ${String(startMs)}`, after)
  }
  const timeMs = idle === 'never' ? Math.min(...bounds.values()) : Infinity
  return [...windows.values()].filter(({ startMs }) => startMs + SIZE_MS <= timeMs)
}

function check(events: readonly RideEvent[], partitions: number, idle: Idle, seen: Seen): string[] {
  const letters = seen.deadLetters.map(({ value }) => value)
  const bad = events.filter(({ message }) => message === undefined).map(({ text }) => text)
  const rides = events.filter(({ topic: source, message }) => source === 'rides' && message !== undefined)
  const failed = new Set(rides.filter(({ text }) => letters.includes(text)).map(({ text }) => text))
  return [
    ...multiset(
      'sums',
      calculate(events, partitions, idle, failed).map((one) => JSON.stringify(one)),
      seen.records('sums').map(({ value }) => value),
    ),
    ...rides
      .filter(({ message, text }) => message?.kind === 'fails' && !failed.has(text))
      .map(({ text }) => `rated: ${text} fails, and is no dead letter`),
    ...multiset('dead letters', [...bad, ...failed], letters),
  ]
}

export function timedCallsApplication(random: SeededRandom, idle: Idle): SimulatedApplication {
  const outside = new SeededRandom(random.below(2 ** 31))
  return {
    definition: definitionOf(declare(random, idle)),
    partitionsOf,
    // A window, what ticks leave, and what they wait for.
    restMs: 9_000,
    outside: (world) => outsideOf(outside, world),
    draw: (own, plan) => {
      const written = drawEvents(own, plan)
      return { events: written, check: (seen) => check(written, plan.partitions, idle, seen) }
    },
  }
}
