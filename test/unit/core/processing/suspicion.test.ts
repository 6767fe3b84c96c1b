/** Invariants of core/processing/suspicion.ts, on brokers that refuse a commit where it holds one of some messages. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isFailingMessage, isOver, suspect, trust, type Suspicion } from '../../../../src/core/processing/suspicion.js'
import { PotorooError } from '../../../../src/errors.js'

const error = new PotorooError('RECORD_REFUSED', 'no')

/** Works off messages of one input, and gives what was passed over and how many commits there were. */
function workOff(count: number, bad: ReadonlySet<number>) {
  const [done, passedOver]: [number[], number[]] = [[], []]
  let suspicion: Suspicion | undefined
  let committed = 0
  let commits = 0
  while (committed < count) {
    commits += 1
    const until = suspicion === undefined ? count : Math.min(count, committed + suspicion.atMost)
    const taken = Array.from({ length: until - committed }, (_, i) => committed + i)
    const condemned = taken.filter((offset) => isFailingMessage(suspicion, { input: 0, offset }))
    const last = { input: 0, offset: until - 1 }
    if (taken.some((offset) => bad.has(offset) && !condemned.includes(offset))) {
      const narrower = suspect(suspicion, { messages: taken.length, last, positions: [until], error })
      if (narrower === undefined) throw new Error('a failing message was refused again')
      // Invariant 1.
      if (narrower.failingMessage === undefined && taken.length > 1) expect(narrower.atMost).toBeLessThan(taken.length)
      suspicion = narrower
      continue
    }
    done.push(...taken.filter((offset) => !condemned.includes(offset)))
    passedOver.push(...condemned)
    committed = until
    if (suspicion === undefined) continue
    suspicion = trust(suspicion, { messages: taken.length, last })
    if (isOver(suspicion, [committed])) suspicion = undefined
  }
  return { done, passedOver, commits }
}

test('exactly the failing messages are skipped, and in the end all others are done, in their order', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3_000 }),
      fc.uniqueArray(fc.nat(2_999), { maxLength: 40 }),
      (count, failing) => {
        const bad = new Set(failing.filter((offset) => offset < count))
        const { done, passedOver } = workOff(count, bad)
        expect(passedOver).toEqual([...bad].sort((a, b) => a - b))
        expect(done).toEqual(Array.from({ length: count }, (_, i) => i).filter((offset) => !bad.has(offset)))
      },
    ),
  )
})

test.each([0, 50_000, 99_999])(
  'one of a hundred thousand messages is found within some tens of commits: the one at %i',
  (at) => {
    const { commits, passedOver } = workOff(100_000, new Set([at]))
    expect(passedOver).toEqual([at])
    expect(commits).toBeLessThan(100)
  },
)

test('where no message can be at fault, nobody is suspected', () => {
  const last = { input: 0, offset: 4 }
  expect(suspect(undefined, { messages: 0, last: undefined, positions: [5], error })).toBeUndefined()
  const failingMessage = suspect(
    { until: [9], atMost: 1, failingMessage: undefined },
    { messages: 1, last, positions: [5], error },
  )
  expect(failingMessage).toEqual({ until: [9], atMost: 1, failingMessage: { ...last, error } })
  // What stands for the failing message is refused itself.
  expect(suspect(failingMessage, { messages: 1, last, positions: [5], error })).toBeUndefined()
})

test('a commit of positions alone clears nobody', () => {
  const suspicion = { until: [9], atMost: 1, failingMessage: { input: 0, offset: 4, error } }
  expect(trust(suspicion, { messages: 0, last: { input: 0, offset: 4 } })).toBe(suspicion)
})
