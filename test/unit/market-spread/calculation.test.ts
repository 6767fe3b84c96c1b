import { describe, expect, it } from 'vitest'
import { definitionOf } from '../../../src/api/application.js'
import { topologyOf } from '../../../src/core/plan/topology.js'
import marketSpread from '../../../src/market-spread/application.js'
import { compare, rejectionsOf, type Event } from '../../../src/market-spread/calculation.js'
import { firstEvents } from '../../../src/market-spread/generator.js'

const time = '2026-01-01T00:00:00.000Z'
const quote = (symbol: string, bid: number, offer: number): Event => ({
  topic: 'market-data',
  message: { symbol, bid, offer, time },
})
const order = (orderId: string, symbol: string): Event => ({
  topic: 'orders',
  message: { orderId, account: 'c', symbol, side: 'sell', quantity: 1, price: 1, time },
})

describe('the plain calculation', () => {
  it('rejects what comes before a quote or while the spread is wide, symbol by symbol', () => {
    const events = [
      order('early', 'A'),
      quote('A', 10, 10.01),
      order('narrow', 'A'),
      quote('A', 10, 10.5),
      order('wide', 'A'),
      order('other', 'B'),
      quote('B', 0.5, 0.54),
      order('percent', 'B'),
      quote('A', 10, 10.01),
      order('again', 'A'),
    ]
    expect([...rejectionsOf(events)].map(({ orderId, bid, offer }) => [orderId, bid, offer])).toEqual([
      ['early', 0, 0],
      ['wide', 10, 10.5],
      ['other', 0, 0],
      ['percent', 0.5, 0.54],
    ])
  })

  it("gives what the application's computations give", () => {
    const states = new Map<string, object>()
    const [subTopology] = topologyOf(definitionOf(marketSpread)).subTopologies
    const operators = new Map(subTopology?.sources.map(({ topic, operators: [first] }) => [topic.name, first]))
    const apply = ({ topic, message }: Event): unknown => {
      const operator = operators.get(topic)
      if (operator?.kind !== 'compute') expect.unreachable(`${topic} has no computation`)
      const state = states.get(message.symbol) ?? operator.state.initial(message.symbol)
      states.set(message.symbol, state)
      const nothing = (): undefined => undefined
      const own = { header: nothing, forget: nothing, read: nothing, lookup: nothing }
      const context = { key: message.symbol, timestampMs: 0, timeMs: 0, set: nothing, clear: nothing, ...own }
      return operator.compute(state, message, context)
    }
    const events = firstEvents(20_000, { seed: 5, symbols: 50 })
    const given = events.map(apply).filter((output) => output !== undefined)
    expect(given.length).toBeGreaterThan(500)
    expect(given).toEqual([...rejectionsOf(events)])
  })
})

describe('compare', () => {
  const expected = [...rejectionsOf([order('1', 'A'), order('2', 'B')])]

  it('finds nothing wrong in any order, with fields in any order', () => {
    const shuffled = expected.map((r) => Object.fromEntries(Object.entries(r).reverse()) as typeof r).reverse()
    expect(compare(expected, shuffled)).toEqual({ right: 2, lost: [], repeated: [] })
  })
  it('finds what is lost, repeated, or at other prices', () => {
    expect(compare(expected, expected.slice(1))).toEqual({ right: 1, lost: expected.slice(0, 1), repeated: [] })
    expect(compare(expected, [...expected, ...expected.slice(1)])).toMatchObject({
      right: 2,
      lost: [],
      repeated: expected.slice(1),
    })
    const wrong = expected.map((r) => ({ ...r, bid: r.bid + 1 }))
    expect(compare(expected, wrong)).toEqual({ right: 0, lost: expected, repeated: wrong })
  })
  it('counts what is expected twice', () => {
    const twice = [...expected, ...expected]
    expect(compare(twice, twice).right).toBe(4)
    expect(compare(twice, expected).lost).toHaveLength(2)
  })
})
