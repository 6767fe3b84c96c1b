/** Types of tables, joins and broadcasts; compiled only. */
import * as z from 'zod'
/* eslint-disable @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return -- what doesn't compile has no type */
import {
  application,
  broadcast,
  from,
  messagePackCodec,
  stateObject,
  table,
  topic,
  type Broadcast,
  type Keyed,
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

// An inner join: nothing goes on where the step gives nothing.
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
