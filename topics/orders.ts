import { topic } from 'potoroo'
import * as z from 'zod'
import { symbol, time } from './fields.js'

export const order = z.object({
  orderId: z.string().min(1),
  account: z.string(),
  symbol,
  side: z.enum(['buy', 'sell']),
  quantity: z.number(),
  price: z.number(),
  time,
})
export type Order = z.infer<typeof order>

export const orders = topic('orders', {
  schema: z.compile(order),
  key: (order) => order.symbol,
  partitions: 8,
  partitioner: 'murmur2',
})
