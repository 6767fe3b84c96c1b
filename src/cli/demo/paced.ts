/** Events that happen now, at a rate: their times are those of the clock, as a market's would be. */
import type { Event } from '../../market-spread/calculation.js'

/**
 * The events in their order, with the times at which they happen at this rate from `startMs` on. Two events of one symbol never
 * have the same ms, for workers merge quotes and orders by their times; several symbols may.
 */
export function* paced(events: Iterable<Event>, startMs: number, eventsPerSecond: number): Generator<Event, void> {
  const last = new Map<string, number>()
  let timeMs = startMs
  let number = 0
  for (const event of events) {
    timeMs = Math.max(timeMs, startMs + Math.floor((number++ * 1000) / eventsPerSecond))
    const { symbol } = event.message
    if (last.get(symbol) === timeMs) timeMs++
    last.set(symbol, timeMs)
    const time = new Date(timeMs).toISOString()
    yield event.topic === 'orders'
      ? { topic: event.topic, message: { ...event.message, time } }
      : { topic: event.topic, message: { ...event.message, time } }
  }
}

/** So many symbols that hardly ever two events of one fall into one ms: else times would run ahead of the clock. */
export const symbolsFor = (eventsPerSecond: number): number => Math.max(500, Math.ceil((eventsPerSecond / 1000) ** 2))
