/**
 * The average price of each symbol, once a minute, over the last five: windows of five minutes that begin every minute. `latest` has it
 * with each trade, of the five minutes that are under way.
 */
import * as z from 'zod'
import { application, from, hopping, minutes, seconds, topic, windowed } from 'potoroo'

export const trades = topic('trades', {
  schema: z.object({ symbol: z.string(), cents: z.int() }),
  key: (trade) => trade.symbol,
  latenessMs: seconds(5),
})
const average = z.object({ symbol: z.string(), toMs: z.number(), cents: z.number(), trades: z.number() })
export const averages = topic('averages', { schema: average, key: (one) => one.symbol })
export const latest = topic('latest', { schema: average, key: (one) => one.symbol })

export const SIZE_MS = minutes(5)
export const EVERY_MS = minutes(1)

export const five = windowed('five', hopping(SIZE_MS, EVERY_MS), () => ({ sum: 0 }))

export default application(
  'moving-averages',
  from(trades)
    .to(five, (state, { symbol, cents }, { window, timestampMs }) => {
      state.sum += cents
      // Of the windows that the trade lies in, the one that began first is nearest to its end.
      if (window.startMs > timestampMs - SIZE_MS + EVERY_MS) return undefined
      return { symbol, toMs: window.endMs, cents: state.sum / window.messages, trades: window.messages }
    })
    .sink(latest),
  from(five.closed)
    .map(({ key, endMs, messages, state }) => ({
      symbol: key,
      toMs: endMs,
      cents: state.sum / messages,
      trades: messages,
    }))
    .sink(averages),
)
