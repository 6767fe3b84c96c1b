import { type } from 'arktype'
import { topic } from 'potoroo'
import { finite, symbol, time } from './fields.js'

/** The prices at which the market buys and sells. */
export const quote = type({ symbol, bid: finite, offer: finite, time })
export type Quote = typeof quote.infer

export const marketData = topic('market-data', {
  schema: quote,
  key: (quote) => quote.symbol,
  partitions: 8,
  partitioner: 'murmur2',
})
