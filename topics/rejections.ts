import { topic } from 'potoroo'
import { finite } from './fields.js'
import { order } from './orders.js'

/** An order that was rejected, with the prices of the moment: 0 where there was no quote yet. */
export const rejection = order.and({ bid: finite, offer: finite })
export type Rejection = typeof rejection.infer

export const rejections = topic('rejections', {
  schema: rejection,
  key: (rejection) => rejection.symbol,
  partitions: 8,
  partitioner: 'murmur2',
})
