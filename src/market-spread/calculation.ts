/**
 * What Market Spread has to give, calculated plainly: one process, one loop, nothing of Potoroo. The demonstration and
 * the tests compare with it, so it says the rule again instead of calling the application's computations.
 */
import type { Quote } from '#topics/market-data.js'
import type { Order } from '#topics/orders.js'
import type { Rejection } from '#topics/rejections.js'

/** A message and where it belongs, in the order in which it happened. */
export type Event =
  { readonly topic: 'market-data'; readonly message: Quote } | { readonly topic: 'orders'; readonly message: Order }

/** The rejections of events, in their order. Only the order of events of one symbol matters. */
export function* rejectionsOf(events: Iterable<Event>): Generator<Rejection, void> {
  const quotes = new Map<string, Quote>()
  for (const { topic, message } of events) {
    if (topic === 'market-data') {
      quotes.set(message.symbol, message)
      continue
    }
    const quote = quotes.get(message.symbol)
    const { bid, offer } = quote ?? { bid: 0, offer: 0 }
    const spread = offer - bid
    if (quote === undefined || spread >= 0.05 || spread / ((bid + offer) / 2) >= 0.05) yield { ...message, bid, offer }
  }
}

export interface Comparison {
  readonly right: number
  /** Expected, and not there. */
  readonly lost: readonly Rejection[]
  /** There more often than expected; one that was never expected, or has other prices, is among them. */
  readonly repeated: readonly Rejection[]
}

/** Compares as multisets: rejections of different symbols come in any order. */
export function compare(expected: Iterable<Rejection>, actual: Iterable<Rejection>): Comparison {
  const open = new Map<string, Rejection[]>()
  for (const rejection of expected) {
    const text = canonical(rejection)
    const same = open.get(text)
    if (same === undefined) open.set(text, [rejection])
    else same.push(rejection)
  }
  let right = 0
  const repeated: Rejection[] = []
  for (const rejection of actual) {
    if (open.get(canonical(rejection))?.pop() === undefined) repeated.push(rejection)
    else right++
  }
  return { right, lost: [...open.values()].flat(), repeated }
}

const canonical = ({ orderId, account, symbol, side, quantity, price, time, bid, offer }: Rejection): string =>
  JSON.stringify([orderId, account, symbol, side, quantity, price, time, bid, offer])
