/** The Potoroo application of windows.ts: how often each key came in each minute. */
import { application, from, minutes, topic, tumbling, windowed } from 'potoroo'
import * as z from 'zod'

export const LATENESS_MS = 1000
export const SIZE_MS = minutes(1)

export const events = topic('windowed-events', {
  schema: z.object({ key: z.string().min(1) }),
  key: ({ key }) => key,
  latenessMs: LATENESS_MS,
})
export const counts = topic('windowed-counts', {
  schema: z.object({ key: z.string().min(1), startMs: z.number(), n: z.number() }),
  key: ({ key }) => key,
})
const count = windowed('count', tumbling(SIZE_MS), () => ({ n: 0 }))

export default application(
  'windowed-count',
  from(events).to(count, (state) => {
    state.n++
  }),
  from(count.closed)
    .map(({ key, startMs, state: { n } }) => ({ key, startMs, n }))
    .sink(counts),
)
