/**
 * Two state objects under the same keys, on the same sources; hundreds of keys; state objects and outputs so large, and topics
 * that take so little, that a commit has several chunks for a partition.
 */
import { application, definitionOf } from '../../../src/api/application.js'
import { from } from '../../../src/api/stream.js'
import { stateObject } from '../../../src/api/state-object.js'
import { topic } from '../../../src/api/topic.js'
import {
  anything,
  follow,
  initialState,
  takeOrder,
  takeQuote,
  type Checked,
  type Order,
  type Quote,
  type SymbolState,
} from '../application.js'
import { checkDeadLetters, checkOutputs, checkOutputsLoosely, checkStates, multiset } from '../checks.js'
import type { SeededRandom } from '../../../src/memory/random.js'
import type { FeedEvent, FeedPlan, SimulatedApplication } from './simulated-application.js'

/** `throws` fails in the first pipeline, `throws late` in the second, when the first has changed its state object. */
interface Booking extends Omit<Order, 'kind'> {
  readonly kind: 'plain' | 'throws' | 'throws late'
}
interface Ledger {
  orders: number
  trail: number
  /** Up to 1,500 characters, others after each order. */
  pad: string
}
interface Booked {
  readonly id: string
  readonly account: string
  readonly orders: number
  readonly pad: string
}

/** So little that a commit of a few state objects is several chunks; a record with a pad fits. */
const MAX_MESSAGE_BYTES = 2_500

const quotes = topic('quotes', { schema: anything<Quote>(), key: ({ symbol }) => symbol })
const orders = topic('orders', { schema: anything<Booking>(), key: ({ symbol }) => symbol })
const checked = topic('checked', { schema: anything<Checked>(), key: ({ symbol }) => symbol })
const booked = topic('booked', { schema: anything<Booked>(), key: ({ account }) => account })

const symbolState = stateObject('symbol', initialState)
const initialLedger = (): Ledger => ({ orders: 0, trail: 0, pad: '' })
const ledger = stateObject('ledger', initialLedger)

const check = (state: SymbolState, order: Booking): Checked =>
  takeOrder(state, { ...order, kind: order.kind === 'throws' ? 'throws' : 'plain' })

function book(state: Ledger, { id, account, kind }: Booking): Booked {
  state.orders++
  state.trail = follow(state.trail, id)
  if (kind === 'throws late') throw new Error(`order ${id} throws late`)
  state.pad = String.fromCharCode(97 + (state.orders % 26)).repeat((state.trail >>> 0) % 1_500)
  return { id, account, orders: state.orders, pad: state.pad.slice(0, state.trail & 1 ? 1_000 : 10) }
}

const ledgers = application(
  'ledgers',
  from(quotes).to(symbolState, takeQuote),
  from(orders).to(symbolState, check).sink(checked),
  from(orders, 'bookings').to(ledger, book).sink(booked),
)

interface LedgerEvent extends FeedEvent {
  /** Undefined for a value that is no JSON. */
  readonly message: Quote | Booking | undefined
}

function drawBookings(random: SeededRandom, { events, keys, fromMs, toMs, forgetShare }: FeedPlan): LedgerEvent[] {
  const times = Array.from({ length: events }, () => Math.floor(random.between(fromMs, toMs))).sort((a, b) => a - b)
  const symbols = Array.from({ length: keys * 8 }, (_, i) => (i % 7 === 3 ? `Ünïcode-${String(i)}` : `S${String(i)}`))
  const drawn = times.map((atMs, index): LedgerEvent => {
    // Few that change all the time, and many that don't.
    const symbol = random.pick(random.chance(0.5) ? symbols.slice(0, keys) : symbols)
    const id = `e${String(index)}`
    const topic = random.pick(['quotes', 'orders'])
    if (random.chance(0.02)) return { topic, key: symbol, text: `no json ${id}`, message: undefined, atMs }
    const [draw, throws] = [random.next(), random.chance(0.04)]
    const message: Quote | Booking =
      topic === 'orders'
        ? {
            id,
            symbol,
            account: `A${String(random.below(5))}`,
            kind: throws ? random.pick(['throws', 'throws late']) : 'plain',
          }
        : {
            id,
            symbol,
            bid: index,
            kind: throws ? 'throws' : draw < forgetShare ? 'forget' : draw > 0.95 ? 'idle' : 'plain',
          }
    return { topic, key: symbol, text: JSON.stringify(message), message, atMs }
  })
  // Of one millisecond, the source that was declared first is written first: else what is due first may come too late.
  const rank = ({ topic }: LedgerEvent): number => (topic === 'quotes' ? 0 : 1)
  return drawn.sort((a, b) => a.atMs - b.atMs || rank(a) - rank(b))
}

function calculate(events: readonly LedgerEvent[]) {
  const states = new Map<string, SymbolState>()
  const books = new Map<string, Ledger>()
  const checked = new Map<string, Checked[]>()
  const booked: Booked[] = []
  const deadLetters: string[] = []
  for (const { key, message, text } of events) {
    const state = { ...(states.get(key) ?? initialState()) }
    const own = { ...(books.get(key) ?? initialLedger()) }
    const fate = { forgotten: false }
    try {
      if (message === undefined) throw new Error('no JSON')
      if ('account' in message) {
        const output = check(state, message)
        booked.push(book(own, message))
        books.set(key, own)
        checked.set(key, [...(checked.get(key) ?? []), output])
      } else takeQuote(state, message, { forget: () => (fate.forgotten = true) })
    } catch {
      deadLetters.push(text)
      continue
    }
    if (fate.forgotten) states.delete(key)
    else states.set(key, state)
  }
  return { states, books, checked, booked, deadLetters }
}

export const ledgerApplication: SimulatedApplication = {
  definition: definitionOf(ledgers),
  topicConfig: (topic) =>
    topic === 'quotes' || topic === 'orders' ? {} : { 'max.message.bytes': String(MAX_MESSAGE_BYTES) },
  draw: (random, plan) => {
    const { written, taken } = plan.stamp(drawBookings(random, plan))
    return {
      events: written,
      check: (seen) => {
        const expected = calculate(taken)
        const outputs = seen.records('checked')
        const due = plan.strict ? checkOutputs(expected, outputs) : checkOutputsLoosely(written, expected, outputs)
        const books = seen.states('ledger') as ReadonlyMap<string, Ledger>
        const symbols = [...new Set([...expected.books.keys(), ...books.keys()])]
        return [
          ...due,
          // Orders alone make these: that quotes may come at other times changes nothing.
          ...multiset(
            'booked',
            expected.booked.map((one) => JSON.stringify(one)),
            seen.records('booked').map(({ value }) => value),
          ),
          ...checkDeadLetters(expected, seen.deadLetters),
          ...checkStates(expected, seen.states('symbol') as ReadonlyMap<string, SymbolState>, !plan.strict),
          ...symbols.flatMap((symbol) => {
            const [lies, ought] = [books, expected.books].map((all) => JSON.stringify(all.get(symbol)))
            return lies === ought
              ? []
              : [`state object ledger of ${symbol}: it is ${lies ?? ''}, due was ${ought ?? ''}`]
          }),
        ]
      },
    }
  },
}
