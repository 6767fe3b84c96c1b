/**
 * Quotes and orders as a market might give them, for the demonstration, tests and benchmarks: prices walk, spreads now
 * and then go wide and narrow again, and some symbols get orders before their first quote. The same options give the same
 * events, everywhere: no clock, no Math.random.
 */
import type { Event } from './calculation.js'

export interface GeneratorOptions {
  readonly seed: number
  /** Default 500. */
  readonly symbols?: number
  /** How many events are orders, 0 to 1; default 0.5. */
  readonly orderShare?: number
  /** The time of the first event, ms since the epoch; default 2026-01-01T00:00:00Z. */
  readonly startMs?: number
  /** From one event to the next, in ms; default 1. */
  readonly stepMs?: number
}

const DEFAULT_SYMBOLS = 500
const DEFAULT_ORDER_SHARE = 0.5
const DEFAULT_START_MS = Date.UTC(2026, 0, 1)
const DEFAULT_STEP_MS = 1
const ACCOUNTS = 100
/** Chances per quote. About one symbol in eleven is wide at a time. */
const GOES_WIDE = 0.02
const GOES_NARROW = 0.2
/** In cents. The rule rejects from 5 cents on, and from 5 % of the price on. */
const NARROW_CENTS = [1, 2, 3, 4]
const WIDE_CENTS = [5, 6, 10, 25, 80]
const LEAST_PRICE_CENTS = 500
const GREATEST_PRICE_CENTS = 20_000

interface Walk {
  readonly symbol: string
  /** Whole cents: sums of floating point would drift. */
  bidCents: number
  wide: boolean
}

/** The first `count` events. */
export function firstEvents(count: number, options: GeneratorOptions): Event[] {
  const events = marketEvents(options)
  return Array.from({ length: count }, () => events.next().value)
}

/** Endless. */
export function* marketEvents(options: GeneratorOptions): Generator<Event, never> {
  const { seed, symbols = DEFAULT_SYMBOLS, orderShare = DEFAULT_ORDER_SHARE } = options
  const { startMs = DEFAULT_START_MS, stepMs = DEFAULT_STEP_MS } = options
  const random = mulberry32(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  const walks = Array.from({ length: symbols }, (_, index): Walk => {
    const bidCents = LEAST_PRICE_CENTS + below(GREATEST_PRICE_CENTS - LEAST_PRICE_CENTS)
    return { symbol: symbolName(index), bidCents, wide: false }
  })
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T

  for (let number = 0; ; number++) {
    const walk = pick(walks)
    const { symbol } = walk
    const time = new Date(startMs + Math.floor(number * stepMs)).toISOString()
    if (random() < orderShare) {
      const message = {
        orderId: `${seed.toString(36)}-${String(number)}`,
        account: `CLIENT${String(below(ACCOUNTS))}`,
        symbol,
        side: random() < 0.5 ? ('buy' as const) : ('sell' as const),
        quantity: 100 * (1 + below(1000)),
        price: (walk.bidCents + below(10)) / 100,
        time,
      }
      yield { topic: 'orders', message }
    } else {
      step(walk, random)
      const offerCents = walk.bidCents + pick(walk.wide ? WIDE_CENTS : NARROW_CENTS)
      yield { topic: 'market-data', message: { symbol, bid: walk.bidCents / 100, offer: offerCents / 100, time } }
    }
  }
}

function step(walk: Walk, random: () => number): void {
  const moved = walk.bidCents + Math.floor(random() * 21) - 10
  walk.bidCents = Math.min(GREATEST_PRICE_CENTS, Math.max(LEAST_PRICE_CENTS, moved))
  walk.wide = walk.wide ? random() >= GOES_NARROW : random() < GOES_WIDE
}

/** AAA, BAA, CAA, …: letters alone. */
function symbolName(index: number): string {
  const letter = (place: number): string => String.fromCharCode(65 + (Math.floor(index / 26 ** place) % 26))
  return letter(0) + letter(1) + letter(2) + (index < 26 ** 3 ? '' : String(Math.floor(index / 26 ** 3)))
}

/** Mulberry32 (Tommy Ettinger, public domain): 32 bits of state, enough for play money. */
function mulberry32(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
