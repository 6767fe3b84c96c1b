/** What the compiler has to infer of a TestDriver, and what it has to refuse. Nothing here runs. */
import * as z from 'zod'
import { application, from, stateObject, topic } from '../../src/index.js'
import { TestDriver, type DeadLetter, type OutputRecord, type Piped } from '../../src/testing/index.js'

/* eslint-disable @typescript-eslint/no-floating-promises, @typescript-eslint/no-unnecessary-type-parameters,
   @typescript-eslint/no-meaningless-void-operator, @typescript-eslint/no-unused-vars -- types are what is tested */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const holds = <Condition extends true>(condition?: Condition): void => void condition

const orders = topic('orders', {
  schema: z.object({ id: z.string(), symbol: z.string(), quantity: z.number() }),
  key: (order) => order.symbol,
})
const defaulted = topic('defaulted', {
  schema: z.object({ id: z.string(), size: z.number().default(1) }),
  key: (message) => message.id,
})
const foreign = topic('foreign', {
  schema: z.object({ symbol: z.string() }),
  key: (message) => message.symbol,
  partitioner: 'none',
})
const total = stateObject('total', () => ({ quantity: 0 }))
class Position {
  quantity = 0
  constructor(readonly symbol: string) {}
  add(quantity: number): void {
    this.quantity += quantity
  }
}
const position = stateObject('position', Position)
const app = application(
  'app',
  from(orders).to(total, (state, order) => void (state.quantity += order.quantity)),
)
declare const driver: TestDriver
const order = { id: '1', symbol: 'A', quantity: 1 }

TestDriver.start(app, { partitions: 2, workers: 2, seed: 1, startMs: 0, onError: 'stop', logger: console })
// @ts-expect-error an application is needed
TestDriver.start(orders)
// @ts-expect-error there is no such choice
TestDriver.start(app, { onError: 'ignore' })
// @ts-expect-error it is made by start()
new TestDriver()

// messages are those that the topic takes
driver.pipe(orders, order)
driver.pipe(orders, [order, order], { timestampMs: 1, headers: { a: 'b', c: new Uint8Array() }, partition: 0 })
driver.pipe(defaulted, { id: 'a' })
driver.pipe(defaulted, [{ id: 'a' }, { id: 'b', size: 2 }])
driver.pipe(foreign, { symbol: 'A' })
holds<Same<Piped<typeof defaulted>, { id: string; size?: number | undefined }>>()
// @ts-expect-error quantity is a number
driver.pipe(orders, { ...order, quantity: '1' })
// @ts-expect-error each of them
driver.pipe(orders, [order, { id: '1' }])
// @ts-expect-error a state object is no topic
driver.pipe(total, { quantity: 1 })
// @ts-expect-error bytes or text
driver.pipeRaw(orders, { key: 'A', value: order })
driver.pipeRaw(orders, [{ key: null, value: 'no json' }, { value: new Uint8Array() }])

// what is read has the topic's type
holds<Same<ReturnType<typeof driver.read<{ id: string }>>, { id: string }[]>>()
const read = driver.read(orders)
holds<Same<typeof read, { id: string; symbol: string; quantity: number }[]>>()
const filled = driver.read(defaulted)
holds<Same<typeof filled, { id: string; size: number }[]>>()
const records = driver.readRecords(foreign)
holds<Same<typeof records, OutputRecord<{ symbol: string }>[]>>()
const letters = driver.readDeadLetters()
holds<Same<typeof letters, DeadLetter[]>>()

// state objects have theirs
const state = driver.state(total, 'A')
holds<Same<typeof state, { quantity: number } | undefined>>()
const instance = driver.state(position, 'A')
holds<Same<typeof instance, Position | undefined>>()
const all = driver.states(position)
holds<Same<typeof all, Map<string, Position>>>()
driver.setState(total, 'A', { quantity: 2 })
driver.setState(position, 'A', undefined)
// @ts-expect-error another state object's
driver.setState(total, 'A', { count: 2 })
// @ts-expect-error no instance
driver.setState(position, 'A', { symbol: 'A', quantity: 1 })
// @ts-expect-error a key is a string
driver.state(total, 1)
// @ts-expect-error a topic is no state object
driver.state(orders, 'A')
