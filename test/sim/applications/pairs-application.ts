/**
 * Interval joins, one behind the other, over two topics with records that are late. What comes out is a function of what lies in the
 * sources, whatever the partitions, workers, crashes, commits, and the order between the two topics: a plain calculation over the logs
 * has to give the same (*replay equality*), with its timestamps.
 */
import { application, definitionOf } from '../../../src/api/application.js'
import { from, intervalJoin, type Context, type Keyed } from '../../../src/api/stream.js'
import { stateObject } from '../../../src/api/state-object.js'
import { topic } from '../../../src/api/topic.js'
import { partitionOf } from '../../../src/core/plan/partitioner.js'
import type { SeededRandom } from '../../../src/memory/random.js'
import { plainPairs, type PlainRecord } from '../plain-pairs.js'
import { anything } from '../application.js'
import { multiset } from '../checks.js'
import { drawMoments, START_MS } from './moments.js'
import type { FeedEvent, FeedPlan, Seen, SimulatedApplication } from './simulated-application.js'

/** `throws`: before the join. `bad`: when nothing has met it. */
interface Sent {
  readonly id: string
  readonly key: string
  readonly kind: 'plain' | 'throws' | 'bad'
}

const LATENESS_MS = 300
/** What a tick leaves to clocks that differ: whoever keeps to that is not late by it. */
const TICK_MARGIN_MS = 1_000
const WITHIN_MS = 400
/** So much that what it keeps is over when what has met nothing comes: that of the first join is out of reach of the same payment. */
const AGAIN_MS = 1_000
const GRAIN_MS = 100

export type Idle = 'clock' | 'never'

const declare = (idle: Idle) => {
  const settings = { schema: anything<Sent>(), key: ({ key }: Sent) => key, latenessMs: LATENESS_MS, idle }
  const [orders, payments] = [topic('orders', settings), topic('payments', settings)]
  const out = topic('out', { schema: anything<{ key: string }>(), key: ({ key }) => key })
  const stamp = stateObject('stamp', () => ({}))
  const checked = (stream: Keyed<Sent>): Keyed<Sent> =>
    stream.map((sent) => {
      if (sent.kind === 'throws') throw new Error(`${sent.id} throws`)
      return sent
    })
  const met = intervalJoin('met', checked(from(orders)), checked(from(payments)), { withinMs: WITHIN_MS })
  // Its name comes before that of the one that feeds it, and so would what has met nothing there.
  const again = intervalJoin('again', met.left, checked(from(payments, 'again')), { withinMs: AGAIN_MS })
  const stamped = (what: string, stream: Keyed<string>) =>
    stream.to(stamp, (_, text, { key, timestampMs }: Context) => ({ key, what, text, timestampMs })).sink(out)
  const alone = (sent: Sent): string => {
    if (sent.kind === 'bad') throw new Error(`${sent.id} throws where nothing has met it`)
    return sent.id
  }
  const pair = ({ left, right }: { left: Sent; right: Sent }): string => `${left.id} ${right.id}`
  return application(
    'pairs',
    stamped('met', met.both.map(pair)),
    stamped('order', met.left.filter(({ kind }) => kind !== 'bad').map(alone)),
    stamped('payment', met.right.map(alone)),
    stamped('again', again.both.map(pair)),
    stamped(
      'never',
      again.left.map(({ id }) => id),
    ),
  )
}

interface SentEvent extends FeedEvent {
  readonly message: Sent | undefined
  readonly timestampMs: number
}

function drawSent(random: SeededRandom, plan: FeedPlan): SentEvent[] {
  const times = drawMoments(random, plan, 300)
  // Now and then much of it is at the same moments, so that what is over meets what comes.
  const grainMs = random.pick([1, GRAIN_MS])
  return times.map((atMs, index) => {
    const key = `K${String(random.below(plan.keys))}`
    const id = `p${String(index)}`
    const delayMs = random.chance(0.1)
      ? LATENESS_MS + random.below(TICK_MARGIN_MS - GRAIN_MS)
      : random.chance(0.4)
        ? random.below(LATENESS_MS)
        : 0
    const common = {
      topic: random.pick(['orders', 'payments']),
      key,
      atMs,
      timestampMs: Math.floor((START_MS + atMs - delayMs) / grainMs) * grainMs,
    }
    if (random.chance(0.02)) return { ...common, text: `no json ${id}`, message: undefined }
    const draw = random.next()
    const message: Sent = { id, key, kind: draw < 0.03 ? 'throws' : draw < 0.1 ? 'bad' : 'plain' }
    return { ...common, text: JSON.stringify(message), message }
  })
}

/** In place of what had met nothing: it is stored, and not JSON. */
const STORED = 'what is stored'

interface Expected {
  readonly out: string[]
  readonly deadLetters: string[]
}

/** The plain calculation, of one partition's two logs. */
function calculate(events: readonly SentEvent[], idle: Idle): Expected {
  const expected: Expected = { out: [], deadLetters: [] }
  const logOf = (name: string): PlainRecord<SentEvent>[] =>
    events
      .filter(({ topic: source }) => source === name)
      .map((message) => ({ key: message.key, timestampMs: message.timestampMs, message }))
  const [orders, payments] = [logOf('orders'), logOf('payments')]
  const boundOf = (log: readonly PlainRecord<unknown>[]): number =>
    Math.max(-Infinity, ...log.map(({ timestampMs }) => timestampMs)) - LATENESS_MS
  const timeMs = idle === 'clock' ? Infinity : Math.min(boundOf(orders), boundOf(payments))
  const put = (what: string, key: string, text: string, timestampMs: number): void => {
    expected.out.push(JSON.stringify({ key, what, text, timestampMs }))
  }
  // What throws or is no message moves time as others do, and meets nothing.
  const lives = ({ message }: SentEvent): boolean => message !== undefined && message.kind !== 'throws'
  for (const { message } of [...orders, ...payments]) if (!lives(message)) expected.deadLetters.push(message.text)

  const latenessMs = [LATENESS_MS, LATENESS_MS] as const
  const first = plainPairs([orders], [payments], { withinMs: WITHIN_MS, latenessMs, takes: lives })
  for (const { key, timestampMs, left, right } of first.both)
    put('met', key, `${idOf(left)} ${idOf(right)}`, timestampMs)
  const isOver = ({ timestampMs }: { readonly timestampMs: number }, rank: number): boolean =>
    timestampMs + 1 + rank <= timeMs
  const orphans = first.left.filter((one) => isOver(one, 0))
  for (const { key, timestampMs, message } of orphans)
    if (message.message?.kind !== 'bad') put('order', key, idOf(message), timestampMs)
  for (const one of first.right.filter((each) => isOver(each, 0)))
    if (one.message.message?.kind === 'bad') expected.deadLetters.push(STORED)
    else put('payment', one.key, idOf(one.message), one.timestampMs)
  for (const { message } of first.late) expected.deadLetters.push(message.text)

  // What has met nothing is of no log: it is never late there.
  const logs = orphans.map((one) => [one])
  const second = plainPairs(logs, [payments], { withinMs: AGAIN_MS, latenessMs, takes: lives })
  for (const { key, timestampMs, left, right } of second.both)
    put('again', key, `${idOf(left)} ${idOf(right)}`, timestampMs)
  for (const one of second.left) if (isOver(one, 1)) put('never', one.key, idOf(one.message), one.timestampMs)
  for (const { message } of second.late) expected.deadLetters.push(message.text)
  return expected
}

const idOf = ({ message }: SentEvent): string => message?.id ?? ''

function check(events: readonly SentEvent[], partitions: number, idle: Idle, seen: Seen): string[] {
  const all = Array.from({ length: partitions }, (_, partition) =>
    calculate(
      events.filter(({ key }) => partitionOf('murmur2', Buffer.from(key), partitions) === partition),
      idle,
    ),
  )
  return [
    ...multiset(
      'out',
      all.flatMap(({ out }) => out),
      seen.records('out').map(({ value }) => value),
    ),
    ...multiset(
      'dead letters',
      all.flatMap(({ deadLetters }) => deadLetters),
      seen.deadLetters.map(({ value }) => (value.startsWith('{') || value.startsWith('no json') ? value : STORED)),
    ),
  ]
}

export const pairsApplication = (idle: Idle): SimulatedApplication => ({
  definition: definitionOf(declare(idle)),
  // Both joins one after the other, what a tick leaves, and what a tick may wait for.
  restMs: 8_000,
  draw: (random, plan) => {
    const written = drawSent(random, plan)
    return { events: written, check: (seen) => check(written, plan.partitions, idle, seen) }
  },
})
