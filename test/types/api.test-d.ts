/**
 * What the compiler has to infer, and what it has to refuse. Nothing here runs: `npm run types` compiles it, and an
 * error that no longer comes makes its @ts-expect-error one.
 */
import * as z from 'zod'
import {
  application,
  from,
  merge,
  stateObject,
  topic,
  type Application,
  type Context,
  type Message,
  type Origin,
  type Pipeline,
  type State,
  type Topic,
  type UnkeyedTopic,
} from '../../src/index.js'

/* eslint-disable @typescript-eslint/no-unnecessary-type-parameters, @typescript-eslint/no-meaningless-void-operator --
   types are what is tested */
/* eslint-disable @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return,
   @typescript-eslint/no-unused-vars -- what doesn't compile has no type */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const holds = <Condition extends true>(condition?: Condition): void => void condition

interface Order {
  id: string
  symbol: string
  quantity: number
}
interface Alert {
  symbol: string
  text: string
}
const orders = topic('orders', {
  schema: z.object({ id: z.string(), symbol: z.string(), quantity: z.number() }),
  key: (order) => order.symbol,
})
const alerts = topic('alerts', {
  schema: z.object({ symbol: z.string(), text: z.string() }),
  key: (alert) => alert.symbol,
})
const unknownPartitioner = topic('foreign', {
  schema: z.object({ symbol: z.string(), text: z.string() }),
  key: (alert) => alert.symbol,
  partitioner: 'none',
})
const total = stateObject('total', () => ({ quantity: 0 }))
const passing = from(orders).map(({ symbol, id }) => ({ symbol, text: id }))
passing.sink(alerts, { headers: ['request-id'] })
passing.sink(alerts, { headers: 'all' })
passing.sink(alerts, { headers: 'none' })
// @ts-expect-error there is no such choice
passing.sink(alerts, { headers: 'some' })
// @ts-expect-error names are strings
passing.sink(alerts, { headers: [7] })
class Position {
  quantity = 0
  constructor(readonly symbol: string) {}
  add(order: Order): void {
    this.quantity += order.quantity
  }
}
const position = stateObject('position', Position)

// types come from schemas and initial values
holds<Same<typeof orders, Topic<Order>>>()
holds<Same<Message<typeof orders>, Order>>()
holds<Same<Message<typeof unknownPartitioner>, Alert>>()
holds<Same<State<typeof total>, { quantity: number }>>()
holds<Same<State<typeof position>, Position>>()
// what a schema converts is read as its output and written as its input
const dated = topic('dated', {
  schema: z.object({ id: z.string(), on: z.string().transform((text) => new Date(text)) }),
  key: (message) => message.id,
})
holds<Same<Message<typeof dated>, { id: string; on: Date }>>()
const given: Pipeline = from(orders)
  .map((order) => ({ id: order.id, on: '2026-01-01' }))
  .sink(dated)
// @ts-expect-error a Date is what is read, not what is written
from(dated).sink(dated)

// upgrades: each takes what it says, and gives an object; the state object's type is that of its initial value
const upgraded = stateObject('total', () => ({ count: 0, words: ['a'] }), {
  upgrades: [
    (stored: { n: number }) => ({ n: stored.n, words: [] as string[] }),
    ({ n, words }: { n: number; words: string[] }) => ({ count: n, words }),
  ],
})
holds<Same<State<typeof upgraded>, { count: number; words: string[] }>>()
const upgradedClass = stateObject('position', Position, {
  upgrades: [(stored: { shares: number }) => ({ quantity: stored.shares })],
})
holds<Same<State<typeof upgradedClass>, Position>>()
stateObject('set', () => new Set<string>(), {
  pack: (state) => ({ all: [...state] }),
  unpack: (plain) => new Set((plain as { all: string[] }).all),
  upgrades: [(stored: { members: string[] }) => ({ all: stored.members })],
})
// @ts-expect-error an upgrade gives an object
stateObject('total', () => ({ n: 0 }), { upgrades: [(stored: { n: number }) => stored.n] })
// @ts-expect-error an upgrade gives something
stateObject('total', () => ({ n: 0 }), { upgrades: [(stored: { n: number }) => void stored.n] })
// @ts-expect-error upgrades are synchronous
stateObject('total', () => ({ n: 0 }), { upgrades: [(stored: { n: number }) => Promise.resolve({ n: stored.n })] })
// @ts-expect-error upgrades are a list
stateObject('total', () => ({ n: 0 }), { upgrades: (stored: { n: number }) => ({ n: stored.n }) })

// a computation's parameters and outputs need no annotation
const counted = from(orders).to(total, (state, order, context) => {
  holds<Same<typeof state, { quantity: number }>>()
  holds<Same<typeof order, Order>>()
  holds<Same<typeof context, Context>>()
  state.quantity += order.quantity
})
holds<Same<typeof counted, Pipeline>>()
const several = from(orders).to(total, (state, order) =>
  state.quantity > 10 ? [{ symbol: order.symbol, text: 'much' }] : order.quantity > 5 ? undefined : null,
)
holds<Same<ReturnType<typeof several.sink>, Pipeline>>()
several.filter((output) => output.text !== '').sink(alerts)
several.map((output) => ({ symbol: output.symbol, text: output.text.toUpperCase() })).sink(alerts)
const app: Application = application('app', counted, several.sink(alerts), given)
from(orders).to(position, (state, order) => {
  state.add(order)
})
// filters narrow
interface Cancel {
  symbol: string
  cancels: string
}
declare const mixed: Origin<Alert | Cancel, 'keyed'>
from(mixed)
  .filter((message): message is Alert => 'text' in message)
  .sink(alerts)
from(mixed)
  .filter((message): message is Cancel => 'cancels' in message)
  .to(total, (_, message) => void message.cancels)

// a computation whose outputs go nowhere
// @ts-expect-error there is no sink
application('app', several)
// @ts-expect-error no computation and no sink
application('app', from(orders))
// @ts-expect-error no pipelines
application('app')

// a sink of another type
// @ts-expect-error orders are no alerts
from(orders).sink(alerts)
const wrongText = from(orders).to(total, (_, order) => ({ symbol: order.symbol, text: 1 }))
// @ts-expect-error text has to be a string
wrongText.sink(alerts)
const holed = from(orders).to(total, (_, order) => [{ symbol: order.symbol, text: '' }, undefined])
// @ts-expect-error some elements are undefined
holed.sink(alerts)
const bare = from(orders).to(total, () => 'text')
// @ts-expect-error an output is an object
bare.sink(alerts)
// @ts-expect-error where keys belong is not known
from(alerts).sink(unknownPartitioner)
// @ts-expect-error a state object is no topic
from(alerts).sink(total)

// keys lie beside messages: steps and computations keep them, keyBy() changes them
from(orders)
  .map((order) => ({ quantity: order.quantity }))
  .to(total, (state, { quantity }) => void (state.quantity += quantity))
several.to(total, (_, output) => void output.text)
from(orders)
  .flatMap((order) => [order.symbol, order.id])
  .keyBy((text) => text, { name: 'texts' })
  .to(total, (_, text) => ({ symbol: text, text }))
  .sink(alerts)
// @ts-expect-error a key is a string
from(orders).keyBy(() => 1)
const lines = topic('lines', { schema: z.object({ text: z.string() }) })
holds<Same<typeof lines, UnkeyedTopic<{ text: string }>>>()
// @ts-expect-error without a key there is no state object
from(lines).to(total, () => undefined)
from(lines)
  .keyBy((line) => line.text)
  .to(total, () => undefined)
// @ts-expect-error it gives an array
from(lines).flatMap((line) => line.text.length)

// streams are merged where both have keys
const merged = merge(from(orders), from(alerts))
merged.to(total, (_, message) => {
  holds<Same<typeof message, Order | Alert>>()
})
// @ts-expect-error lines have no key
merge(from(orders), from(lines))

// asynchronous functions
const asynchronous = from(orders).to(total, async (_, order) => Promise.resolve({ symbol: order.symbol, text: '' }))
// @ts-expect-error a computation is synchronous
asynchronous.sink(alerts)
const silent = from(orders).to(total, async () => Promise.resolve())
// @ts-expect-error also without outputs
application('app', silent)
const sometimes = from(orders).to(total, (state) => (state.quantity > 1 ? Promise.resolve() : undefined))
// @ts-expect-error also if only now and then
application('app', sometimes)
const stepped = from(orders).map(async (order) => Promise.resolve(order))
// @ts-expect-error a step is synchronous
stepped.sink(orders)
// @ts-expect-error a promise is always true
from(orders).filter(async () => Promise.resolve(true))

// calls
const called = from(orders).call('ask', async ({ symbol }, { id, signal }) =>
  Promise.resolve(signal.aborted ? undefined : { symbol, text: id }),
)
application('app', called.sink(alerts))
application(
  'app',
  from(orders)
    .call('ask', async ({ symbol }) => Promise.resolve({ symbol, text: '' }), {
      overlap: 32,
      failed: ({ symbol }, error) => ({ symbol, text: String(error) }),
    })
    .sink(alerts),
)
application(
  'app',
  from(orders).call('tell', async () => Promise.resolve()),
)
// @ts-expect-error what takes the place of a result is like one
from(orders).call('ask', async () => Promise.resolve({ symbol: '' }), { failed: () => ({ text: '' }) })
// @ts-expect-error results that nobody wants
application('app', called)
// @ts-expect-error a call that waits for nothing is a map()
from(orders).call('ask', (order) => order)

// @ts-expect-error a state object is made synchronously
stateObject('late', async () => Promise.resolve({ quantity: 0 }))

// computations on the wrong things
// @ts-expect-error the state object has no such field
from(orders).to(total, (state) => void state.price)
// @ts-expect-error nor the message
from(orders).to(total, (_, order) => void order.price)
// @ts-expect-error alerts are no orders
from(alerts).to(total, (_: State<typeof total>, order: Order) => void order)
// @ts-expect-error a topic is no state object
from(orders).to(alerts, () => undefined)

// declarations
// @ts-expect-error a key is a string
topic('wrong', { schema: z.object({ id: z.number() }), key: (message) => message.id })
// @ts-expect-error there is no such field
topic('wrong', { schema: z.object({ id: z.string() }), key: (message) => message.symbol })
// @ts-expect-error a message is an object
topic('wrong', { schema: z.string(), key: () => '' })
// @ts-expect-error there is no such partitioner
topic('wrong', { schema: z.object({ id: z.string() }), key: (m: { id: string }) => m.id, partitioner: 'crc32' })
// @ts-expect-error there is no such start
topic('wrong', { schema: z.object({ id: z.string() }), key: (message: { id: string }) => message.id, start: 'middle' })
// @ts-expect-error a schema is needed
topic('wrong', { key: () => '' })
// @ts-expect-error a state object is an object
stateObject('wrong', () => 0)
// @ts-expect-error pack and unpack come together
stateObject('wrong', () => ({ quantity: 0 }), { pack: (state) => state.quantity })
class Keyless {
  constructor(readonly number: number) {}
}
// @ts-expect-error its constructor would be given the key, a string
stateObject('wrong', Keyless)
class WrongUnpack {
  pack(): unknown {
    return {}
  }
  static unpack(): string {
    return ''
  }
}
// @ts-expect-error unpack has to give an instance
stateObject('wrong', WrongUnpack)

export { app }
