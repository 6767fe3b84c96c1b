/**
 * Orders and payments meet by the order's id. One that no payment has met within 15 minutes is reminded of, once, though nothing comes any
 * more; a payment that no order has met is refunded. Both are decided by the task's time alone: a payment that is merely slow to be
 * read is waited for.
 */
import * as z from 'zod'
import { application, from, intervalJoin, minutes, seconds, topic } from 'potoroo'

export const orders = topic('orders', {
  schema: z.object({ id: z.string(), cents: z.number().int() }),
  key: (order) => order.id,
  latenessMs: seconds(10),
})
export const payments = topic('payments', {
  schema: z.object({ order: z.string(), cents: z.number().int() }),
  key: (payment) => payment.order,
  latenessMs: seconds(10),
})
export const settled = topic('settled', {
  schema: z.object({ order: z.string(), openCents: z.number().int() }),
  key: (order) => order.order,
})
export const reminders = topic('reminders', {
  schema: z.object({ order: z.string() }),
  key: (reminder) => reminder.order,
})
export const refunds = topic('refunds', {
  schema: z.object({ order: z.string(), cents: z.number().int() }),
  key: (refund) => refund.order,
})

const paid = intervalJoin('paid', from(orders), from(payments), { withinMs: minutes(15) })

export default application(
  'reminders',
  paid.both
    .map(({ left: order, right: payment }) => ({ order: order.id, openCents: order.cents - payment.cents }))
    .sink(settled),
  paid.left.map(({ id }) => ({ order: id })).sink(reminders),
  paid.right.map(({ order, cents }) => ({ order, cents })).sink(refunds),
)
