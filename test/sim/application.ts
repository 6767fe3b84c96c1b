/**
 * The application that is simulated: Market Spread's shape, with state objects and outputs that show every message lost,
 * repeated or taken out of order. A second pipeline without state writes to another key, so that a transaction spans
 * partitions.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { application, type Application } from '../../src/api/application.js'
import { from, type Context } from '../../src/api/stream.js'
import { stateObject, type StateObject } from '../../src/api/state-object.js'
import { topic } from '../../src/api/topic.js'

export interface Quote {
  readonly id: string
  readonly symbol: string
  readonly bid: number
  /** `idle` changes nothing, `forget` deletes the state object, `throws` fails halfway through its changes. */
  readonly kind: 'plain' | 'idle' | 'forget' | 'throws'
}
export interface Order {
  readonly id: string
  readonly symbol: string
  readonly account: string
  readonly kind: 'plain' | 'throws'
}
export interface Checked {
  readonly id: string
  readonly symbol: string
  /** How many orders and quotes the state object had seen, this one included. */
  readonly orders: number
  readonly quotes: number
  readonly bid: number
}
export interface Noted {
  readonly id: string
  readonly account: string
}
export interface SymbolState {
  bid: number
  quotes: number
  orders: number
  /** Of all messages, in their order. */
  trail: number
}

/** What the simulation feeds is right: no run is to spend its time on validation. */
export const anything = <T extends object>(): StandardSchemaV1<T> => ({
  '~standard': { version: 1, vendor: 'simulation', validate: (value) => ({ value: value as T }) },
})

const quotes = (start: 'earliest' | 'latest') =>
  topic('quotes', { schema: anything<Quote>(), key: ({ symbol }) => symbol, start })
const orders = (start: 'earliest' | 'latest') =>
  topic('orders', { schema: anything<Order>(), key: ({ symbol }) => symbol, start })
const checked = topic('checked', { schema: anything<Checked>(), key: ({ symbol }) => symbol })
const noted = topic('noted', { schema: anything<Noted>(), key: ({ account }) => account })

export const initialState = (): SymbolState => ({ bid: 0, quotes: 0, orders: 0, trail: 0 })
const symbolState = stateObject('symbol', initialState)

/** Order matters, and so does how often. */
export function follow(trail: number, id: string): number {
  let hash = (trail * 31 + 7) | 0
  for (let i = 0; i < id.length; i++) hash = (Math.imul(hash, 33) ^ id.charCodeAt(i)) | 0
  return hash
}

export function takeQuote(state: SymbolState, quote: Quote, context: Pick<Context, 'forget'>): void {
  if (quote.kind === 'idle') return
  state.bid = quote.bid
  state.quotes++
  if (quote.kind === 'throws') throw new Error(`quote ${quote.id} throws`)
  state.trail = follow(state.trail, quote.id)
  if (quote.kind === 'forget') context.forget()
}

export function takeOrder(state: SymbolState, order: Order): Checked {
  state.orders++
  if (order.kind === 'throws') throw new Error(`order ${order.id} throws`)
  state.trail = follow(state.trail, order.id)
  return { id: order.id, symbol: order.symbol, orders: state.orders, quotes: state.quotes, bid: state.bid }
}

export const APPLICATION = 'sim'

/** `before`: called with each message's id before it is computed. */
export function simulatedWith(
  before: (id: string) => void,
  start: 'earliest' | 'latest' = 'earliest',
  state: StateObject<SymbolState> = symbolState,
): Application {
  const [quoted, ordered] = [quotes(start), orders(start)]
  return application(
    APPLICATION,
    from(quoted).to(state, (symbol, quote, context) => {
      before(quote.id)
      takeQuote(symbol, quote, context)
    }),
    from(ordered)
      .to(state, (symbol, order) => {
        before(order.id)
        return takeOrder(symbol, order)
      })
      .sink(checked),
    from(ordered, 'notes')
      .filter(({ kind }) => kind === 'plain')
      .map(({ id, account }) => ({ id, account }))
      .sink(noted),
  )
}

export const simulatedFrom = (start: 'earliest' | 'latest'): Application => simulatedWith(() => undefined, start)
export const simulated = simulatedFrom('earliest')
