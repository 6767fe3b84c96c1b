import { expect, test } from 'vitest'
import { SeededRandom } from '../../../src/memory/random.js'

test('a seed gives the same numbers again, another seed gives others', () => {
  const draw = (seed: number): number[] => {
    const random = new SeededRandom(seed)
    return Array.from({ length: 20 }, () => random.next())
  }
  expect(draw(7)).toEqual(draw(7))
  expect(draw(7)).not.toEqual(draw(8))
})

test('numbers are spread over [0, 1), ids are 32 hexadecimal digits', () => {
  const random = new SeededRandom(1)
  const buckets = new Array<number>(10).fill(0)
  for (let i = 0; i < 10_000; i++) {
    const x = random.next()
    expect(x >= 0 && x < 1).toBe(true)
    buckets[Math.floor(x * 10)] = (buckets[Math.floor(x * 10)] ?? 0) + 1
  }
  for (const count of buckets) expect(count).toBeGreaterThan(850)
  expect(random.id()).toMatch(/^[0-9a-f]{32}$/)
  expect(random.id()).not.toBe(random.id())
})

test('a fork goes its own way', () => {
  const [a, b] = [new SeededRandom(3), new SeededRandom(3)]
  const fork = a.fork()
  b.fork()
  for (let i = 0; i < 10; i++) fork.next()
  expect(a.next()).toBe(b.next())
})
