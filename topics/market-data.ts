import { topic } from 'potoroo'
import * as z from 'zod'
import { symbol, time } from './fields.js'

/** The prices at which the market buys and sells. */
export const quote = z.object({ symbol, bid: z.number(), offer: z.number(), time })
export type Quote = z.infer<typeof quote>

export const marketData = topic('market-data', {
  schema: z.compile(quote),
  key: (quote) => quote.symbol,
  partitions: 8,
  partitioner: 'murmur2',
})
