import { topic } from 'potoroo'
import * as z from 'zod'
import { order } from './orders.js'

/** An order that was rejected, with the prices of the moment: 0 where there was no quote yet. */
export const rejection = order.extend({ bid: z.number(), offer: z.number() })
export type Rejection = z.infer<typeof rejection>

export const rejections = topic('rejections', {
  schema: z.compile(rejection),
  key: (rejection) => rejection.symbol,
  partitions: 8,
  partitioner: 'murmur2',
})
