/** What the benchmarks feed: always the same for the same options. */
import type { Event } from '#potoroo/market-spread/calculation.js'
import { marketEvents } from '#potoroo/market-spread/generator.js'
import { SeededRandom } from '#potoroo/memory/random.js'

/** So many quotes and orders of a market in which spreads go wide and narrow: one in eleven is an order. */
export function* backlog(records: number, symbols: number, startMs: number): Generator<Event, void> {
  const events = marketEvents({ seed: 1, symbols, orderShare: 1 / 11, startMs })
  for (let i = 0; i < records; i++) yield events.next().value
}

export const symbolName = (index: number): string => `S${String(index).padStart(7, '0')}`

/**
 * A spread of 10 cents: every order for the symbol is rejected, so that there is a latency for each. `change`: of the
 * symbol's quotes, which one; each has other prices, as one with the same changes nothing.
 */
export function wideQuote(index: number, timeMs: number, change = 0): Event {
  const bid = 20 + ((index + change) % 40_000) / 100
  return {
    topic: 'market-data',
    message: { symbol: symbolName(index), bid, offer: Math.round((bid + 0.1) * 100) / 100, time: timeMs },
  }
}

export const order = (orderId: string, index: number, timeMs: number): Event => ({
  topic: 'orders',
  message: {
    orderId,
    account: `CLIENT${String(index % 100)}`,
    symbol: symbolName(index),
    side: index % 2 === 0 ? 'buy' : 'sell',
    quantity: 100,
    price: 20 + (index % 40_000) / 100,
    time: timeMs,
  },
})

/** One wide quote for each symbol. */
export function* everySymbol(symbols: number, timeMs: number, change = 0): Generator<Event, void> {
  for (let i = 0; i < symbols; i++) yield wideQuote(i, timeMs, change)
}

/** Endless: which symbol comes next, each as likely as any. */
export function* anySymbol(symbols: number, seed: number): Generator<number, never> {
  const random = new SeededRandom(seed)
  for (;;) yield random.below(symbols)
}
