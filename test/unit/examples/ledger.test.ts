import { expect, it, onTestFinished } from 'vitest'
import { TestDriver } from 'potoroo/testing'
import ledger, { account, deposits, settled, transfers } from '../../../examples/ledger/application.js'

const ACCOUNTS = 12
const PAID_IN = 100
const name = (n: number): string => `a${String(n % ACCOUNTS)}`

it.each([1, 7])(
  'money is neither made nor lost while workers come, stop and die, on %i partitions',
  async (partitions) => {
    const driver = await TestDriver.start(ledger, { partitions, workers: 2 })
    onTestFinished(() => driver.close())
    await driver.pipe(
      deposits,
      Array.from({ length: ACCOUNTS }, (_, n) => ({ account: name(n), amount: PAID_IN })),
    )
    const all = Array.from({ length: 120 }, (_, n) => {
      return { id: `t${String(n)}`, from: name(n * 5), to: name(n * 7 + 3), amount: 1 + ((n * 37) % 140) }
    })
    for (const [n, transfer] of all.entries()) {
      await driver.pipe(transfers, transfer)
      if (n === 30) await driver.addWorker()
      if (n === 60) driver.crash('worker-1')
      if (n === 90) await driver.restart('worker-1')
    }
    await driver.settle()
    const balances = [...driver.states(account).values()].map(({ balance }) => balance)
    expect(balances.reduce((sum, balance) => sum + balance, 0)).toBe(ACCOUNTS * PAID_IN)
    expect(Math.min(...balances)).toBeGreaterThanOrEqual(0)
    const ends = driver.read(settled)
    expect(ends.map(({ id }) => id).sort()).toEqual(all.map(({ id }) => id).sort())
    expect(new Set(ends.map(({ status }) => status))).toEqual(new Set(['credited', 'refused']))
  },
)
