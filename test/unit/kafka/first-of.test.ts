import { expect, test } from 'vitest'
import { firstOf } from '../../../src/kafka/first-of.js'
import type { Clock } from '../../../src/ports/clock.js'

/** Time passes when told. */
class ManualClock implements Clock {
  #nowMs = 0
  #timers: { readonly atMs: number; readonly call: () => void }[] = []
  now = (): number => this.#nowMs
  monotonic = (): number => this.#nowMs
  after = (ms: number, call: () => void) => {
    const timer = { atMs: this.#nowMs + ms, call }
    this.#timers.push(timer)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer)
      },
    }
  }
  soon = queueMicrotask
  get waiting(): number {
    return this.#timers.length
  }
  pass(ms: number): void {
    this.#nowMs += ms
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs)
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.#nowMs)
    for (const { call } of due) call()
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const never = (): Promise<never> => new Promise(() => undefined)

test('the next one is tried when one has failed, and each failure is told', async () => {
  const tried: string[] = []
  const failures: [string, unknown][] = []
  const failed = (address: string, error: unknown): void => {
    failures.push([address, error])
  }
  const attempt = (address: string): Promise<string> => {
    tried.push(address)
    return address === 'c' ? Promise.resolve('link') : Promise.reject(new Error(address))
  }
  const found = await firstOf(new ManualClock(), ['a', 'b', 'c', 'd'], attempt, failed)
  expect(found).toBe('link')
  expect(tried).toEqual(['a', 'b', 'c'])
  expect(failures).toEqual([
    ['a', new Error('a')],
    ['b', new Error('b')],
  ])
})

test('where all have failed there is none', async () => {
  const clock = new ManualClock()
  expect(
    await firstOf<string, string>(
      clock,
      ['a', 'b'],
      () => Promise.reject(new Error('no')),
      () => undefined,
    ),
  ).toBeUndefined()
  expect(await firstOf<string, string>(clock, [], never, () => undefined)).toBeUndefined()
  expect(clock.waiting).toBe(0)
})

test('one that never answers holds nobody up', async () => {
  const clock = new ManualClock()
  const tried: string[] = []
  const found = firstOf(
    clock,
    ['hole', 'hole too', 'good'],
    (address) => {
      tried.push(address)
      return address === 'good' ? Promise.resolve(address) : never()
    },
    () => undefined,
  )
  expect(tried).toEqual(['hole'])
  clock.pass(500)
  expect(tried).toEqual(['hole', 'hole too'])
  clock.pass(500)
  expect(await found).toBe('good')
})

test('the last that is under way is waited for', async () => {
  const clock = new ManualClock()
  let resolve: (value: string) => void = () => undefined
  const slow = new Promise<string>((done) => {
    resolve = done
  })
  const found = firstOf(
    clock,
    ['slow', 'bad'],
    (a) => (a === 'slow' ? slow : Promise.reject(new Error('no'))),
    () => undefined,
  )
  clock.pass(500)
  await settled()
  resolve('late')
  expect(await found).toBe('late')
})

test('what `failed` throws ends it', async () => {
  const failed = (): never => {
    throw new Error('wrong password')
  }
  const tried: string[] = []
  const attempt = (address: string): Promise<never> => {
    tried.push(address)
    return Promise.reject(new Error('no'))
  }
  await expect(firstOf(new ManualClock(), ['a', 'b'], attempt, failed)).rejects.toThrow('wrong password')
  expect(tried).toEqual(['a'])
})
