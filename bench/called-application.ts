/** The applications of calls.ts: messages from one topic to another, with and without a call on the way. */
import { setTimeout as delay } from 'node:timers/promises'
import { application, from, stateObject, topic, type Keyed } from 'potoroo'
import * as z from 'zod'

/** Which of `shapes`. */
export const SHAPE_VARIABLE = 'POTOROO_BENCH_SHAPE'
/** How long a call takes, in ms, and how many a task makes at once. */
export const CALL_VARIABLE = 'POTOROO_BENCH_CALL_MS'
export const OVERLAP_VARIABLE = 'POTOROO_BENCH_OVERLAP'

const message = z.object({ key: z.string(), n: z.number() })
export type Ask = z.infer<typeof message>

export const asks = topic('asks', { schema: message, key: ({ key }) => key })
export const told = topic('told', { schema: message, key: ({ key }) => key })

const callMs = Number(process.env[CALL_VARIABLE] ?? 10)
const overlap = Number(process.env[OVERLAP_VARIABLE] ?? 32)

const account = stateObject('account', () => ({ n: 0 }))
const other = stateObject('other', () => ({ n: 0 }))
const outside = async (ask: Ask): Promise<Ask> => {
  await delay(callMs)
  return ask
}
const counted = (state: { n: number }, ask: Ask): Ask => {
  state.n++
  return ask
}

const shapes = {
  none: (): Keyed<Ask> => from(asks),
  'one call': (): Keyed<Ask> => from(asks).call('outside', outside, { overlap }),
  'two computations': (): Keyed<Ask> =>
    from(asks)
      .to(account, counted)
      .keyBy(({ key }) => key)
      .to(other, counted),
  'a call between two': (): Keyed<Ask> =>
    from(asks).to(account, counted).call('outside', outside, { overlap }).to(account, counted),
} as const
export type Shape = keyof typeof shapes

const isShape = (name: string): name is Shape => Object.hasOwn(shapes, name)
const shape = process.env[SHAPE_VARIABLE] ?? 'one call'
if (!isShape(shape)) throw new RangeError(shape)

export default application('called', shapes[shape]().sink(told))
