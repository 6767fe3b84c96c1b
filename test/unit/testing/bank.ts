/** An application for the driver's own tests: two sub-topologies, one behind the other. */
import * as z from 'zod'
import { application, from, stateObject, topic, type Context, type Message } from '../../../src/index.js'

export const bookings = topic('bookings', {
  schema: z.object({ account: z.string().min(1), amount: z.number(), currency: z.string().optional() }),
  key: (booking) => booking.account,
})
export const statements = topic('statements', {
  schema: z.object({ account: z.string().min(1), balance: z.number(), atMs: z.number() }),
  key: (statement) => statement.account,
})
export const warnings = topic('warnings', {
  schema: z.object({ account: z.string().min(1), text: z.string() }),
  key: (warning) => warning.account,
})

/** A class, so that what is read back has its methods. */
export class Account {
  balance = 0
  readonly notes = new Map<string, number>()
  constructor(readonly name: string) {}
  book(amount: number): number {
    if (this.balance + amount < -1_000) throw new Error(`account ${this.name} is overdrawn`)
    return (this.balance += amount)
  }
}
export const account = stateObject('account', Account)
export const overdrafts = stateObject('overdrafts', () => ({ count: 0 }))

/** How often computations ran, also for nothing. */
export const runs = { book: 0 }

function book(state: Account, { amount, currency = 'EUR' }: Message<typeof bookings>, context: Context) {
  runs.book++
  const note = context.header('note')
  if (note !== undefined) state.notes.set(Buffer.from(note).toString(), amount)
  if (currency === 'close') {
    context.forget()
    return undefined
  }
  if (currency === 'bad output') return { account: state.name, balance: 'much' as unknown as number, atMs: 0 }
  return { account: state.name, balance: state.book(amount), atMs: context.timestampMs }
}

function warn(state: { count: number }, { account, balance }: Message<typeof statements>) {
  if (balance >= 0) return undefined
  state.count++
  return { account, text: `overdrawn for the ${String(state.count)}. time` }
}

export const bank = application(
  'bank',
  from(bookings).to(account, book).sink(statements),
  from(statements).to(overdrafts, warn).sink(warnings),
)
