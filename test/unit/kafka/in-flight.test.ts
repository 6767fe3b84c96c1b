import { expect, test } from 'vitest'
import { InFlight } from '../../../src/kafka/in-flight.js'
import type { Clock } from '../../../src/ports/clock.js'

/** A clock that stands still until it is moved. */
class StillClock implements Clock {
  #now = 0
  readonly #timers = new Map<() => void, number>()
  now = (): number => this.#now
  monotonic = (): number => this.#now
  after = (ms: number, call: () => void) => {
    this.#timers.set(call, this.#now + ms)
    return { cancel: () => void this.#timers.delete(call) }
  }
  soon = (call: () => void): void => {
    queueMicrotask(call)
  }
  get timers(): number {
    return this.#timers.size
  }
  advance(ms: number): void {
    this.#now += ms
    for (const [call, at] of [...this.#timers]) {
      if (at > this.#now) continue
      this.#timers.delete(call)
      call()
    }
  }
}

function setUp() {
  const clock = new StillClock()
  const broken: string[] = []
  const inFlight = new InFlight(clock, 1_000, (why) => {
    broken.push(why)
    inFlight.close(new Error(why))
  })
  const sent: number[] = []
  const send = (correlationId: number, requestTimeout: number | null = null): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const entry = { correlationId, resolve: (answer: { payload: Buffer }) => resolve(answer.payload), reject }
      inFlight.push({ entry, requestTimeout, sendRequest: () => sent.push(correlationId) })
    })
  const answer = (correlationId: number): void => {
    inFlight.fulfillRequest({ correlationId, payload: Buffer.from([correlationId]), size: 1 })
  }
  return { clock, broken, inFlight, sent, send, answer }
}

test('answers find their requests; an answer to none is dropped', async () => {
  const { inFlight, send, answer } = setUp()
  const [one, two] = [send(1), send(2)]
  expect(inFlight.size).toBe(2)
  answer(2)
  answer(3)
  answer(1)
  expect([await one, await two]).toEqual([Buffer.from([1]), Buffer.from([2])])
  expect(inFlight.size).toBe(0)
})

test('one overdue answer breaks the connection for all', async () => {
  const { clock, broken, send } = setUp()
  const [slow, patient] = [send(1), send(2, 5_000)]
  const rejected = [slow, patient].map((call) => expect(call).rejects.toThrow('did not come in time'))
  clock.advance(999)
  expect(broken).toEqual([])
  clock.advance(1)
  // It may wait to be read.
  expect(broken).toEqual([])
  clock.advance(100)
  await Promise.all(rejected)
  expect(broken).toHaveLength(1)
  await expect(send(3)).rejects.toThrow('did not come in time')
})

test('a shorter deadline is kept though a longer one was watched first', async () => {
  const { clock, broken, send } = setUp()
  const calls = [send(1, 60_000), send(2, 10)].map((call) => expect(call).rejects.toThrow())
  clock.advance(10)
  clock.advance(100)
  expect(broken).toHaveLength(1)
  await Promise.all(calls)
})

test('what was answered in time is not overdue, and a quiet connection has no timer', async () => {
  const { clock, broken, send, answer } = setUp()
  const first = send(1)
  clock.advance(900)
  answer(1)
  await first
  const second = send(2)
  clock.advance(900)
  answer(2)
  await second
  clock.advance(60_000)
  expect(broken).toEqual([])
  expect(clock.timers).toBe(0)
})

test("kafkajs's word of a broken connection ends everything", async () => {
  const { clock, inFlight, send } = setUp()
  const call = expect(send(1)).rejects.toThrow('reset')
  inFlight.rejectAll(new Error('reset'))
  await call
  expect(clock.timers).toBe(0)
})

test('while the broker throttles nothing is sent, and then all of it in its order; the time for an answer begins there', async () => {
  const { clock, broken, inFlight, sent, send, answer } = setUp()
  inFlight.mute(5_000)
  const calls = [send(1), send(2)]
  expect([sent, inFlight.size]).toEqual([[], 2])
  clock.advance(4_999)
  expect(sent).toEqual([])
  clock.advance(1)
  expect(sent).toEqual([1, 2])
  clock.advance(900)
  expect(broken).toEqual([])
  answer(1)
  answer(2)
  await Promise.all(calls)
  clock.advance(60_000)
  expect([broken, clock.timers]).toEqual([[], 0])
})

test('what was sent before the broker throttled has so much longer; a later, shorter word shortens nothing', async () => {
  const { clock, broken, inFlight, sent, send, answer } = setUp()
  const before = send(1)
  clock.advance(900)
  inFlight.mute(5_000)
  inFlight.mute(10)
  const held = send(2)
  clock.advance(4_000)
  expect([broken, sent]).toEqual([[], [1]])
  clock.advance(1_000)
  answer(1)
  await before
  answer(2)
  await held
  expect(broken).toEqual([])
})

test('a connection that ends while it is throttled rejects what was held, and lets go of who waits', async () => {
  const { clock, inFlight, sent, send } = setUp()
  inFlight.mute(5_000)
  const held = expect(send(1)).rejects.toThrow('gone')
  const unmuted = inFlight.unmuted()
  inFlight.close(new Error('gone'))
  await Promise.all([held, unmuted])
  expect([clock.timers, sent]).toEqual([0, []])
})

test('who waits until nothing is throttled is let go when the time is over, or at once', async () => {
  const { clock, inFlight } = setUp()
  await inFlight.unmuted()
  inFlight.mute(100)
  let isFree = false
  const free = inFlight.unmuted().then(() => (isFree = true))
  await Promise.resolve()
  expect(isFree).toBe(false)
  clock.advance(100)
  await free
})

test('an answer that waits to be read behind an event loop that was held up is not overdue', async () => {
  const { clock, broken, send, answer } = setUp()
  const one = send(1)
  clock.advance(8_000)
  expect(broken).toEqual([])
  answer(1)
  expect(await one).toEqual(Buffer.from([1]))
  clock.advance(8_000)
  expect(broken).toEqual([])
})

test('one that does not wait there is, soon after, however often the event loop is held up', async () => {
  const { clock, broken, send } = setUp()
  const lost = send(1).catch((error: unknown) => String(error))
  clock.advance(8_000)
  clock.advance(8_000)
  expect(broken).toHaveLength(1)
  expect(await lost).toMatch(/in time/)
})
