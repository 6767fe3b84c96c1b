import { type } from 'arktype'
import { topic } from 'potoroo'
import { finite, symbol, time } from './fields.js'

export const order = type({
  orderId: 'string > 0',
  account: 'string',
  symbol,
  side: "'buy' | 'sell'",
  quantity: finite,
  price: finite,
  time,
})
export type Order = typeof order.infer

export const orders = topic('orders', {
  schema: order,
  key: (order) => order.symbol,
  partitions: 8,
  partitioner: 'murmur2',
})
