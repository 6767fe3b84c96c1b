/**
 * Orders get the tier of their customer and their amount in euros. Customers are a table: spread over the workers by key, as many as
 * you like; orders go to where their customer is. Rates are a broadcast: few, and whole on every worker, for an order has
 * one key alone, and that is its customer.
 */
import * as z from 'zod'
import { application, broadcast, from, table, topic } from 'potoroo'

export const orders = topic('orders', {
  schema: z.object({ id: z.string(), customer: z.string(), currency: z.string(), amount: z.number() }),
  key: (order) => order.id,
})
export const customers = topic('customers', {
  schema: z.object({ id: z.string(), name: z.string(), tier: z.enum(['basic', 'gold']) }),
  key: (customer) => customer.id,
  config: { 'cleanup.policy': 'compact' },
})
export const rates = topic('rates', {
  schema: z.object({ currency: z.string(), eur: z.number() }),
  key: (rate) => rate.currency,
  partitions: 1,
  config: { 'cleanup.policy': 'compact' },
})
export const enriched = topic('enriched', {
  schema: z.object({ id: z.string(), customer: z.string(), tier: z.string(), eur: z.number() }),
  key: (order) => order.id,
})

export const customer = table('customer', from(customers))
const rate = broadcast('rate', rates)

export default application(
  'enrichment',
  from(orders)
    .keyBy((order) => order.customer)
    // Nothing goes on for a customer that nobody knows.
    .join(customer, (order, known) => known && { ...order, tier: known.tier })
    .join(
      rate,
      (order) => order.currency,
      ({ id, customer: of, tier, amount }, found) => ({ id, customer: of, tier, eur: amount * (found?.eur ?? 1) }),
    )
    .sink(enriched),
)
