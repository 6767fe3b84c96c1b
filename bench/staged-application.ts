/** The Potoroo application of routing-latency.ts: counters in a row, each by another key of the message. */
import { application, from, type Keyed, stateObject, topic } from 'potoroo'
import * as z from 'zod'

/** How many counters: 1 to 3. */
export const STAGES_VARIABLE = 'POTOROO_BENCH_STAGES'

const stages = Number(process.env[STAGES_VARIABLE] ?? 1)

export const keyNames = ['first', 'second', 'third'] as const

const message = z.object({
  id: z.number(),
  first: z.string().min(1),
  second: z.string().min(1),
  third: z.string().min(1),
})
/** Counts are those of its keys so far, of the stages after it. */
const counted = message.extend({
  firstCount: z.number().optional(),
  secondCount: z.number().optional(),
  thirdCount: z.number().optional(),
})
export type Message = z.infer<typeof message>
export type Counted = z.infer<typeof counted>

export const messages = topic('staged-messages', { schema: message, key: ({ first }) => first })
export const outputs = topic('staged-outputs', {
  schema: counted,
  key: (output) => output[keyNames[stages - 1] ?? 'first'],
})

const [first, second, third] = [1, 2, 3].map((stage) => stateObject(`stage-${String(stage)}`, () => ({ n: 0 })))
if (first === undefined || second === undefined || third === undefined) throw new RangeError('three are made')

const one: Keyed<Counted> = from(messages).to(first, (state, was) => ({ ...was, firstCount: ++state.n }))
const two = (): Keyed<Counted> =>
  one.keyBy((was) => was.second).to(second, (state, was) => ({ ...was, secondCount: ++state.n }))
const three = (): Keyed<Counted> =>
  two()
    .keyBy((was) => was.third)
    .to(third, (state, was) => ({ ...was, thirdCount: ++state.n }))

export default application('staged', (stages === 1 ? one : stages === 2 ? two() : three()).sink(outputs))
