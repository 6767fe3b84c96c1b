/** What is refused where an application that uses time is defined, and what is not. */
import { expect, it } from 'vitest'
import { application, from, minutes, stateObject, timer, topic } from '../../../src/index.js'
import { definitionOf } from '../../../src/api/application.js'
import { topologyOf } from '../../../src/core/plan/topology.js'
import { isPotorooError } from '../../../src/errors.js'
import { anySchema } from '../../support/schemas.js'

const schema = anySchema<{ id: string }>()
const ins = topic('ins', { schema, key: ({ id }) => id })
const invalid = (act: () => unknown, message: RegExp): void => {
  expect(act).toThrow(
    expect.toSatisfy((error: unknown) => isPotorooError(error, 'INVALID_DEFINITION') && message.test(error.message)),
  )
}
const nothing = (): undefined => undefined

it('time may be used after keyBy()', () => {
  const ending = stateObject('ending', () => ({ n: 0 }), { ttlMs: minutes(1) })
  const other = stateObject('other', () => ({ n: 0 }))
  const made = application(
    'a',
    from(ins)
      .to(other, (_, message) => message)
      .keyBy(({ id }) => id.slice(1))
      .to(ending, nothing),
    from(timer('t', ending)).to(ending, nothing),
  )
  expect(topologyOf(definitionOf(made)).subTopologies.map(({ name, timed }) => [name, timed.length])).toEqual([
    ['other', 0],
    ['ending', 1],
  ])
})

it('timers need a state object that messages reach, and names of their own', () => {
  const [state, lonely] = ['state', 'lonely'].map((name) => stateObject(name, () => ({ n: 0 }))) as [
    ReturnType<typeof stateObject<{ n: number }>>,
    ReturnType<typeof stateObject<{ n: number }>>,
  ]
  const reached = from(ins).to(state, nothing)
  invalid(
    () => application('a', reached, from(timer('t', lonely)).to(lonely, nothing)),
    /has from\(t\), but no message reaches state object lonely/,
  )
  invalid(
    () =>
      application('a', reached, from(timer('t', state)).to(state, nothing), from(timer('t', state)).to(state, nothing)),
    /has two timers named t of state object state/,
  )
  invalid(() => timer('t', {} as never), /The state object of timer t is an object/)
  invalid(() => timer('t', state, { clock: 'sun' as never }), /has clock: "sun"/)
  for (const ttlMs of [0, 63, 1.5, NaN, Infinity]) invalid(() => stateObject('s', () => ({}), { ttlMs }), /has ttlMs/)
  for (const latenessMs of [-1, 0.5, NaN]) invalid(() => topic('x', { schema, latenessMs }), /has latenessMs/)
  invalid(() => topic('x', { schema, idle: 'now' as never }), /has idle: "now"/)
})
