/** Input for the example's ledger (examples/ledger), and what has to come of it whatever the order of accounts is. */
import { stateDefinition } from '../../src/api/state-object.js'
import { account } from '../../examples/ledger/application.js'
import type { ExampleBench } from './example-bench.js'
import { seededRandom } from './random.js'

export interface Transfer {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly amount: number
}
export interface Settled {
  readonly id: string
  readonly account: string
  readonly status: 'credited' | 'refused'
}

export class LedgerInput {
  readonly transfers: readonly Transfer[]

  /**
   * Every seventh transfer is of more than there is in all, and refused in any order; the others are covered in any order, for
   * each account has all that it ever pays out from the beginning. Unless `contended`: then some depend on what came before.
   */
  constructor(
    readonly accounts: number,
    count: number,
    private readonly contended = false,
  ) {
    const random = seededRandom(count)
    const any = (below: number): number => Math.floor(random() * below)
    this.transfers = Array.from({ length: count }, (_, n) => {
      const amount = n % 7 === 3 ? 1_000_000_000 : 1 + any(140)
      return { id: `t${String(n)}`, from: this.#name(any(accounts)), to: this.#name(any(accounts)), amount }
    })
  }

  get deposits(): readonly { readonly account: string; readonly amount: number }[] {
    return Array.from({ length: this.accounts }, (_, n) => {
      const account = this.#name(n)
      return { account, amount: this.contended ? 200 : Math.max(1, this.#paidOut(account)) }
    })
  }

  get paidIn(): number {
    return this.deposits.reduce((sum, { amount }) => sum + amount, 0)
  }

  /** In any order, unless contended. */
  get settled(): readonly Settled[] {
    return this.transfers.map(({ id, from, to, amount }) =>
      amount > this.paidIn ? { id, account: from, status: 'refused' } : { id, account: to, status: 'credited' },
    )
  }

  /** What is on the accounts when these transfers were credited, and no others. */
  balances(settled: readonly Settled[]): ReadonlyMap<string, number> {
    const balances = new Map(this.deposits.map(({ account, amount }) => [account, amount]))
    const credited = new Set(settled.filter(({ status }) => status === 'credited').map(({ id }) => id))
    const add = (name: string, amount: number): void => void balances.set(name, (balances.get(name) ?? 0) + amount)
    for (const { id, from, to, amount } of this.transfers)
      if (credited.has(id)) {
        add(from, -amount)
        add(to, amount)
      }
    return balances
  }

  async sendDeposits(bench: ExampleBench): Promise<void> {
    await bench.send('deposits', this.deposits, (deposit: { account: string }) => deposit.account)
  }
  async sendTransfers(bench: ExampleBench, from: number, to?: number): Promise<void> {
    await bench.send('transfers', this.transfers.slice(from, to), (transfer: Transfer) => transfer.from)
  }

  #name(n: number): string {
    return `a${String(n % this.accounts)}`
  }
  #paidOut(account: string): number {
    const mine = this.transfers.filter(({ from, amount }) => from === account && amount < 1_000_000_000)
    return mine.reduce((sum, { amount }) => sum + amount, 0)
  }
}

/** By account, as the changelog has them: which has no state object where nothing is on the account, as at the beginning. */
export async function balancesIn(bench: ExampleBench): Promise<ReadonlyMap<string, number>> {
  const states = await bench.states<{ balance: number }>('account', stateDefinition(account, 'the ledger'))
  return new Map([...states].map(([name, { balance }]) => [name, balance]))
}

export const withoutZeros = (balances: ReadonlyMap<string, number>): Readonly<Record<string, number>> =>
  Object.fromEntries([...balances].filter(([, balance]) => balance !== 0))

export const total = (balances: ReadonlyMap<string, number>): number =>
  [...balances.values()].reduce((sum, balance) => sum + balance, 0)
