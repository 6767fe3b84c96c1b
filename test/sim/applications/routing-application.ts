/**
 * Several stages: payments between accounts are debited, audited in the same transaction, credited after a repartition, and
 * counted per region behind a second one in a row; words of lines without keys come to a third. Each repartition has a
 * partition count of its own. Streams branch, merge, and have filters between their steps.
 *
 * What is promised is checked: outputs and state objects as multisets, the order of what one source key gave, all the way; and
 * that money is moved, not made.
 *
 * There is a second version of it, for rolling deployments, and one that can't continue where the first is: see `later`.
 */
import { application, definitionOf } from '../../../src/api/application.js'
import { from, merge, type Pipeline } from '../../../src/api/stream.js'
import { stateObject } from '../../../src/api/state-object.js'
import { topic } from '../../../src/api/topic.js'
import type { ApplicationDefinition } from '../../../src/api/definition.js'
import type { SeededRandom } from '../../../src/memory/random.js'
import { anything, follow } from '../application.js'
import { multiset } from '../checks.js'
import type { SeenRecord } from '../views.js'
import { checkSink, type Due } from './relay-application.js'
import type { Feed, FeedEvent, FeedPlan, Seen, SimulatedApplication } from './simulated-application.js'

/**
 * How often the second version has a new sub-topology. Workers of the first version do not know its tasks, and must not be
 * given them: to be drawn once the assignor sees to that.
 */
const NEW_SUB_TOPOLOGY_CHANCE = 0.5

const REGIONS = ['north', 'süd', 'ost', 'w']
/** Parts of a payment, at most. */
const MOST_PARTS = 3

/** In which stage it fails, having changed its state object. */
type Fails = 'debit' | 'audit' | 'credit' | 'count' | undefined

interface Payment {
  readonly id: string
  /** Its place in all that is fed: what one source key gave is in this order. */
  readonly at: number
  readonly source: 'payments' | 'refunds'
  readonly payer: string
  readonly payee: string
  readonly region: string
  readonly amount: number
  /** It is counted in so many parts. */
  readonly parts: number
  readonly fails?: Fails
}
interface Part extends Payment {
  readonly part: number
}
interface Line {
  readonly id: string
  readonly words: readonly string[]
}
interface Bonus {
  readonly id: string
  readonly payer: string
}

interface Account {
  out: number
  n: number
  /** By source: what was taken, in its order. */
  trails: Record<string, number>
  /** By the second version alone. */
  bonuses?: number
}
interface Audit {
  n: number
  sum: number
}
/** Messages of one lane, which come in their order: the last of each, and how many did not. */
interface Lanes {
  last: Record<string, number>
  disorder: number
}
interface Received extends Lanes {
  in: number
  n: number
}
interface Region extends Lanes {
  sum: number
  n: number
  /** By the second version alone. */
  shortcuts?: number
}

const initialAccount = (): Account => ({ out: 0, n: 0, trails: {} })
const initialAudit = (): Audit => ({ n: 0, sum: 0 })
const initialReceived = (): Received => ({ in: 0, n: 0, last: {}, disorder: 0 })
const initialRegion = (): Region => ({ sum: 0, n: 0, last: {}, disorder: 0 })

const laneOf = ({ source, payer }: Payment): string => `${source} of ${payer}`

function inLane(state: Lanes, lane: string, at: number): void {
  if (at < (state.last[lane] ?? -1)) state.disorder++
  state.last[lane] = at
}

function fail(payment: Payment, stage: Fails): void {
  if (payment.fails === stage) throw new Error(`${payment.id} fails`)
}

function debit(state: Account, payment: Payment) {
  state.out += payment.amount
  state.n++
  state.trails[payment.source] = follow(state.trails[payment.source] ?? 0, payment.id)
  fail(payment, 'debit')
  return { ...payment, debits: state.n }
}
function audit<P extends Payment>(state: Audit, payment: P): P & { readonly audits: number } {
  state.n++
  state.sum += payment.amount
  fail(payment, 'audit')
  return { ...payment, audits: state.n }
}
function credit(state: Received, payment: Payment) {
  state.in += payment.amount
  state.n++
  inLane(state, laneOf(payment), payment.at)
  fail(payment, 'credit')
  return { ...payment, credits: state.n }
}
const partsOf = (payment: Payment): Part[] =>
  Array.from({ length: payment.parts }, (_, part) => ({ ...payment, part, amount: payment.amount / payment.parts }))
function count(state: Region, part: Part) {
  state.sum += part.amount
  state.n++
  inLane(state, `${laneOf(part)} to ${part.payee}`, part.at * MOST_PARTS + part.part)
  fail(part, 'count')
  return { ...part, counts: state.n }
}

const payerOf = ({ payer }: { readonly payer: string }): string => payer
const payments = topic('payments', { schema: anything<Payment>(), key: payerOf })
const refunds = topic('refunds', { schema: anything<Payment>(), key: payerOf })
const bonuses = topic('bonuses', { schema: anything<Bonus>(), key: payerOf })
const lines = topic('lines', { schema: anything<Line>() })

interface Counted {
  readonly key: string
  readonly id: string
  /** How many the state object had seen, this one included. */
  readonly n: number
}
const counted = (name: string) => topic(name, { schema: anything<Counted>(), key: ({ key }) => key })
const audited = counted('audited')
const credited = counted('credited')
const regional = counted('regional')
const words = counted('words')
const extras = counted('extras')
const granted = counted('granted')
const shortcuts = counted('shortcuts')
const archived = counted('archived')

const isAudited = ({ amount }: Payment): boolean => amount % 12 === 0
const isRegional = ({ part }: Part): boolean => part !== 1

interface Shape {
  readonly partitions: { readonly received: number; readonly region: number; readonly word: number }
  /** Whether lines are read: their positions are in the group alone. */
  readonly hasLines: boolean
  /** Pipelines of the second version stand in another order. */
  readonly isReversed: boolean
  /** Whether the second version has a sub-topology that the first has not. */
  readonly isArchived: boolean
}

/** The versions of an application of that shape. */
function versionsOf({ partitions, hasLines, isReversed, isArchived }: Shape) {
  const account = stateObject('account', initialAccount)
  const audits = stateObject('audit', initialAudit)
  const received = stateObject('received', initialReceived, { partitions: partitions.received })
  const region = stateObject('region', initialRegion, { partitions: partitions.region })
  const word = stateObject('word', () => ({ n: 0 }), { partitions: partitions.word })
  const front = stateObject('front', () => ({ seen: 0 }))
  const archive = stateObject('archive', () => ({ n: 0 }))

  const stages = (): Pipeline[] => {
    const debited = merge(from(payments), from(refunds)).to(account, debit).to(audits, audit)
    const receipts = debited.keyBy(({ payee }) => payee).to(received, credit)
    const inRegions = receipts
      .flatMap(partsOf)
      .keyBy((part) => part.region)
      .to(region, count)
    return [
      debited
        .filter(isAudited)
        .map(({ payer: key, id, debits: n }) => ({ key, id, n }))
        .sink(audited),
      receipts.map(({ payee: key, id, credits: n }) => ({ key, id, n })).sink(credited),
      inRegions
        .filter(isRegional)
        .map(({ region: key, id, part, counts: n }) => ({ key, id: `${id}.${String(part)}`, n }))
        .sink(regional),
      ...(hasLines
        ? [
            from(lines)
              .flatMap(({ id, words: all }) => all.map((key, at) => ({ key, id: `${id}.${String(at)}` })))
              .keyBy(({ key }) => key)
              .to(word, (state, one) => ({ ...one, n: ++state.n }))
              .sink(words),
          ]
        : []),
    ]
  }
  const more = (): Pipeline[] => [
    // A state object that is declared in front, in a sub-topology that was named after another.
    from(payments)
      .to(front, (state, { id, payer: key }) => ({ key, id, n: ++state.seen }))
      .sink(extras),
    // A source on a state object that is known.
    from(bonuses)
      .to(account, (state, { id, payer: key }) => ({ key, id, n: (state.bonuses = (state.bonuses ?? 0) + 1) }))
      .sink(granted),
    // A repartition that leads to one.
    from(payments)
      .keyBy((one) => one.region, { name: 'shortcut' })
      .to(region, (state, { id, region: key }) => ({ key, id, n: (state.shortcuts = (state.shortcuts ?? 0) + 1) }))
      .sink(shortcuts),
    ...(isArchived
      ? [
          from(payments)
            .keyBy((one) => one.id)
            .to(archive, (state, { id }) => ({ key: id, id, n: ++state.n }))
            .sink(archived),
        ]
      : []),
  ]
  const definitionWith = (...pipelines: readonly Pipeline[]): ApplicationDefinition => {
    const [head, ...rest] = pipelines
    if (head === undefined) throw new RangeError('an application has pipelines')
    return definitionOf(application('routing', head, ...rest))
  }
  return {
    first: definitionWith(...stages()),
    second: definitionWith(...more(), ...(isReversed ? stages().reverse() : stages())),
    // A pipeline that connects what is kept apart.
    incompatible: definitionWith(
      ...stages(),
      from(payments).to(received, () => undefined),
    ),
  }
}

interface RoutingEvent extends FeedEvent {
  /** Undefined for a value that is no JSON. */
  readonly message: Payment | Line | Bonus | undefined
}

const idOf = (at: number): string => `#${String(at)}#`

function drawEvents(random: SeededRandom, { events, keys, fromMs, toMs }: FeedPlan, hasLines: boolean): RoutingEvent[] {
  const times = Array.from({ length: events }, () => Math.floor(random.between(fromMs, toMs))).sort((a, b) => a - b)
  return times.map((atMs, at) => {
    const payer = `P${String(random.below(keys))}`
    const id = idOf(at)
    const source = random.pick(['payments', 'payments', 'refunds', 'bonuses', ...(hasLines ? ['lines'] : [])])
    const to = {
      topic: source,
      key: payer,
      atMs,
      ...(source === 'lines' && random.chance(0.5) ? { hasKey: false } : {}),
    }
    if (source !== 'bonuses' && random.chance(0.02)) return { ...to, text: `no json ${id}`, message: undefined }
    const draw = (): Payment | Line | Bonus => {
      if (source === 'bonuses') return { id, payer }
      if (source === 'lines')
        return { id, words: Array.from({ length: random.below(4) }, () => `w${String(random.below(12))}`) }
      return {
        id,
        at,
        source: source as Payment['source'],
        payer,
        payee: `P${String(random.below(Math.min(keys, 6)))}`,
        region: random.pick(REGIONS),
        amount: 6 * (1 + random.below(10)),
        parts: 1 + random.below(MOST_PARTS),
        ...(random.chance(0.05) ? { fails: random.pick(['debit', 'audit', 'credit', 'count'] as const) } : {}),
      }
    }
    const message = draw()
    return { ...to, text: JSON.stringify(message), message }
  })
}

interface Expected {
  readonly accounts: Map<string, Account>
  readonly audits: Map<string, Audit>
  readonly received: Map<string, Received>
  readonly regions: Map<string, Region>
  readonly words: Map<string, { n: number }>
  readonly due: Readonly<Record<'audited' | 'credited' | 'regional' | 'words' | 'extras' | 'granted', Due[]>>
  /** Ids, one for each. */
  readonly deadLetters: string[]
  /** What was debited and never credited, for the credit failed. */
  stuck: number
}

/** Plainly, one message after the other. */
function calculate(events: readonly RoutingEvent[]): Expected {
  const expected: Expected = {
    accounts: new Map(),
    audits: new Map(),
    received: new Map(),
    regions: new Map(),
    words: new Map(),
    due: { audited: [], credited: [], regional: [], words: [], extras: [], granted: [] },
    deadLetters: [],
    stuck: 0,
  }
  const { due, deadLetters } = expected
  /** Does the step on a copy; gives undefined where it throws. */
  const step = <S extends object, R>(states: Map<string, S>, key: string, initial: () => S, work: (state: S) => R) => {
    const state = structuredClone(states.get(key) ?? initial())
    try {
      const result = work(state)
      return { result, keep: () => void states.set(key, state) }
    } catch {
      return undefined
    }
  }
  for (const [at, { key, message }] of events.entries()) {
    if (message === undefined) {
      deadLetters.push(idOf(at))
      continue
    }
    const { id } = message
    if ('words' in message) {
      for (const [i, word] of message.words.entries()) {
        expected.words.set(word, { n: (expected.words.get(word)?.n ?? 0) + 1 })
        due.words.push({ lane: key, text: `${word} ${id}.${String(i)}` })
      }
      continue
    }
    if (!('amount' in message)) {
      due.granted.push({ lane: key, text: `${message.payer} ${id}` })
      continue
    }
    const { payer, payee, region } = message
    const lane = laneOf(message)
    const debited = step(expected.accounts, payer, initialAccount, (state) => debit(state, message))
    const seen = debited && step(expected.audits, payer, initialAudit, (state) => audit(state, message))
    if (seen === undefined) {
      deadLetters.push(id)
      continue
    }
    debited?.keep()
    seen.keep()
    if (isAudited(message)) due.audited.push({ lane, text: `${payer} ${id}` })
    if (message.source === 'payments') due.extras.push({ lane, text: `${payer} ${id}` })
    const receipt = step(expected.received, payee, initialReceived, (state) => credit(state, message))
    if (receipt === undefined) {
      deadLetters.push(id)
      expected.stuck += message.amount
      continue
    }
    receipt.keep()
    due.credited.push({ lane, text: `${payee} ${id}` })
    for (const part of partsOf(message)) {
      const inRegion = step(expected.regions, region, initialRegion, (state) => count(state, part))
      if (inRegion === undefined) deadLetters.push(id)
      else {
        inRegion.keep()
        if (isRegional(part))
          due.regional.push({ lane: `${lane} to ${payee}`, text: `${region} ${id}.${String(part.part)}` })
      }
    }
  }
  return expected
}

const outputsOf = (records: readonly SeenRecord[]): Counted[] =>
  records.map(({ value }) => JSON.parse(value) as Counted)

/** Fields in the order of their names. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) =>
    typeof one === 'object' && one !== null && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  )

function checkStates<S extends object>(
  name: string,
  due: ReadonlyMap<string, S>,
  seen: ReadonlyMap<string, unknown>,
  /** What is compared of it. */
  of: (state: S) => unknown,
  initial: () => S,
): string[] {
  return [...new Set([...due.keys(), ...seen.keys()])].flatMap((key) => {
    const [lies, ought] = [(seen.get(key) as S | undefined) ?? initial(), due.get(key) ?? initial()].map((state) =>
      canonical(of(state)),
    )
    return lies === ought ? [] : [`state object ${name} of ${key}: it is ${String(lies)}, due was ${String(ought)}`]
  })
}

/** Each output says how many its state object had seen: 1, 2, 3 …, as many as the state object says in the end. */
function checkNumbers(what: string, outputs: readonly Counted[], seenBy: (key: string) => number): string[] {
  const byKey = new Map<string, number[]>()
  for (const { key, n } of outputs) byKey.set(key, [...(byKey.get(key) ?? []), n])
  return [...byKey].flatMap(([key, all]) => {
    const sorted = [...all].sort((a, b) => a - b)
    const due = Array.from({ length: seenBy(key) }, (_, i) => i + 1)
    return canonical(sorted) === canonical(due)
      ? []
      : [`${what}, ${key}: numbers ${canonical(sorted)}, the state object has ${String(due.length)}`]
  })
}

/** Outputs whose state objects have seen others as well. */
const checkDistinct = (what: string, outputs: readonly Counted[]): string[] => {
  const seen = new Set<string>()
  return outputs.flatMap(({ key, n }) => {
    const one = `${key} ${String(n)}`
    const isKnown = seen.has(one)
    seen.add(one)
    return isKnown ? [`${what}: repeated, or never due 1 times: number ${one}`] : []
  })
}

function check(events: readonly RoutingEvent[], seen: Seen, isArchived: boolean): string[] {
  const expected = calculate(events)
  const { due } = expected
  const sink = (name: string, all: readonly Due[]): string[] =>
    checkSink(
      name,
      all,
      seen.records(name).map((record) => ({ ...record, value: (JSON.parse(record.value) as Counted).id })),
    )
  /** Only what the second version took: nothing twice, in order, all of it where it runs in the end. */
  const later = (name: string, all: readonly Due[], isComplete: boolean): string[] => {
    const there = new Set(outputsOf(seen.records(name)).map(({ key, id }) => `${key} ${id}`))
    return sink(name, isComplete ? all : all.filter(({ text }) => there.has(text)))
  }
  const numbers = (name: string, seenBy: (key: string) => number): string[] =>
    checkNumbers(name, outputsOf(seen.records(name)), seenBy)
  const states = <S>(name: string): ReadonlyMap<string, S> => seen.states(name) as ReadonlyMap<string, S>
  const [accounts, received, regions] = [
    states<Account>('account'),
    states<Received>('received'),
    states<Region>('region'),
  ]
  const sum = <S>(all: ReadonlyMap<string, S>, of: (state: S) => number): number =>
    [...all.values()].reduce((total, state) => total + of(state), 0)
  const [out, into] = [sum(accounts, (one) => one.out), sum(received, (one) => one.in)]
  const archivedDue = outputsOf(seen.records('extras')).map(({ id }) => ({ lane: id, text: `${id} ${id}` }))
  const shortcutsDue = outputsOf(seen.records('extras')).flatMap(({ id }) => {
    const event = events[Number(id.slice(1, -1))]
    return event?.message !== undefined && 'region' in event.message
      ? [{ lane: id, text: `${event.message.region} ${id}` }]
      : []
  })
  return [
    ...sink('audited', due.audited),
    ...sink('credited', due.credited),
    ...sink('regional', due.regional),
    ...sink('words', due.words),
    ...multiset(
      'dead letters',
      expected.deadLetters,
      seen.deadLetters.map(({ value }) => /#\d+#/.exec(value)?.[0] ?? value),
    ),
    ...checkStates(
      'account',
      expected.accounts,
      accounts,
      ({ out, n, trails }) => ({ out, n, trails }),
      initialAccount,
    ),
    ...checkStates('audit', expected.audits, states('audit'), (state) => state, initialAudit),
    ...checkStates('received', expected.received, received, (state) => state, initialReceived),
    ...checkStates(
      'region',
      expected.regions,
      regions,
      ({ sum: total, n, last, disorder }) => ({ total, n, last, disorder }),
      initialRegion,
    ),
    ...checkStates(
      'word',
      expected.words,
      states('word'),
      (state) => state,
      () => ({ n: 0 }),
    ),
    ...checkDistinct('audited', outputsOf(seen.records('audited'))),
    ...checkDistinct('regional', outputsOf(seen.records('regional'))),
    ...numbers('credited', (key) => received.get(key)?.n ?? 0),
    ...numbers('words', (key) => states<{ n: number }>('word').get(key)?.n ?? 0),
    ...(out === into + expected.stuck
      ? []
      : [`money: ${String(out)} went out, ${String(into)} came in, and ${String(expected.stuck)} is in dead letters`]),
    // Of the second version.
    ...later('extras', due.extras, false),
    ...numbers('extras', (key) => states<{ seen: number }>('front').get(key)?.seen ?? 0),
    ...later('granted', due.granted, seen.isLater),
    ...numbers('granted', (key) => accounts.get(key)?.bonuses ?? 0),
    ...later('shortcuts', shortcutsDue, seen.isLater),
    ...later('archived', isArchived ? archivedDue : [], seen.isLater),
    ...numbers('shortcuts', (key) => regions.get(key)?.shortcuts ?? 0),
  ]
}

/** Of a shape that is drawn. */
export function routingApplication(random: SeededRandom): SimulatedApplication {
  const hasLines = random.chance(0.5)
  const counts = [1, 2, 3, 4, 5]
  const isReversed = random.chance(0.5)
  const isArchived = random.chance(NEW_SUB_TOPOLOGY_CHANCE)
  const { first, second, incompatible } = versionsOf({
    partitions: { received: random.pick(counts), region: random.pick(counts), word: random.pick(counts) },
    hasLines,
    isReversed,
    isArchived,
  })
  const linesPartitions = random.pick([1, 2, 3])
  return {
    definition: first,
    later: { compatible: second, incompatible },
    partitionsOf: (name, partitions) => (name === 'lines' ? linesPartitions : partitions),
    draw: (own, plan): Feed => {
      const { written } = plan.stamp(drawEvents(own, plan, hasLines))
      return { events: written, check: (seen) => check(written, seen, isArchived) }
    },
  }
}
