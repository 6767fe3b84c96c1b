import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { quote as quotes } from '#topics/market-data.js'
import { order as orders } from '#topics/orders.js'
import { rejection as rejections } from '#topics/rejections.js'
import { definitionOf } from '../../../src/api/application.js'
import { topicsOf } from '../../../src/api/graph.js'
import { topologyOf } from '../../../src/core/plan/topology.js'
import { isPotorooError } from '../../../src/errors.js'
import marketSpread, { checkOrder, symbolState, updateMarketData } from '../../../src/market-spread/application.js'
import { stateDefinition } from '../../../src/api/state-object.js'
import type { TopicDefinition } from '../../../src/api/definition.js'

const definition = definitionOf(marketSpread)
const fresh = () => stateDefinition(symbolState, 'test').initial('A') as Parameters<typeof updateMarketData>[0]
const time = '2026-01-01T00:00:00.000Z'
const quote = (bid: number, offer: number) => ({ symbol: 'A', bid, offer, time })
const order = {
  orderId: 'o1',
  account: 'c1',
  symbol: 'A',
  side: 'buy' as const,
  quantity: 100,
  price: 10,
  time,
}

it('checks messages by schemas that Zod compiles as a whole', () => {
  for (const schema of [quotes, orders, rejections]) {
    expect(z.compile(schema, { strict: true }).safeParse({}).success).toBe(false)
  }
})

describe('an order', () => {
  it.each([
    ['a spread of 5 cents and more', 10, 10.06, true],
    ['less than 5 cents, less than 5 %', 10, 10.04, false],
    ['less than 5 cents, but 5 % of the middle', 0.5, 0.54, true],
    ['exactly 5 cents', 0, 0.05, true],
    ['no spread', 10, 10, false],
    ['an offer below the bid', 10, 9, false],
    ['prices of 0, whose spread is no part of anything', 0, 0, false],
  ])('at %s', (_, bid, offer, rejected) => {
    const symbol = fresh()
    updateMarketData(symbol, quote(bid, offer))
    expect(checkOrder(symbol, order)).toEqual(rejected ? { ...order, bid, offer } : undefined)
  })

  it('before any quote is rejected, at prices of 0', () => {
    expect(checkOrder(fresh(), order)).toEqual({ ...order, bid: 0, offer: 0 })
  })

  it('after a spread went narrow again goes through', () => {
    const symbol = fresh()
    updateMarketData(symbol, quote(10, 11))
    updateMarketData(symbol, quote(10, 10.01))
    expect(checkOrder(symbol, order)).toBeUndefined()
  })
})

describe('the application', () => {
  it('is one sub-topology: quotes before orders, one state object per symbol', () => {
    const [only, ...others] = topologyOf(definition).subTopologies
    expect(others).toEqual([])
    expect(only?.name).toBe('symbol')
    expect(only?.sources.map(({ topic }) => topic.name)).toEqual(['market-data', 'orders'])
    expect(only?.sinks.map(({ name }) => name)).toEqual(['rejections'])
  })

  const topics = new Map(topicsOf(definition).map((topic) => [topic.name, topic]))
  const decode = (name: string, message: unknown): unknown => {
    const bytes = Buffer.from(typeof message === 'string' ? message : JSON.stringify(message))
    return (topics.get(name) as TopicDefinition).decode(bytes, 0, bytes.length)
  }

  it('has topics of 8 partitions, keyed by symbol, partitioned by murmur2', () => {
    expect([...topics.keys()].sort()).toEqual(['market-data', 'orders', 'rejections'])
    for (const topic of topics.values()) {
      expect(topic).toMatchObject({ partitions: 8, partitioner: 'murmur2', start: 'earliest' })
      expect(topic.key?.of({ ...order, ...quote(1, 2) })).toBe('A')
    }
  })

  const rejection = { ...order, bid: 1, offer: 2 }
  it.each([
    ['market-data', quote(1, 2)],
    ['market-data', { ...quote(1, 2), time: 1_767_225_600_000 }],
    ['market-data', { ...quote(1, 2), time: '2026-12-31' }],
    ['market-data', { ...quote(1, 2), time: '2026-12-31T23:59:59.123456+05:30' }],
    ['market-data', { ...quote(1, 2), time: '2026-12-31T23:59' }],
    ['orders', order],
    ['rejections', rejection],
  ])('takes what %s are like', (name, message) => {
    expect(decode(name, message)).toEqual(message)
  })

  it.each([
    ['market-data', quote(1, 2)],
    ['orders', order],
    ['rejections', rejection],
  ])('leaves out what %s have beside', (name, message) => {
    expect(decode(name, { ...message, venue: 'X', note: null })).toEqual(message)
  })

  it.each(['noon', null])('says what a time has to be that is %j', (none) => {
    expect(() => decode('orders', { ...order, time: none })).toThrow(
      'time: must be an ISO 8601 time, or milliseconds since the epoch',
    )
  })

  it.each<[string, string, unknown]>([
    ['market-data', 'no bid', { symbol: 'A', offer: 1, time }],
    ['market-data', 'a bid that is text', { ...quote(1, 2), bid: '1' }],
    ['market-data', 'a bid that is infinite', `{"symbol":"A","bid":1e999,"offer":1,"time":"${time}"}`],
    ['market-data', 'no symbol', { ...quote(1, 2), symbol: '' }],
    ['market-data', 'a time that is none', { ...quote(1, 2), time: 'noon' }],
    ['market-data', 'a thirteenth month', { ...quote(1, 2), time: '2026-13-01T00:00:00Z' }],
    ['market-data', 'a time with more after it', { ...quote(1, 2), time: `${time} ` }],
    ['market-data', 'an infinite time', `{"symbol":"A","bid":1,"offer":1,"time":1e999}`],
    ['market-data', 'no time', { symbol: 'A', bid: 1, offer: 2 }],
    ['orders', 'another side', { ...order, side: 'hold' }],
    ['orders', 'no account', { ...order, account: undefined }],
    ['orders', 'an order number that is no text', { ...order, orderId: 1 }],
    ['orders', 'an infinite quantity', JSON.stringify(order).replace('100', '-1e999')],
    ['rejections', 'no offer', { ...rejection, offer: null }],
    ['rejections', 'an array', [rejection]],
  ])('does not take %s with %s', (name, _, message) => {
    expect(() => decode(name, message)).toThrow(expect.toSatisfy((error) => isPotorooError(error, 'SCHEMA_MISMATCH')))
  })
})
