/** An application whose messages and state objects have the size that is wanted: see sizes.ts. */
import { application, from, stateObject, topic } from 'potoroo'
import * as z from 'zod'

/** Bytes of text in each state object. */
export const STATE_BYTES_VARIABLE = 'POTOROO_BENCH_STATE_BYTES'
/** Every so many messages of a key one goes to the sink, about as often as a rejection of Market Spread. */
export const MESSAGES_PER_TOTAL = 10

const text = 'x'.repeat(Number(process.env[STATE_BYTES_VARIABLE] ?? 0))

export const messages = topic('sized-messages', {
  schema: z.object({ key: z.string().min(1), text: z.string() }),
  key: ({ key }) => key,
})
export const totals = topic('sized-totals', {
  schema: z.object({ key: z.string().min(1), count: z.number() }),
  key: ({ key }) => key,
})
const total = stateObject('total', () => ({ count: 0, text }))

export default application(
  'sizes',
  from(messages)
    .to(total, (state, { key }) => {
      state.count++
      return state.count % MESSAGES_PER_TOTAL === 0 ? { key, count: state.count } : undefined
    })
    .sink(totals),
)
