import { describe, expect, it } from 'vitest'
import { definitionOf } from '../../../src/api/application.js'
import { topicsOf } from '../../../src/api/graph.js'
import marketSpread from '../../../src/market-spread/application.js'
import { rejectionsOf } from '../../../src/market-spread/calculation.js'
import { firstEvents } from '../../../src/market-spread/generator.js'

describe('the generator', () => {
  it('gives the same events for the same seed, and others for another', () => {
    const events = firstEvents(2000, { seed: 1 })
    expect(firstEvents(2000, { seed: 1 })).toEqual(events)
    expect(firstEvents(2000, { seed: 2 })).not.toEqual(events)
  })

  it('goes on as it began, however many are taken', () => {
    expect(firstEvents(5000, { seed: 3 }).slice(0, 100)).toEqual(firstEvents(100, { seed: 3 }))
  })

  it('gives what the topics take', () => {
    const sources = new Map(topicsOf(definitionOf(marketSpread)).map((topic) => [topic.name, topic]))
    for (const { topic, message } of firstEvents(2000, { seed: 4 })) {
      const bytes = Buffer.from(JSON.stringify(message))
      expect(sources.get(topic)?.decode(bytes, 0, bytes.length)).toEqual(message)
    }
  })

  it('gives 500 symbols, as many quotes as orders, and order numbers once', () => {
    const events = firstEvents(40_000, { seed: 5 })
    expect(new Set(events.map(({ message }) => message.symbol)).size).toBe(500)
    const orders = events.flatMap(({ topic, message }) => (topic === 'orders' ? [message.orderId] : []))
    expect(new Set(orders).size).toBe(orders.length)
    expect(orders.length / events.length).toBeCloseTo(0.5, 1)
  })

  it('makes spreads wide now and then: some orders are rejected, early ones and later ones, and most are not', () => {
    const events = firstEvents(40_000, { seed: 6 })
    const orders = events.filter(({ topic }) => topic === 'orders').length
    const rejections = [...rejectionsOf(events)]
    const early = rejections.filter(({ offer }) => offer === 0).length
    expect(early).toBeGreaterThan(100)
    expect((rejections.length - early) / orders).toBeGreaterThan(0.03)
    expect((rejections.length - early) / orders).toBeLessThan(0.2)
  })

  it('takes symbols, share of orders and times from its options', () => {
    const events = firstEvents(1000, { seed: 7, symbols: 30_000, orderShare: 1, startMs: 1000, stepMs: 0.5 })
    expect(events.every(({ topic }) => topic === 'orders')).toBe(true)
    expect(events.slice(0, 3).map(({ message }) => message.time)).toEqual([
      '1970-01-01T00:00:01.000Z',
      '1970-01-01T00:00:01.000Z',
      '1970-01-01T00:00:01.001Z',
    ])
    const symbols = new Set(firstEvents(200_000, { seed: 7, symbols: 18_000 }).map(({ message }) => message.symbol))
    expect(symbols.size).toBeGreaterThan(17_900)
  })
})
