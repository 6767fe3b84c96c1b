/**
 * Order matching with a clearing house over HTTP. The book matches orders and never waits; a trade is cleared once it is committed, under
 * an id that is the same in every attempt, and what comes of that goes back to the book, in order. Orders that nobody has taken for
 * eight hours expire by a timer each.
 */
import * as z from 'zod'
import {
  application,
  from,
  hours,
  seconds,
  stateObject,
  timer,
  topic,
  type Call,
  type Context,
  type Message,
  type State,
} from 'potoroo'

export const orders = topic('orders', {
  schema: z.object({
    id: z.string(),
    symbol: z.string(),
    side: z.enum(['buy', 'sell']),
    price: z.number(),
  }),
  key: (order) => order.symbol,
})
export type Order = Message<typeof orders>
export const events = topic('events', {
  schema: z.object({ symbol: z.string(), kind: z.enum(['expired', 'cleared', 'refused']), id: z.string() }),
  key: (event) => event.symbol,
})
type Event = Message<typeof events>

export interface Trade {
  readonly id: string
  readonly symbol: string
  readonly buy: Order
  readonly sell: Order
}
interface Cleared {
  readonly trade: string
  readonly ok: boolean
}

/** Of a symbol. That a trade is being cleared is something to remember, too. */
export const book = stateObject('book', () => ({
  open: new Map<string, Order>(),
  uncleared: new Map<string, Trade>(),
}))
export const expiry = timer('expiry', book)
export const EXPIRES_AFTER_MS = hours(8)

export function match(state: State<typeof book>, order: Order, context: Context): Trade | undefined {
  for (const other of state.open.values()) {
    const [buy, sell] = order.side === 'buy' ? [order, other] : [other, order]
    if (other.side === order.side || buy.price < sell.price) continue
    state.open.delete(other.id)
    context.clear(expiry, other.id)
    const trade = { id: `${buy.id}/${sell.id}`, symbol: context.key, buy, sell }
    state.uncleared.set(trade.id, trade)
    return trade
  }
  state.open.set(order.id, order)
  context.set(expiry, context.timestampMs + EXPIRES_AFTER_MS, order.id)
  return undefined
}

/** What the clearing house has cleared under an idempotency key, it only says again. */
async function clear(trade: Trade, { id, signal }: Call): Promise<Cleared> {
  const answer = await fetch(process.env.CLEARING_URL ?? 'http://127.0.0.1:8080/trades', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': id },
    body: JSON.stringify(trade),
    signal,
  })
  if (answer.status >= 500) throw new Error(`the clearing house answers ${String(answer.status)}`)
  return { trade: trade.id, ok: answer.ok }
}

export function settle(state: State<typeof book>, { trade, ok }: Cleared, { key }: Context): Event {
  state.uncleared.delete(trade)
  return { symbol: key, kind: ok ? 'cleared' : 'refused', id: trade }
}

const trades = from(orders).to(book, match)

export default application(
  'matching',
  trades
    .call('clearing', clear, {
      overlap: 32,
      timeoutMs: seconds(2),
      failed: (trade) => ({ trade: trade.id, ok: false }),
    })
    .to(book, settle)
    .sink(events),
  from(expiry)
    .to(book, (state, { id, key }): Event | undefined =>
      state.open.delete(id) ? { symbol: key, kind: 'expired', id } : undefined,
    )
    .sink(events),
)
