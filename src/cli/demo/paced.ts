/** Events that happen now, at a rate: their times are those of the clock, as a market's are. */
import type { Event } from '../../market-spread/calculation.js'

/**
 * The events in their order, with the times at which they happen at this rate, from now on; where they are asked for later than
 * that, with the time of then. Two events of one symbol never have the same ms, for workers merge quotes and orders by their times;
 * several symbols may.
 */
export function* paced(events: Iterable<Event>, nowMs: () => number, eventsPerSecond: number): Generator<Event, void> {
  const last = new Map<string, number>()
  const startMs = nowMs()
  let timeMs = startMs
  let number = 0
  for (const event of events) {
    timeMs = Math.max(timeMs, startMs + Math.floor((number++ * 1000) / eventsPerSecond), nowMs())
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
