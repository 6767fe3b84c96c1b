/** src/cli/dead-letters/try.ts: what `dead-letters try` computes, and what a dead letter brings along for it. */
import { describe, expect, it } from 'vitest'
import { definitionOf, type Application } from '../../../../src/api/application.js'
import { tryLetter, type Tried } from '../../../../src/cli/dead-letters/try.js'
import { stateText } from '../../../../src/cli/dead-letters/text.js'
import { namesOf } from '../../../../src/core/plan/topology.js'
import { application, from, stateObject, topic } from '../../../../src/index.js'
import { lettersOf, describeLetters, type Letter } from '../../../../src/runtime/dead-letters/letters.js'
import type { RuntimeOptions } from '../../../../src/runtime/options.js'
import { MemoryWorkers } from '../../../support/memory-workers.js'
import { anySchema } from '../../../support/schemas.js'

interface Payment {
  readonly account: string
  readonly amount: number
  readonly note?: string
}
const payments = topic('payments', { schema: anySchema<Payment>(), key: ({ account }) => account })
const balances = topic('balances', { schema: anySchema<{ account: string; balance: number }>(), key: (m) => m.account })
const limit = stateObject('limit', () => ({ used: 0 }))

const first = from(payments).to(limit, (state, payment) => {
  state.used += Math.abs(payment.amount)
  return payment
})
const account = stateObject('account', () => ({ balance: 0 }))
/** Two computations in a row. */
const bank = application(
  'bank',
  first
    .to(account, (state, { account: name, amount }) => {
      state.balance += amount
      if (state.balance < 0) throw new RangeError(`the balance would be ${String(state.balance)}`)
      return { account: name, balance: state.balance }
    })
    .sink(balances),
)
const upgraded = stateObject('account', () => ({ cents: 0 }), {
  upgrades: [(stored: { balance: number }) => ({ cents: stored.balance * 100 })],
})
/** The same, corrected: overdrafts are taken, and the state object has another shape. */
const corrected = application(
  'bank',
  first
    .to(upgraded, (state, { account: name, amount }) => {
      state.cents += amount * 100
      return { account: name, balance: state.cents / 100 }
    })
    .sink(balances),
)
const names = namesOf('', 'bank')

/** The dead letters of these payments, in their order. */
async function lettersFrom(amounts: readonly Payment[], runtime: Partial<RuntimeOptions> = {}): Promise<Letter[]> {
  const workers = new MemoryWorkers({ application: bank, topics: ['payments', 'balances'], runtime })
  for (const payment of amounts) workers.append('payments', 'ada', payment)
  await workers.start('w1')
  await workers.rest()
  const log = workers.cluster.log({ process: workers.scheduler.process('reader') })
  const read = async (): Promise<Letter[]> => {
    const letters: Letter[] = []
    for await (const letter of lettersOf(log, await describeLetters(log, names), {}, new AbortController().signal))
      letters.push(letter)
    return letters
  }
  return workers.scheduler.run(read())
}
const tried = (app: Application, letter: Letter): Tried => tryLetter(definitionOf(app), names, letter, 1, 5)
const only = <T>([one, ...others]: readonly T[]): T => {
  if (one === undefined || others.length > 0) throw new Error('not one')
  return one
}
const texts = ({ states }: Tried): string[] =>
  states.map(({ name, before, after }) => `${name}: ${stateText(before)} -> ${stateText(after)}`)

const ada = (amount: number): Payment => ({ account: 'ada', amount })

describe('the dead letter of a computation that threw', () => {
  it('carries the state objects that its message met, as they were before it, in that order', async () => {
    const letter = only(await lettersFrom([ada(100), ada(20), ada(-500), ada(1)]))
    expect(letter.block.states.map(({ name, packed }) => `${name}: ${stateText(packed)}`)).toEqual([
      'limit: { used: 120 }',
      'account: { balance: 120 }',
    ])
    expect(letter.block.stacktrace).toMatch(/^RangeError: the balance would be -380\n +at /)
  })

  it('says where there was none yet', async () => {
    const letter = only(await lettersFrom([ada(-1)]))
    expect(letter.block.states).toEqual([
      { name: 'limit', packed: undefined },
      { name: 'account', packed: undefined },
    ])
  })

  it('carries none where that is turned off', async () => {
    const letter = only(await lettersFrom([ada(100), ada(-500)], { deadLetterState: false }))
    expect([letter.block.states, letter.block.statesLeftOut]).toEqual([[], undefined])
  })

  it('fails here as it did there, and its state objects stay', async () => {
    const letter = only(await lettersFrom([ada(100), ada(-500)]))
    const outcome = tried(bank, letter)
    expect(outcome.failure).toMatchObject({ code: 'COMPUTATION_FAILED', cause: expect.any(RangeError) as unknown })
    expect(texts(outcome)).toEqual([
      'limit: { used: 100 } -> { used: 100 }',
      'account: { balance: 100 } -> { balance: 100 }',
    ])
  })

  it('goes through the corrected application, whose upgrades see what was stored', async () => {
    const letter = only(await lettersFrom([ada(100), ada(-500)]))
    const outcome = tried(corrected, letter)
    expect(outcome.failure).toBeUndefined()
    expect(outcome.outputs.map(({ topic: to, key, value }) => [to, String(key), String(value)])).toEqual([
      ['balances', 'ada', '{"account":"ada","balance":-400}'],
    ])
    expect(texts(outcome)).toEqual([
      'limit: { used: 100 } -> { used: 600 }',
      'account: { balance: 100 } -> { cents: -40000 }',
    ])
  })

  it('of another application is refused, with the topics that this one reads', async () => {
    const letter = only(await lettersFrom([ada(-500)]))
    const other = application(
      'bank',
      from(balances).to(limit, () => undefined),
    )
    expect(() => tried(other, letter)).toThrow(
      /came from payments, which application bank does not read: it reads balances/,
    )
  })
})

it('bad input has no state objects, and fails here for the same reason', async () => {
  const letter = only(await lettersFrom([ada(1), { account: 'bob', amount: 1 }]))
  expect(letter.block.states).toEqual([])
  expect(tried(bank, letter).failure).toMatchObject({ code: letter.block.code })
})
