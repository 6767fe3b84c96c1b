/**
 * Events in portions that a producer can write so that their order is kept across two topics: first the quotes of a
 * round, acknowledged, then its orders, acknowledged, then the next round. Within a round no quote follows an order of
 * the same symbol, so what a worker sees of a symbol is what happened, in its order.
 */
import type { Event } from './calculation.js'

export interface Round {
  readonly quotes: readonly Event[]
  readonly orders: readonly Event[]
}

/** Rounds of up to so many events. */
export function* roundsOf(events: Iterable<Event>, maxEvents: number): Generator<Round, void> {
  let quotes: Event[] = []
  let orders: Event[] = []
  let ordered = new Set<string>()
  for (const event of events) {
    const { symbol } = event.message
    const full = quotes.length + orders.length >= maxEvents
    if (full || (event.topic === 'market-data' && ordered.has(symbol))) {
      yield { quotes, orders }
      quotes = []
      orders = []
      ordered = new Set()
    }
    if (event.topic === 'market-data') quotes.push(event)
    else {
      orders.push(event)
      ordered.add(symbol)
    }
  }
  if (quotes.length + orders.length > 0) yield { quotes, orders }
}
