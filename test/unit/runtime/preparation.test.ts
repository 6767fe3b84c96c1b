/** Invariants of runtime/preparation.ts, on a codec that is ready when it is told to be. */
import { expect, test } from 'vitest'
import { isPotorooError, PotorooError } from '../../../src/errors.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import type { Fetched } from '../../../src/ports/log.js'
import type { Lack } from '../../../src/ports/observer.js'
import { Preparation } from '../../../src/runtime/preparation.js'
import { batchOf, fetchedOf } from '../../support/records.js'

interface Missing {
  promise?: Promise<void>
  resolve: () => void
  reject: (error: Error) => void
}

class Bench {
  readonly scheduler = new Scheduler()
  readonly passed: number[] = []
  readonly released: number[] = []
  readonly failures: unknown[] = []
  readonly said: Lack[] = []
  readonly wentOn: number[] = []
  /** Values that can't be decoded yet, and what became of those who asked. */
  readonly missing = new Map<string, Missing>()
  asked = 0
  #expected = 0
  readonly preparation: Preparation

  constructor(...missing: readonly string[]) {
    for (const value of missing) this.missing.set(value, { resolve: () => undefined, reject: () => undefined })
    this.preparation = new Preparation(
      (bytes, start, end) => {
        const value = bytes.toString('utf8', start, end)
        const one = this.missing.get(value)
        if (one?.promise !== undefined) return one.promise
        if (one === undefined) return undefined
        this.asked++
        const settled = (): void => {
          delete one.promise
        }
        const promise = new Promise<void>((resolve, reject) => {
          Object.assign(one, { resolve, reject })
        })
        one.promise = promise.finally(settled)
        return one.promise
      },
      {
        topic: 'in',
        expected: () => this.#expected,
        pass: (fetched) => {
          this.passed.push(fetched.position)
          this.#expected = fetched.nextPosition
        },
        failed: (error) => {
          this.failures.push(error)
        },
        holds: (lack) => void this.said.push(lack),
        goesOn: (waitedMs) => void this.wentOn.push(waitedMs),
      },
      this.scheduler.process('w').clock,
    )
  }

  /** An answer with these values. */
  take(position: number, ...values: readonly (string | null)[]): Fetched {
    const batches =
      values.length === 0
        ? []
        : [
            batchOf(
              position,
              values.map((value) => ({ value })),
            ),
          ]
    const fetched = fetchedOf(batches, { position, release: () => this.released.push(position) })
    this.preparation.take(fetched)
    return fetched
  }

  there(value: string): void {
    const one = this.missing.get(value)
    this.missing.delete(value)
    one?.resolve()
  }

  fail(value: string, error: Error): void {
    this.missing.get(value)?.reject(error)
  }

  async after(ms = 0): Promise<void> {
    await this.scheduler.advance(ms)
  }
}
const away = new PotorooError('REGISTRY_UNREACHABLE', 'it is away')

test('what needs nothing is passed on at once', () => {
  const bench = new Bench('b')
  bench.take(0, 'a', null)
  bench.take(2)
  expect([bench.passed, bench.asked]).toEqual([[0, 2], 0])
})

test('an answer is held back whole, and nothing is wanted or passed on meanwhile (invariants 1 and 2)', async () => {
  const bench = new Bench('b', 'c')
  bench.take(0, 'a', 'b', 'c', 'b')
  bench.take(0, 'a')
  bench.take(4, 'a')
  expect([bench.passed, bench.preparation.isHolding, bench.released]).toEqual([[], true, [0, 4]])
  bench.there('b')
  await bench.after()
  expect(bench.passed).toEqual([])
  bench.there('c')
  await bench.after()
  expect([bench.passed, bench.preparation.isHolding]).toEqual([[0], false])
  bench.take(4, 'a')
  expect(bench.passed).toEqual([0, 4])
})

test('what the input refuses anyway is not waited for', () => {
  const bench = new Bench('b')
  bench.take(7, 'b')
  expect([bench.passed, bench.asked]).toEqual([[7], 0])
})

test('what fails is tried again, with pauses that grow up to a bound, and is said now and then (invariant 3)', async () => {
  const bench = new Bench('b')
  bench.take(0, 'b')
  const times: number[] = []
  for (let i = 0; i < 20; i++) {
    bench.fail('b', away)
    const { asked } = bench
    await bench.after()
    const beganMs = bench.scheduler.elapsedMs
    while (bench.asked === asked) await bench.after(50)
    times.push(bench.scheduler.elapsedMs - beganMs)
  }
  expect(times.slice(0, 8)).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000])
  expect(bench.said).toHaveLength(3)
  expect(bench.said[0]).toEqual({ position: 0, code: 'REGISTRY_UNREACHABLE', error: 'it is away', waitedMs: 0 })
  const { held } = bench.preparation
  expect(held).toMatchObject({ topic: 'in', why: 'it is away' })
  expect(held?.waitedMs).toBeGreaterThan(60_000)
  bench.there('b')
  await bench.after()
  expect([bench.passed, bench.wentOn, bench.preparation.held]).toEqual([[0], [held?.waitedMs], undefined])
  expect(bench.failures).toEqual([])
})

test("what can't succeed fails the input", async () => {
  const bench = new Bench('b')
  bench.take(0, 'b')
  bench.fail('b', new PotorooError('REGISTRY_REFUSED', 'no'))
  await bench.after(60_000)
  expect(bench.failures.map((error) => isPotorooError(error, 'REGISTRY_REFUSED'))).toEqual([true])
  expect([bench.asked, bench.passed]).toEqual([1, []])
})

test('whatever else is thrown may be better later', async () => {
  const bench = new Bench('b')
  bench.take(0, 'b')
  bench.fail('b', new TypeError('oops'))
  await bench.after(100)
  expect(bench.said).toMatchObject([{ code: 'CODEC_NOT_READY', error: 'oops' }])
  expect([bench.asked, bench.failures]).toEqual([2, []])
})

test('one that says it is there, and asks again, is not asked without a pause', async () => {
  const bench = new Bench('b')
  bench.take(0, 'b')
  for (let i = 0; i < 10; i++) {
    bench.missing.get('b')?.resolve()
    await bench.after(1)
  }
  expect(bench.asked).toBeLessThan(4)
})

test('a codec that throws is asked nothing more: decoding says what is wrong', () => {
  const passed: Fetched[] = []
  const preparation = new Preparation(
    () => {
      throw new Error('oops')
    },
    {
      topic: 'in',
      expected: () => 0,
      pass: (fetched) => void passed.push(fetched),
      failed: () => undefined,
      holds: () => undefined,
      goesOn: () => undefined,
    },
    new Scheduler().process('w').clock,
  )
  preparation.take(fetchedOf([batchOf(0, [{ value: 'a' }])]))
  expect(passed).toHaveLength(1)
})

test('after the end nothing is passed on, whatever comes, and what was held is released (invariant 4)', async () => {
  for (const [end, then] of [
    [0, (bench: Bench) => bench.there('b')],
    [0, (bench: Bench) => bench.fail('b', away)],
    [50, () => undefined],
  ] as const) {
    const bench = new Bench('b')
    bench.take(0, 'b')
    if (end > 0) bench.fail('b', away)
    await bench.after(end)
    const { asked } = bench
    bench.preparation.end()
    then(bench)
    await bench.after(60_000)
    expect([bench.passed, bench.failures, bench.released, bench.asked - asked]).toEqual([[], [], [0], 0])
  }
})
