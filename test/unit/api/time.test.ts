/** What is refused where an application that uses time is defined, and what is not. */
import { describe, expect, it } from 'vitest'
import { application, from, minutes, stateObject, table, timer, topic } from '../../../src/index.js'
import { definitionOf } from '../../../src/api/application.js'
import { topologyOf } from '../../../src/core/plan/topology.js'
import { isPotorooError } from '../../../src/errors.js'
import { anySchema } from '../../support/schemas.js'

const schema = anySchema<{ id: string }>()
const ins = topic('ins', { schema, key: ({ id }) => id })
const others = topic('others', { schema, key: ({ id }) => id })
const invalid = (act: () => unknown, message: RegExp): void => {
  expect(act).toThrow(
    expect.toSatisfy((error: unknown) => isPotorooError(error, 'INVALID_DEFINITION') && message.test(error.message)),
  )
}
const nothing = (): undefined => undefined

describe('time behind a repartition is refused', () => {
  const behind = /lies behind keyBy\(\), by .*: time does not go through repartition topics yet/

  it('of a timer, and of a time to live', () => {
    const state = stateObject('state', () => ({ n: 0 }))
    const rekeyed = from(ins).keyBy(({ id }) => id.slice(1))
    invalid(() => application('a', rekeyed.to(state, nothing), from(timer('t', state)).to(state, nothing)), behind)
    const ending = stateObject('ending', () => ({ n: 0 }), { ttlMs: minutes(1) })
    invalid(() => application('a', rekeyed.to(ending, nothing)), behind)
  })

  it('also where the repartition leads to another state object of the same tasks, by whatever they share', () => {
    const ending = stateObject('ending', () => ({ n: 0 }), { ttlMs: minutes(1) })
    const other = stateObject('other', () => ({ n: 0 }))
    const rekeyed = from(others).keyBy(({ id }) => id.slice(1))
    invalid(
      () => application('a', from(ins).to(ending, nothing), from(ins).to(other, nothing), rekeyed.to(other, nothing)),
      behind,
    )
    const entries = table('entries', rekeyed)
    const joined = from(ins).join(entries, (message) => message)
    invalid(() => application('a', joined.to(ending, nothing)), behind)
  })

  it('but not in front of it, nor of a timer by the wall clock', () => {
    const ending = stateObject('ending', () => ({ n: 0 }), { ttlMs: minutes(1) })
    const other = stateObject('other', () => ({ n: 0 }))
    const ring = timer('ring', other, { clock: 'wall' })
    const made = application(
      'a',
      from(ins)
        .to(ending, (_, message) => message)
        .keyBy(({ id }) => id.slice(1))
        .to(other, nothing),
      from(ring).to(other, nothing),
    )
    expect(topologyOf(definitionOf(made)).subTopologies.map(({ name, timed }) => [name, timed.length])).toEqual([
      ['ending', 0],
      ['other', 1],
    ])
  })
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
