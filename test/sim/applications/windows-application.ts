/**
 * Windows of each kind, over two topics, with records that are late. What comes out is a function of what lies in the sources,
 * whatever the partitions, workers, crashes, commits, and the order between the two topics: a plain calculation over the logs has to
 * give the same (*replay equality*). What is late is decided by each partition's log: the calculation knows nothing of a task's time.
 */
import { application, definitionOf } from '../../../src/api/application.js'
import { from, merge } from '../../../src/api/stream.js'
import { counting, hopping, session, tumbling, windowed } from '../../../src/api/windows.js'
import { topic } from '../../../src/api/topic.js'
import { partitionOf } from '../../../src/core/plan/partitioner.js'
import type { SeededRandom } from '../../../src/memory/random.js'
import { anything } from '../application.js'
import { multiset } from '../checks.js'
import { drawMoments, START_MS } from './moments.js'
import type { FeedEvent, FeedPlan, Seen, SimulatedApplication } from './simulated-application.js'

/** `throws`: behind windows that it may be late for. `bad`: the window that it lies in throws when it closes. `isLate`: it was written later than it may. */
interface Hit {
  readonly id: string
  readonly key: string
  readonly value: number
  readonly kind: 'plain' | 'throws' | 'bad'
  readonly isLate: boolean
}
interface Sum {
  sum: number
  bad: boolean
}

const LATENESS_MS = 300
/** What a tick leaves to clocks that differ: whoever keeps to that is not late by it. */
const TICK_MARGIN_MS = 1_000
const SHORT_MS = 400
const LONG_MS = 2_000
const HOP_MS = 250
const GAP_MS = 350
const COUNT = 4

export type Idle = 'clock' | 'never'

const begin = (): Sum => ({ sum: 0, bad: false })
const add = (sum: Sum, { value, kind }: Hit): void => {
  sum.sum += value
  if (kind === 'bad') sum.bad = true
}
const join = (earlier: Sum, later: Sum): void => {
  earlier.sum += later.sum
  earlier.bad ||= later.bad
}

const declare = (idle: Idle) => {
  const settings = { schema: anything<Hit>(), key: ({ key }: Hit) => key, latenessMs: LATENESS_MS, idle }
  const [lefts, rights] = [topic('lefts', settings), topic('rights', settings)]
  const sink = (name: string) => topic(name, { schema: anything<{ key: string }>(), key: ({ key }) => key })
  const early = sink('early')
  const [shorts, longs, hops] = [sink('shorts'), sink('longs'), sink('hops')]
  const [alone, both, fours] = [sink('alone'), sink('both'), sink('fours')]

  const short = windowed('short', tumbling(SHORT_MS), begin)
  // Its name comes before that of the one that feeds it, and so would its end.
  const long = windowed('a-long', tumbling(LONG_MS), () => ({ sum: 0, windows: 0 }))
  const hop = windowed('hop', hopping(4 * HOP_MS, HOP_MS), begin, { late: 'drop' })
  const visit = windowed('visit', session(GAP_MS), begin, { merge: join })
  const meeting = windowed('meeting', session(GAP_MS), begin, { merge: join, late: 'drop' })
  const four = windowed('four', counting(COUNT), () => ({ ids: '' }))
  const all = merge(from(lefts), from(rights))
  return application(
    'windows',
    from(lefts).to(visit, add),
    from(visit.closed)
      .map(({ key, startMs, endMs, messages, state: { sum } }) => ({ key, startMs, endMs, messages, sum }))
      .sink(alone),
    all
      .to(short, (sum, hit, { window, key }) => {
        add(sum, hit)
        return { key, id: hit.id, startMs: window.startMs }
      })
      .sink(early),
    from(short.closed)
      .map(({ key, startMs, endMs, messages, state: { sum, bad } }) => {
        if (bad) throw new Error(`a window of ${key} throws`)
        return { key, startMs, endMs, messages, sum }
      })
      .sink(shorts),
    from(short.closed)
      .filter(({ state }) => !state.bad)
      .to(long, (total, { state }) => {
        total.sum += state.sum
        total.windows++
      }),
    from(long.closed)
      .map(({ key, startMs, endMs, state }) => ({ key, startMs, endMs, ...state }))
      .sink(longs),
    all.to(hop, (sum, hit) => {
      add(sum, hit)
      if (hit.kind === 'throws') throw new Error(`${hit.id} throws`)
    }),
    from(hop.closed)
      .map(({ key, startMs, endMs, messages, state: { sum } }) => ({ key, startMs, endMs, messages, sum }))
      .sink(hops),
    all.filter(({ isLate }) => !isLate).to(meeting, add),
    from(meeting.closed)
      .map(({ key, startMs, endMs, messages, state: { sum } }) => ({ key, startMs, endMs, messages, sum }))
      .sink(both),
    from(lefts).to(four, (state, { id }) => {
      state.ids += ` ${id}`
    }),
    from(four.closed)
      .map(({ key, startMs, endMs, state: { ids } }) => ({ key, startMs, endMs, ids }))
      .sink(fours),
  )
}
interface HitEvent extends FeedEvent {
  readonly message: Hit | undefined
  readonly timestampMs: number
}

function drawHits(random: SeededRandom, plan: FeedPlan): HitEvent[] {
  const times = drawMoments(random, plan, 300)
  return times.map((atMs, index) => {
    const key = `K${String(random.below(plan.keys))}`
    const id = `w${String(index)}`
    const source = random.pick(['lefts', 'lefts', 'rights'])
    const isLate = random.chance(0.1)
    const delayMs = isLate
      ? LATENESS_MS + random.below(TICK_MARGIN_MS)
      : random.chance(0.4)
        ? random.below(LATENESS_MS)
        : 0
    const common = { topic: source, key, atMs, timestampMs: START_MS + atMs - delayMs }
    if (random.chance(0.02)) return { ...common, text: `no json ${id}`, message: undefined }
    const draw = random.next()
    const kind = draw < 0.04 ? 'throws' : draw < 0.08 ? 'bad' : 'plain'
    const message: Hit = { id, key, value: index, kind, isLate }
    return { ...common, text: JSON.stringify(message), message }
  })
}

interface Taken {
  readonly hit: Hit
  readonly atMs: number
  readonly topic: string
  readonly text: string
  /** Of its partition, before it. */
  readonly boundMs: number
}
interface Result {
  readonly key: string
  readonly startMs: number
  readonly endMs: number
}

/** The plain calculation, of one partition's two logs. */
class Calculation {
  readonly out: Record<string, Result[]> = { shorts: [], longs: [], hops: [], alone: [], both: [], fours: [] }
  readonly early: string[] = []
  readonly deadLetters: string[] = []
  readonly #timeMs: number

  constructor(events: readonly HitEvent[], idle: Idle) {
    const bounds = new Map([
      ['lefts', -Infinity],
      ['rights', -Infinity],
    ])
    const taken = events.flatMap(({ topic: source, timestampMs: atMs, message: hit, text }): Taken[] => {
      const boundMs = bounds.get(source) ?? -Infinity
      bounds.set(source, Math.max(boundMs, atMs - LATENESS_MS))
      if (hit === undefined) this.deadLetters.push(text)
      return hit === undefined ? [] : [{ hit, atMs, topic: source, text, boundMs }]
    })
    this.#timeMs = idle === 'clock' ? Infinity : Math.min(...bounds.values())
    // What throws does nothing at all; where no window takes it, it does not throw.
    const lives = taken.filter((one) => {
      const throws = one.hit.kind === 'throws' && Math.floor(one.atMs / HOP_MS) * HOP_MS + 4 * HOP_MS > one.boundMs
      if (throws) this.deadLetters.push(one.text)
      return !throws
    })
    for (const key of new Set(lives.map(({ hit }) => hit.key)))
      this.#key(
        key,
        lives.filter(({ hit }) => hit.key === key),
      )
  }

  #isLate({ atMs, boundMs }: Taken, sizeMs: number): boolean {
    return Math.floor(atMs / sizeMs) * sizeMs + sizeMs <= boundMs
  }

  #key(key: string, hits: readonly Taken[]): void {
    this.#shorts(key, hits)
    this.#hops(key, hits)
    const lefts = hits.filter(({ topic: source }) => source === 'lefts')
    for (const one of lefts) if (one.atMs + GAP_MS <= one.boundMs) this.deadLetters.push(one.text)
    this.#sessions('alone', key, lefts)
    this.#sessions(
      'both',
      key,
      hits.filter(({ hit }) => !hit.isLate),
    )
    for (let i = 0; i + COUNT <= lefts.length; i += COUNT) {
      const four = lefts.slice(i, i + COUNT)
      const times = four.map(({ atMs }) => atMs)
      const ids = four.map(({ hit }) => ` ${hit.id}`).join('')
      this.#put('fours', { key, startMs: Math.min(...times), endMs: Math.max(...times) + 1, ids })
    }
  }

  #shorts(key: string, hits: readonly Taken[]): void {
    const windows = new Map<number, Hit[]>()
    for (const one of hits) {
      if (this.#isLate(one, SHORT_MS)) {
        this.deadLetters.push(one.text)
        continue
      }
      const startMs = Math.floor(one.atMs / SHORT_MS) * SHORT_MS
      this.early.push(JSON.stringify({ key, id: one.hit.id, startMs }))
      windows.set(startMs, [...(windows.get(startMs) ?? []), one.hit])
    }
    const longs = new Map<number, { sum: number; windows: number }>()
    for (const [startMs, inside] of windows) {
      const endMs = startMs + SHORT_MS
      if (endMs > this.#timeMs) continue
      const sum = sumOf(inside)
      if (inside.some(({ kind }) => kind === 'bad')) {
        this.deadLetters.push(WINDOW)
        continue
      }
      this.#put('shorts', { key, startMs, endMs, messages: inside.length, sum })
      const longMs = Math.floor(startMs / LONG_MS) * LONG_MS
      const before = longs.get(longMs) ?? { sum: 0, windows: 0 }
      longs.set(longMs, { sum: before.sum + sum, windows: before.windows + 1 })
    }
    // It closes a millisecond later than those that it is made of.
    for (const [startMs, total] of longs)
      if (startMs + LONG_MS + 1 <= this.#timeMs)
        this.#put('longs', { key, startMs, endMs: startMs + LONG_MS, ...total })
  }

  #hops(key: string, hits: readonly Taken[]): void {
    const windows = new Map<number, Hit[]>()
    for (const { hit, atMs, boundMs } of hits) {
      const lastMs = Math.floor(atMs / HOP_MS) * HOP_MS
      for (let startMs = lastMs; startMs > atMs - 4 * HOP_MS; startMs -= HOP_MS)
        if (startMs + 4 * HOP_MS > boundMs) windows.set(startMs, [...(windows.get(startMs) ?? []), hit])
    }
    for (const [startMs, inside] of windows)
      if (startMs + 4 * HOP_MS <= this.#timeMs)
        this.#put('hops', { key, startMs, endMs: startMs + 4 * HOP_MS, messages: inside.length, sum: sumOf(inside) })
  }

  /** One log is gone through in its order, where late ones find sessions closed; what is in time may come in any. */
  #sessions(to: string, key: string, hits: readonly Taken[]): void {
    let open: { startMs: number; endMs: number; inside: Hit[] }[] = []
    for (const { hit, atMs, boundMs } of hits) {
      if (atMs + GAP_MS <= boundMs) continue
      const joins = open.filter(({ startMs, endMs }) => endMs > boundMs && startMs < atMs + GAP_MS && endMs > atMs)
      const all = [{ startMs: atMs, endMs: atMs + GAP_MS, inside: [hit] }, ...joins]
      open = open.filter((one) => !joins.includes(one))
      open.push({
        startMs: Math.min(...all.map(({ startMs }) => startMs)),
        endMs: Math.max(...all.map(({ endMs }) => endMs)),
        inside: all.flatMap(({ inside }) => inside),
      })
    }
    for (const { startMs, endMs, inside } of open)
      if (endMs <= this.#timeMs) this.#put(to, { key, startMs, endMs, messages: inside.length, sum: sumOf(inside) })
  }

  #put(to: string, result: Result & Readonly<Record<string, unknown>>): void {
    this.out[to]?.push(result)
  }
}

/** In place of what a window had: it is stored, and not JSON. */
const WINDOW = 'a window'
const sumOf = (hits: readonly Hit[]): number => hits.reduce((sum, { value }) => sum + value, 0)

function check(events: readonly HitEvent[], partitions: number, idle: Idle, seen: Seen): string[] {
  const calculations = Array.from(
    { length: partitions },
    (_, partition) =>
      new Calculation(
        events.filter(({ key }) => partitionOf('murmur2', Buffer.from(key), partitions) === partition),
        idle,
      ),
  )
  const valuesOf = (name: string): string[] => seen.records(name).map(({ value }) => value)
  const closed = ['shorts', 'longs', 'hops', 'alone', 'both', 'fours'].flatMap((name) => [
    ...multiset(
      name,
      calculations.flatMap(({ out }) => (out[name] ?? []).map((result) => JSON.stringify(result))),
      valuesOf(name),
    ),
    ...(name === 'fours' ? [] : outOfOrder(name, seen)),
  ])
  return [
    ...closed,
    ...multiset(
      'early',
      calculations.flatMap(({ early }) => early),
      valuesOf('early'),
    ),
    ...multiset(
      'dead letters',
      calculations.flatMap(({ deadLetters }) => deadLetters),
      seen.deadLetters.map(({ value }) => (value.startsWith('{') || value.startsWith('no json') ? value : WINDOW)),
    ),
  ]
}

/** Windows of a key close in the order of their ends. */
function outOfOrder(name: string, seen: Seen): string[] {
  const last = new Map<string, number>()
  return seen.records(name).flatMap(({ key, value }) => {
    const { endMs } = JSON.parse(value) as Result
    const isEarly = endMs < (last.get(key) ?? -Infinity)
    last.set(key, endMs)
    return isEarly ? [`${name}, ${key}: out of order: ${value}`] : []
  })
}

export const windowsApplication = (idle: Idle): SimulatedApplication => ({
  definition: definitionOf(declare(idle)),
  // The longest window, what a tick leaves, and what a tick may wait for.
  restMs: 8_000,
  draw: (random, plan) => {
    const written = drawHits(random, plan)
    return { events: written, check: (seen) => check(written, plan.partitions, idle, seen) }
  },
})
