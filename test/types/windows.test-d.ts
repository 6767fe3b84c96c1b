/** Types of windows; compiled only. */
import * as z from 'zod'
import {
  application,
  from,
  hopping,
  minutes,
  session,
  timer,
  topic,
  tumbling,
  windowed,
  type Closed,
  type Keyed,
  type RunningWorker,
  type State,
} from '../../src/index.js'
import type { TestDriver } from '../../src/testing/index.js'

const clicks = topic('clicks', { schema: z.object({ user: z.string() }), key: (c) => c.user })
const lines = topic('lines', { schema: z.object({ text: z.string() }) })
const counts = topic('counts', { schema: z.object({ user: z.string(), n: z.number() }), key: (c) => c.user })
const minute = windowed('minute', tumbling(minutes(1)), () => ({ n: 0 }))
const initial = (): { n: number } => ({ n: 0 })

export const open: State<typeof minute> = [{ key: 'k', startMs: 0, endMs: 1, messages: 1, state: { n: 1 } }]
export const closed: Keyed<Closed<{ n: number }>> = from(minute.closed)
export const early: Keyed<{ user: string; n: number; fromMs: number }> = from(clicks).to(
  minute,
  (state, { user }, { window }) => ({ user, n: ++state.n, fromMs: window.startMs }),
)
export async function inTests(driver: TestDriver): Promise<number | undefined> {
  await driver.setState(minute, 'k', open)
  return driver.state(minute, 'k')?.[0]?.state.n
}
export async function asked(worker: RunningWorker): Promise<readonly Closed<{ n: number }>[] | undefined> {
  for await (const { key, state } of worker.query(minute).scan({ prefix: '' }))
    if (state !== undefined) return state.filter((window) => window.key === key)
  return (await worker.query(minute).get('k')).state
}
export function refused(worker: RunningWorker): void {
  // @ts-expect-error what closes is a source
  worker.query(minute.closed)
  // @ts-expect-error only what has state can be asked
  worker.query(clicks)
}
application(
  'a',
  from(clicks).to(minute, (state) => {
    state.n++
  }),
  from(minute.closed)
    .map(({ key, state: { n } }) => ({ user: key, n }))
    .sink(counts),
)
windowed('visit', session(1), initial, { merge: (earlier, later) => void (earlier.n += later.n), late: 'drop' })

// @ts-expect-error sessions need a merge
windowed('visit', session(1), initial)
// @ts-expect-error options without it are not enough
windowed('visit', session(1), initial, { late: 'drop' })
// @ts-expect-error other windows do not merge
windowed('five', hopping(5, 1), initial, { merge: () => undefined })
// @ts-expect-error windows end by themselves
windowed('five', hopping(5, 1), initial, { ttlMs: 1_000 })
// @ts-expect-error no such policy
windowed('five', hopping(5, 1), initial, { late: 'oldest' })
// @ts-expect-error pack and unpack come together
windowed('five', hopping(5, 1), initial, { pack: (state: { n: number }) => state.n })
// @ts-expect-error a timer is of a state object
timer('calm', minute)
// @ts-expect-error what closes is no count
from(minute.closed).sink(counts)
// @ts-expect-error computations are synchronous
application('a', from(clicks).to(minute, async (state) => Promise.resolve(state.n))) // prettier-ignore
// @ts-expect-error without a key there are no windows
from(lines).to(minute, () => undefined)
