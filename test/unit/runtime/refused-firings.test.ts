/** What is due and makes commits fail, because brokers don't take what comes of it: it is isolated, as a message is. */
import { expect, it } from 'vitest'
import { application, from, stateObject, timer, topic } from '../../../src/index.js'
import { MemoryWorkers } from '../../support/memory-workers.js'
import { anySchema } from '../../support/schemas.js'

const TIMERS = 40
const BAD = 17

const ins = topic('ins', { schema: anySchema<{ key: string }>(), key: ({ key }) => key })
const outs = topic('outs', { schema: anySchema<{ key: string; id: string }>(), key: ({ key }) => key })

it.each(['time', 'wall'] as const)('by the clock %s', { timeout: 30_000 }, async (clock) => {
  const state = stateObject('state', () => ({ fired: 0 }))
  const due = timer('due', state, { clock })
  const workers = new MemoryWorkers({
    application: application(
      'refused',
      from(ins).to(state, (_, __, context) => {
        // Several at once, and one behind the other.
        for (let i = 0; i < TIMERS; i++) context.set(due, context.timestampMs + 100 + (i >> 2), String(i))
      }),
      from(due)
        .to(state, (object, { key, id }) => {
          object.fired++
          return { key, id }
        })
        .sink(outs),
    ),
    topics: ['ins', 'outs'],
    policy: ({ topic: to }, { buffer, valueStart, valueEnd }) =>
      to === 'outs' && buffer.toString('utf8', valueStart, valueEnd).includes(`"id":"${String(BAD)}"`)
        ? 'a rule of the sink'
        : undefined,
  })
  await workers.start('w1')
  workers.append('ins', 'a', { key: 'a' })
  await workers.rest()
  expect(workers.endOf('w1')).toBeUndefined()
  const ids = workers.records('outs').map(({ value }) => (JSON.parse(value) as { id: string }).id)
  const all = Array.from({ length: TIMERS }, (_, i) => String(i)).filter((id) => id !== String(BAD))
  expect([...ids].sort()).toEqual([...all].sort())
  expect(workers.records('refused-dead-letters').map(({ key }) => key)).toEqual(['a'])
  const [letter, ...others] = workers.said('a record went to the dead letters')
  expect(others).toEqual([])
  expect(letter).toMatchObject({ code: 'RECORD_REFUSED', due: { timer: 'due', id: String(BAD), key: 'a' } })
  // What comes next is not held up by the suspicion.
  workers.append('ins', 'b', { key: 'b' })
  await workers.rest()
  expect(workers.records('outs')).toHaveLength(2 * all.length)
  await workers.stop('w1')
})
