import { expect, test } from 'vitest'
import { ElectionProof } from '../../../../src/core/processing/election-proof.js'
import { Input } from '../../../../src/core/processing/input.js'
import { fetchedOf } from '../../../support/records.js'

test('the first leader, and one of brokers that do not count elections, has nothing to catch up with', () => {
  const proof = new ElectionProof()
  expect([proof.holds(undefined), proof.holds(0), proof.begin(undefined), proof.begin(0)]).toEqual([
    true,
    true,
    false,
    false,
  ])
})

test('a later one is asked once, and proves nothing until it has answered (invariants 1 and 2)', () => {
  const proof = new ElectionProof()
  expect([proof.holds(4), proof.begin(4), proof.begin(4), proof.holds(4)]).toEqual([false, true, false, false])
  proof.failed()
  expect([proof.holds(4), proof.begin(4)]).toEqual([false, true])
  proof.answered(4)
  expect([proof.holds(4), proof.begin(4), proof.holds(5), proof.begin(5)]).toEqual([true, false, false, true])
})

test('an input is not drained by an answer that may lag, which another one after it makes good (input, invariant 5)', () => {
  const input = new Input(0, 't', 0)
  const empty = { nextPosition: 0, lastStableOffset: 0 }
  input.accept({ ...fetchedOf([], empty), asked: 5, arrived: 6, mayLag: true })
  expect(input.isDrainedFor(3)).toBe(false)
  input.accept({ ...fetchedOf([], empty), asked: 7, arrived: 8, mayLag: false })
  expect(input.isDrainedFor(3)).toBe(true)
})
