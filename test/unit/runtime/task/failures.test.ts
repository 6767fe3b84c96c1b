/** Invariants of runtime/task/failures.ts. */
import { describe, expect, test } from 'vitest'
import { PotorooError, type ErrorCode } from '../../../../src/errors.js'
import { Failures, type Remedy } from '../../../../src/runtime/task/failures.js'

const failed = (code: ErrorCode, message = 'it failed'): PotorooError => new PotorooError(code, message)
const passing = failed('TRANSACTION_FAILED')
const pauseOf = (remedy: Remedy): number | undefined => (remedy.kind === 'again' ? remedy.afterMs : undefined)

describe('what stops the worker (invariant 1)', () => {
  test('a failure that trying again does not cure', () => {
    const error = failed('NOT_AUTHORIZED')
    expect(new Failures('symbol_0').remedy(error, [0])).toEqual({ kind: 'stop', error })
  })

  test('a defect, as INTERNAL with the task in it', () => {
    const remedy = new Failures('symbol_0').remedy(new RangeError('no such thing'), [0])
    expect(remedy).toMatchObject({ kind: 'stop', error: { code: 'INTERNAL', message: 'task symbol_0: no such thing' } })
  })

  test('an answer that nobody expects, ten times in a row', () => {
    const failures = new Failures('symbol_0')
    const unexpected = failed('UNEXPECTED_ANSWER')
    const ask = (times: number): string[] => Array.from({ length: times }, () => failures.remedy(unexpected, [0]).kind)
    expect(new Set(ask(9))).toEqual(new Set(['again']))
    failures.committed()
    expect(new Set(ask(9))).toEqual(new Set(['again']))
    expect(failures.remedy(unexpected, [0])).toMatchObject({ kind: 'stop', error: { code: 'REQUEST_REFUSED' } })
  })
})

test('records that are refused do not: the next activation has fewer of them in a commit', () => {
  for (const code of ['RECORD_TOO_LARGE', 'RECORD_REFUSED', 'COMPUTATION_TOO_LONG'] as const)
    expect(new Failures('symbol_0').remedy(failed(code), [0]).kind).toBe('again')
})

test('the pause doubles up to two seconds, and a commit, or another commit to come, makes it short again (invariant 2)', () => {
  const failures = new Failures('symbol_0')
  const pauses = (n: number): unknown[] => Array.from({ length: n }, () => pauseOf(failures.remedy(passing, [0])))
  expect(pauses(8)).toEqual([50, 100, 200, 400, 800, 1600, 2000, 2000])
  failures.committed()
  expect(pauses(2)).toEqual([50, 100])
  failures.narrowed()
  expect(pauses(1)).toEqual([50])
})

test('fenced, the group is asked first, and the pause does not grow (invariant 3)', () => {
  const failures = new Failures('symbol_0')
  expect(failures.remedy(failed('FENCED'), [0])).toEqual({ kind: 'confirm' })
  expect(pauseOf(failures.remedy(passing, [0]))).toBe(50)
})

describe('a store that is damaged (invariant 4)', () => {
  const damaged = failed('STORE_DAMAGED', 'bytes that nobody wrote.')

  test('is set aside, again where the task had got further', () => {
    const failures = new Failures('symbol_0')
    expect(failures.remedy(damaged, [5, 5])).toMatchObject({ kind: 'again', damage: 'bytes that nobody wrote.' })
    expect(failures.remedy(damaged, [5, 6])).toMatchObject({ kind: 'again', damage: 'bytes that nobody wrote.' })
  })

  test('stops the worker where the damage is found at the same place: the changelog has it, too', () => {
    const failures = new Failures('symbol_0')
    failures.remedy(damaged, [5, 6])
    expect(failures.remedy(damaged, [5, 6])).toMatchObject({ kind: 'stop', error: { code: 'STORE_DAMAGED' } })
  })

  test('is set aside however often it is found before the task runs', () => {
    const failures = new Failures('symbol_0')
    failures.remedy(damaged, undefined)
    expect(failures.remedy(damaged, undefined).kind).toBe('again')
  })
})
