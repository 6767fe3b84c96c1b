/** src/runtime/calls/attempts.ts. Its invariants are at the head of that file. */
import { expect, test } from 'vitest'
import type { CallContext, CallDefinition } from '../../../../src/api/definition.js'
import { Scheduler } from '../../../../src/memory/scheduler.js'
import { Attempts, type Request } from '../../../../src/runtime/calls/attempts.js'

const TIMEOUT_MS = 100

/** What is outside answers when it is told to. */
function bench() {
  const scheduler = new Scheduler()
  const { clock } = scheduler.process('w1')
  const timers = { set: 0, now: 0 }
  const counted = {
    monotonic: () => clock.monotonic(),
    after: (ms: number, call: () => void) => {
      timers.set++
      timers.now++
      let isOver = false
      const over = (): void => {
        if (!isOver) timers.now--
        isOver = true
      }
      const timer = clock.after(ms, () => {
        over()
        call()
      })
      return {
        cancel: () => {
          over()
          timer.cancel()
        },
      }
    },
  }
  const asked: { readonly context: CallContext; readonly answer: (result: unknown) => void }[] = []
  const call: CallDefinition = {
    name: 'c',
    make: (_, context) => new Promise((answer) => asked.push({ context, answer })),
    overlap: 16,
    timeoutMs: TIMEOUT_MS,
    attempts: 1,
    failed: 'dead-letter',
  }
  const attempts = new Attempts<Request>(
    call,
    counted,
    { make: ({ make }, message, context) => make(message, context) },
    () => undefined,
  )
  attempts.begin()
  const make = (id: string): void => {
    attempts.make({ request: { id, key: id, message: () => ({ id }) }, attempt: 1 })
  }
  const came = (): unknown[] => {
    const all = []
    for (let one = attempts.take(); one !== undefined; one = attempts.take())
      all.push([one.request.id, 'result' in one ? one.result : (one.error as { code?: string }).code, one.tookMs])
    return all
  }
  return { scheduler, attempts, asked, make, came, timers }
}

test('each has its own time, and one timer is enough for all (invariant 5)', async () => {
  const { scheduler, asked, make, came, timers } = bench()
  for (const id of ['a', 'b', 'c', 'd']) {
    make(id)
    expect(timers.now).toBe(1)
    await scheduler.advance(10)
  }
  asked[0]?.answer('A')
  asked[2]?.answer('C')
  await scheduler.advance(0)
  expect(came()).toEqual([
    ['a', 'A', 40],
    ['c', 'C', 40 - 20],
  ])
  await scheduler.advance(TIMEOUT_MS - 40 + 9)
  expect(came()).toEqual([])
  await scheduler.advance(1)
  expect(came()).toEqual([['b', 'CALL_TIMED_OUT', TIMEOUT_MS]])
  await scheduler.advance(20)
  expect(came()).toEqual([['d', 'CALL_TIMED_OUT', TIMEOUT_MS]])
  // Nothing is under way: nothing is watched.
  expect(timers).toEqual({ set: 3, now: 0 })
  make('e')
  await scheduler.advance(TIMEOUT_MS)
  expect(came()).toEqual([['e', 'CALL_TIMED_OUT', TIMEOUT_MS]])
})

test('what comes when its time is over is dropped, and its signal says so, whenever it is asked for (invariant 1)', async () => {
  const { scheduler, asked, make, came } = bench()
  make('early')
  make('late')
  make('copied')
  const early = asked[0]?.context.signal
  const copied = { ...asked[2]?.context }
  expect(early?.aborted).toBe(false)
  expect(asked[0]?.context.signal).toBe(early)
  await scheduler.advance(TIMEOUT_MS)
  expect(came()).toHaveLength(3)
  expect([early?.aborted, copied.signal?.aborted]).toEqual([true, true])
  const late = asked[1]?.context.signal
  expect([late?.aborted, late?.reason]).toEqual([true, expect.objectContaining({ code: 'CALL_TIMED_OUT' })])
  asked[0]?.answer('too late')
  await scheduler.advance(1)
  expect(came()).toEqual([])
})

test('when the activation is over, what is under way is aborted, and nothing is watched any more (invariant 2)', async () => {
  const { scheduler, attempts, asked, make, came, timers } = bench()
  make('a')
  make('b')
  attempts.makeLater({ request: { id: 'c', key: 'c', message: () => 1 }, attempt: 2 }, 50)
  const signal = asked[0]?.context.signal
  const reason = new Error('over')
  attempts.end(reason)
  expect(timers.now).toBe(0)
  for (const one of [signal, asked[1]?.context.signal]) expect([one?.aborted, one?.reason]).toEqual([true, reason])
  asked[0]?.answer('A')
  await scheduler.advance(TIMEOUT_MS)
  attempts.begin()
  expect([came(), attempts.takeDue()]).toEqual([[], undefined])
})
