/**
 * Market Spread: rejects orders for symbols whose spread is wide. Wallaroo's example application, on Potoroo.
 */
import { application, from, stateObject, type Message, type State } from '../index.js'
import { marketData } from '#topics/market-data.js'
import { orders } from '#topics/orders.js'
import { rejections } from '#topics/rejections.js'

/** A spread this wide, in money or as a part of the middle, rejects orders. */
const MAX_SPREAD = 0.05

/** Until its first quote, a symbol has no prices, and its orders are rejected. */
export const symbolState = stateObject('symbol', () => ({ bid: 0, offer: 0, reject: true }))

export function updateMarketData(symbol: State<typeof symbolState>, { bid, offer }: Message<typeof marketData>): void {
  const spread = offer - bid
  const mid = (bid + offer) / 2
  symbol.bid = bid
  symbol.offer = offer
  symbol.reject = spread >= MAX_SPREAD || spread / mid >= MAX_SPREAD
}

export const checkOrder = (symbol: State<typeof symbolState>, order: Message<typeof orders>) =>
  symbol.reject ? { ...order, bid: symbol.bid, offer: symbol.offer } : undefined

export default application(
  'market-spread',
  from(marketData).to(symbolState, updateMarketData),
  from(orders).to(symbolState, checkOrder).sink(rejections),
)
