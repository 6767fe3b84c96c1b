/** Types of tables, joins and broadcasts; compiled only. */
import * as z from 'zod'
/* eslint-disable @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return -- what doesn't compile has no type */
import {
  application,
  broadcast,
  from,
  intervalJoin,
  messagePackCodec,
  minutes,
  stateObject,
  table,
  timer,
  topic,
  type Broadcast,
  type Context,
  type Keyed,
  type RunningWorker,
  type State,
} from '../../src/index.js'
import type { TestDriver } from '../../src/testing/index.js'

const customers = topic('customers', { schema: z.object({ id: z.string(), tier: z.string() }), key: ({ id }) => id })
const orders = topic('orders', { schema: z.object({ id: z.string(), customer: z.string() }), key: ({ id }) => id })
const lines = topic('lines', { schema: z.object({ text: z.string() }) })
const out = topic('out', { schema: z.object({ id: z.string(), tier: z.string() }), key: ({ id }) => id })
const count = stateObject('count', () => ({ n: 0 }))

interface Customer {
  id: string
  tier: string
}
const customer = table('customer', from(customers))
// A step may make null of a message, which deletes.
const living = table(
  'living',
  from(customers).map((one) => (one.tier === '' ? null : one)),
)
const rate = broadcast('rate', customers)
// a null is no entry, and its topic may be declared in place
export const packed: Broadcast<{ id: string }> = broadcast(
  'packed',
  topic('p', { codec: messagePackCodec<{ id: string }>(), key: ({ id }) => id, tombstones: 'message' }),
)

export const tier: State<typeof customer> = { id: '', tier: '' }
export const same: State<typeof living> extends Customer ? true : false = true
export const n: State<typeof count> = { n: 1 }

// An inner join: nothing continues where the step gives nothing.
export const inner: Keyed<{ id: string; tier: string }> = from(orders).join(
  customer,
  (order, known) => known && { id: order.id, tier: known.tier },
)
export const priced: Keyed<{ id: string; tier: string }> = from(orders).join(
  rate,
  (order) => order.customer,
  (order, known) => ({ id: order.id, tier: known?.tier ?? '' }),
)
export const ofState: Keyed<{ id: string; n: number | undefined }> = from(orders).join(count, (order, state) => ({
  id: order.id,
  n: state?.n,
}))
application('fine', inner.sink(out), priced.sink(out))
from(orders).to(
  count,
  (_, order, context) => {
    const entry: Readonly<Customer> | undefined = context.read(customer)
    const own: Readonly<{ n: number }> | undefined = context.read(count)
    const found: Readonly<Customer> | undefined = context.lookup(rate, order.customer)
    // @ts-expect-error it is not to be changed
    if (entry !== undefined) entry.tier = ''
    return own === undefined || found === undefined ? undefined : []
  },
  { reads: [customer, living, count, rate] },
)
export const driven = (driver: TestDriver): Customer | undefined => driver.state(customer, 'a')

// @ts-expect-error a table needs a key
table('t', from(lines))
// @ts-expect-error it is of a stream
table('t', customers)
// @ts-expect-error a broadcast needs a key
broadcast('b', lines)
// @ts-expect-error without a key there is nothing to join by
from(lines).join(customer, (line) => line)
// @ts-expect-error a table is written by its stream alone
from(orders).to(customer, () => undefined)
// @ts-expect-error the entry may be missing
from(orders).join(customer, (order, known) => ({ id: order.id, tier: known.tier }))
// @ts-expect-error a broadcast is joined by a key
from(orders).join(rate, (order, known) => [order, known])
const asynchronous = from(orders).join(customer, async (order) => Promise.resolve(order))
// @ts-expect-error steps are synchronous
asynchronous.sink(out)
// @ts-expect-error a join that leads nowhere is no pipeline
application('nowhere', inner)

// Interval joins.
const paid = intervalJoin('paid', from(orders), from(customers), { withinMs: minutes(15) })
export const met: Keyed<{ readonly left: { id: string; customer: string }; readonly right: Customer }> = paid.both
export const unpaid: Keyed<{ id: string; customer: string }> = paid.left
export const unmet: Keyed<Customer> = paid.right
application('a', paid.right.sink(out), paid.both.map(({ right }) => right).sink(out))
export async function open(worker: RunningWorker): Promise<string | undefined> {
  const { state, timers } = await worker.query(paid).get('k')
  return state?.left[0]?.message.customer ?? state?.right[0]?.message.tier ?? timers[0]?.name
}
export function refused(worker: RunningWorker): void {
  // @ts-expect-error a side of a join has no state of its own
  worker.query(paid.left)
  // @ts-expect-error a broadcast is on every worker: it is looked up
  worker.query(rate)
}
// @ts-expect-error a stream without a key meets nothing
intervalJoin('paid', from(lines), from(customers), { withinMs: 1 })
// @ts-expect-error how far they may be apart has to be said
intervalJoin('paid', from(orders), from(customers))
// @ts-expect-error what a side gives is its own message
application('a', paid.left.sink(out))
// @ts-expect-error an interval join is no state object: nothing computes on it
from(orders).to(paid, () => undefined)

// Timers.
const calm = timer('calm', count)
export const wind = (state: State<typeof count>, _: unknown, context: Context): void => {
  context.set(calm, context.timestampMs + minutes(1), String(state.n))
  context.clear(calm)
  // @ts-expect-error a time is a number
  context.set(calm, new Date())
  // @ts-expect-error a state object is no timer
  context.set(count, 1)
  // @ts-expect-error an id is a text
  context.clear(calm, 1)
}
from(calm).to(count, (_, { key, id, dueMs }) => {
  const all: readonly [string, string, number] = [key, id, dueMs]
  return all
})
// @ts-expect-error a timer is of a state object
timer('x')
// @ts-expect-error by the task's time, or by the wall clock
timer('x', count, { clock: 'sun' })
// @ts-expect-error what a timer gives is no order
from(calm).to(count, (_, { customer }) => (customer === '' ? undefined : null))
