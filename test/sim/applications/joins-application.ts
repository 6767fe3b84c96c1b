/**
 * Tables, joins, reads of other state objects, and a broadcast. Orders are joined with a table of customers, counted in an
 * account, and priced by rates that every worker has whole; refunds, which have no state object, are priced, too.
 *
 * What is checked: which version of its customer an order has found, exactly where records go by their timestamps; that a join and a
 * read within one message agree; that each lookup found a rate which is no older than the last one that was there when the
 * message was written. What steps and computations do to the copies that they are given must be seen nowhere.
 */
import { application, definitionOf } from '../../../src/api/application.js'
import { broadcast, type Broadcast } from '../../../src/api/broadcast.js'
import { from, table } from '../../../src/api/stream.js'
import { stateObject } from '../../../src/api/state-object.js'
import { originKey, topic, topicDefinition } from '../../../src/api/topic.js'
import type { SeededRandom } from '../../../src/memory/random.js'
import { anything, follow } from '../application.js'
import { multiset } from '../checks.js'
import { Registry } from '../schema-trouble.js'
import type { SeenRecord } from '../views.js'
import type { FeedEvent, FeedPlan, SimulatedApplication } from './simulated-application.js'

interface Customer {
  readonly id: string
  v: number
}
interface Order {
  readonly id: string
  readonly customer: string
  readonly currency: string
  /** `throws` fails when it has changed the account. */
  readonly kind: 'plain' | 'throws'
}
interface Rate {
  readonly currency: string
  v: number
}
interface Account {
  n: number
  trail: number
  /** Of the customer, when the last order came. */
  v: number
}
interface Joined {
  readonly id: string
  readonly customer: string
  readonly currency: string
  /** The customer's version, by the join, by a read, and by the account that was read; NONE where there is none. */
  readonly v: number
  readonly read: number
  readonly account: number
  readonly n: number
  /** The rate's version. */
  readonly rate: number
}
interface Priced {
  readonly id: string
  readonly customer: string
  readonly currency: string
  readonly rate: number
}

const NONE = -1
const SPOILT = -2

const customers = topic('customers', { schema: anything<Customer>(), key: ({ id }) => id })
const orders = topic('orders', { schema: anything<Order>(), key: ({ customer }) => customer })
const refunds = topic('refunds', { schema: anything<Order>(), key: ({ customer }) => customer })
const rates = topic('rates', { schema: anything<Rate>(), key: ({ currency }) => currency })
const joined = topic('joined', { schema: anything<Joined>(), key: ({ customer }) => customer })
const priced = topic('priced', { schema: anything<Priced>(), key: ({ customer }) => customer })

/** Its version, and it is spoilt then: nobody else is to see that. */
function versionOf(copy: { v: number } | undefined): number {
  if (copy === undefined) return NONE
  const { v } = copy
  copy.v = SPOILT
  return v
}

const customer = table('customer', from(customers))
const account = stateObject('account', (): Account => ({ n: 0, trail: 0, v: NONE }))

const price = ({ id, customer: of, currency }: Order, found: Readonly<Rate> | undefined): Priced => ({
  id,
  customer: of,
  currency,
  rate: versionOf(found),
})
const joinsWith = (rate: Broadcast<Rate>) =>
  definitionOf(
    application(
      'joins',
      from(orders)
        .join(customer, (order, found) => ({ ...order, v: versionOf(found) }))
        .to(
          account,
          (state, order, context) => {
            state.n++
            state.trail = follow(state.trail, order.id)
            state.v = versionOf(context.read(customer))
            versionOf(context.read(account))
            if (order.kind === 'throws') throw new Error(`order ${order.id} throws`)
            const found = versionOf(context.lookup(rate, order.currency))
            return {
              id: order.id,
              customer: order.customer,
              currency: order.currency,
              v: order.v,
              n: state.n,
              rate: found,
            }
          },
          { reads: [rate] },
        )
        .join(account, (order, state) => ({ ...order, read: state?.v ?? NONE, account: state?.n ?? 0 }))
        .sink(joined),
      // Behind the table: what becomes of a message there is none of its business.
      from(customers, 'spoiling')
        .filter((one) => {
          one.v = SPOILT
          return false
        })
        .map((): Priced => {
          throw new Error('nothing comes here')
        })
        .sink(priced),
      from(refunds)
        .join(rate, ({ currency }) => currency, price)
        .sink(priced),
    ),
  )

interface JoinsEvent extends FeedEvent {
  /** Undefined for a value that is no JSON, null where there is none. */
  readonly message: Customer | Order | Rate | undefined | null
}

const idOf = (at: number): string => `#${String(at)}#`

function drawEvents(random: SeededRandom, { events, keys, fromMs, toMs }: FeedPlan): JoinsEvent[] {
  const times = Array.from({ length: events }, () => Math.floor(random.between(fromMs, toMs))).sort((a, b) => a - b)
  return times.map((atMs, at) => {
    const source = random.pick(['customers', 'customers', 'orders', 'orders', 'orders', 'refunds', 'rates'])
    const id = `C${String(random.below(keys))}`
    const currency = `K${String(random.below(4))}`
    const key = source === 'rates' ? currency : id
    if (random.chance(0.02)) return { topic: source, key, text: `no json ${idOf(at)}`, message: undefined, atMs }
    if ((source === 'customers' || source === 'rates') && random.chance(0.2))
      return { topic: source, key, text: '', hasValue: false, message: null, atMs }
    const message: Customer | Order | Rate =
      source === 'customers'
        ? { id, v: at }
        : source === 'rates'
          ? { currency, v: at }
          : { id: idOf(at), customer: id, currency, kind: source === 'orders' && random.chance(0.05) ? 'throws' : 'plain' } // prettier-ignore
    return { topic: source, key, text: JSON.stringify(message), message, atMs }
  })
}

/** Of records with the same timestamp, those that go into tables are taken first; where times were drawn again, that is seen to. */
const tablesFirst = (events: readonly JoinsEvent[]): readonly JoinsEvent[] =>
  events.some(({ timestampMs }) => timestampMs !== undefined)
    ? events
    : [...events].sort((a, b) => a.atMs - b.atMs || Number(b.topic === 'customers') - Number(a.topic === 'customers'))

interface Expected {
  readonly outputs: Pick<Joined, 'id' | 'customer' | 'v' | 'n'>[]
  readonly customers: Map<string, number>
  readonly accounts: Map<string, Account>
}

/** Plainly, in that order. */
function calculate(events: readonly JoinsEvent[]): Expected {
  const expected: Expected = { outputs: [], customers: new Map(), accounts: new Map() }
  for (const { topic: source, key, message } of events) {
    if (message === undefined) continue
    if (source === 'customers') {
      if (message === null) expected.customers.delete(key)
      else expected.customers.set(key, (message as Customer).v)
    }
    if (source !== 'orders' || (message as Order).kind === 'throws') continue
    const { id } = message as Order
    const { n, trail } = expected.accounts.get(key) ?? { n: 0, trail: 0 }
    const v = expected.customers.get(key) ?? NONE
    expected.accounts.set(key, { n: n + 1, trail: follow(trail, id), v })
    expected.outputs.push({ id, customer: key, v, n: n + 1 })
  }
  return expected
}

const parsed = <T>(records: readonly SeenRecord[]): T[] => records.map(({ value }) => JSON.parse(value) as T)
const text = (value: unknown): string => JSON.stringify(value)

/** Of each key, what was put out, in its order. */
function byCustomer<T extends { readonly customer: string }>(all: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const one of all) groups.set(one.customer, [...(groups.get(one.customer) ?? []), one])
  return groups
}

function checkOutputs(expected: Expected, outputs: readonly Joined[], strict: boolean): string[] {
  const of = ({ id, customer: key, v, n }: Pick<Joined, 'id' | 'customer' | 'v' | 'n'>): string =>
    text(strict ? { id, key, v, n } : { id, key, n })
  const problems = multiset('joined', expected.outputs.map(of), outputs.map(of))
  if (problems.length > 0) return problems
  const due = byCustomer(expected.outputs)
  return [...byCustomer(outputs)].flatMap(([key, got]) => {
    const want = (due.get(key) ?? []).map(of)
    const at = got.findIndex((one, i) => of(one) !== want[i])
    return at < 0 ? [] : [`joined, ${key}: out of order: ${of(got[at] as Joined)}, due was ${String(want[at])}`]
  })
}

/** Which versions a message may have found: those that were there when it was written, or came later. */
function checkLookups(events: readonly JoinsEvent[], outputs: readonly (Joined | Priced)[]): string[] {
  const byCurrency = new Map<string, { readonly atMs: number; readonly v: number }[]>()
  for (const { topic: source, key, message, atMs } of events) {
    if (source !== 'rates' || message === undefined) continue
    const versions = byCurrency.get(key) ?? [{ atMs: -Infinity, v: NONE }]
    byCurrency.set(key, [...versions, { atMs, v: message === null ? NONE : (message as Rate).v }])
  }
  return outputs.flatMap(({ id, currency, rate: found }) => {
    // What was there before the world began, was there when it began.
    const writtenMs = Math.max(0, events[Number(id.slice(1, -1))]?.atMs ?? 0)
    const versions = byCurrency.get(currency) ?? [{ atMs: -Infinity, v: NONE }]
    const last = versions.findLastIndex(({ atMs }) => atMs < writtenMs)
    if (versions.slice(Math.max(0, last)).some(({ v }) => v === found)) return []
    return [
      `lookup of ${id}: it found ${currency} as of ${String(found)}, and ${String(versions[last]?.v)} was there before`,
    ]
  })
}

/** Of a shape that is drawn: in every second one, what decoding rates needs is fetched, for so long not always with success. */
export function joinsApplication(random: SeededRandom, troubleMs: number): SimulatedApplication {
  const rateParts = random.pick([1, 2, 3])
  const registry = random.chance(0.5) ? new Registry(random.fork(), troubleMs) : undefined
  return {
    definition: joinsWith(broadcast('rate', rates)),
    ...(registry && {
      equip: (process, isCalm) => {
        const fetched = registry.topicIn(process, topicDefinition(rates, 'rates'), isCalm)
        return joinsWith(broadcast('rate', { ...rates, [originKey]: fetched }))
      },
    }),
    partitionsOf: (name, partitions) => (name === 'rates' ? rateParts : partitions),
    draw: (own, plan) => {
      const { written, taken } = plan.stamp(drawEvents(own, plan))
      const expected = calculate(plan.strict ? tablesFirst(taken) : written)
      const versions = calculate(written).customers
      return {
        events: written,
        check: (seen) => {
          const [outputs, prices] = [parsed<Joined>(seen.records('joined')), parsed<Priced>(seen.records('priced'))]
          const bad = written.filter(({ topic: source, message }) => source !== 'rates' && (message === undefined || (message !== null && 'kind' in message && message.kind === 'throws'))) // prettier-ignore
          const refunded = written.filter(({ topic: source, message }) => source === 'refunds' && message)
          const [kept, accounts] = [seen.states('customer'), seen.states('account')]
          return [
            ...checkOutputs(expected, outputs, plan.strict),
            ...multiset(
              'priced',
              refunded.map(({ message }) => (message as Order).id),
              prices.map(({ id }) => id),
            ),
            ...checkLookups(written, [...outputs, ...prices]),
            ...outputs
              .filter((one) => one.read !== one.v || one.account !== one.n)
              .map((one) => `joined: a read says otherwise than the join: ${text(one)}`),
            ...multiset(
              'customers',
              [...versions].map((one) => text(one)),
              [...kept].map(([key, state]) => text([key, (state as Customer).v])),
            ),
            ...multiset(
              'accounts',
              [...expected.accounts].map(([key, { n, trail }]) => text([key, n, trail])),
              [...accounts].map(([key, state]) => text([key, (state as Account).n, (state as Account).trail])),
            ),
            ...multiset(
              'dead letters',
              bad.map(({ text: value }) => value),
              seen.deadLetters.map(({ value }) => value),
            ),
          ]
        },
      }
    },
  }
}
