/**
 * Payments by card: one below 1, with which somebody tries whether the card works, and one above 500 within a minute raise an alert.
 * After a quiet minute a timer forgets the probe; a card that nothing happens to for a day is forgotten itself.
 */
import * as z from 'zod'
import {
  application,
  days,
  from,
  minutes,
  seconds,
  stateObject,
  timer,
  topic,
  type Context,
  type Message,
  type State,
} from 'potoroo'

export const payments = topic('payments', {
  schema: z.object({ card: z.string(), amount: z.number() }),
  key: (payment) => payment.card,
  latenessMs: seconds(1),
})
export const alerts = topic('alerts', {
  schema: z.object({ card: z.string(), amount: z.number() }),
  key: (alert) => alert.card,
})

const WITHIN_MS = minutes(1)

/** `probedMs`: when a small payment was made; 0: none was, or it is too long ago. */
export const card = stateObject('card', () => ({ probedMs: 0 }), { ttlMs: days(1) })
/** A minute has passed in which nothing came of a probe. */
export const calm = timer('calm', card)

export function check(
  state: State<typeof card>,
  payment: Message<typeof payments>,
  context: Context,
): Message<typeof alerts> | undefined {
  if (payment.amount < 1) {
    state.probedMs = context.timestampMs
    context.set(calm, context.timestampMs + WITHIN_MS)
    return undefined
  }
  // By the payment's own time: the timer fires when all payments of that minute have come, and a later one may come before it.
  if (payment.amount <= 500 || context.timestampMs >= state.probedMs + WITHIN_MS) return undefined
  context.clear(calm)
  state.probedMs = 0
  return payment
}

export default application(
  'fraud',
  from(payments).to(card, check).sink(alerts),
  from(calm).to(card, (state) => {
    state.probedMs = 0
  }),
)
