/** docs/from-a-consumer.md: the way that it says to move the data gives what consumer and database would have given. */
import { expect, it } from 'vitest'
import { application, from, stateObject, topic } from '../../../src/index.js'
import { MemoryWorkers } from '../../support/memory-workers.js'
import { anySchema } from '../../support/schemas.js'

const payments = topic('payments', {
  schema: anySchema<{ wallet: string; amount: number }>(),
  key: ({ wallet }) => wallet,
})
const wallets = anySchema<{ wallet: string; balance: number }>()
const imported = topic('wallets-import', { schema: wallets, key: ({ wallet }) => wallet })
const balances = topic('wallet-balances', { schema: wallets, key: ({ wallet }) => wallet })
const wallet = stateObject('wallet', () => ({ balance: 0 }))

const importing = from(imported).to(wallet, (state, { balance }) => {
  state.balance = balance
})
const paying = from(payments)
  .to(wallet, (state, payment) => ({ wallet: payment.wallet, balance: (state.balance += payment.amount) }))
  .sink(balances)
const first = application('wallets', importing)
const then = application('wallets', importing, paying)

it('goes on where the consumer was, with what the database had, and counts each payment once', async () => {
  const workers = new MemoryWorkers({ application: first, topics: ['payments', 'wallets-import', 'wallet-balances'] })
  const pay = (amount: number): void => {
    workers.append('payments', 'ada', { wallet: 'ada', amount })
  }
  // The consumer has done two of three payments, and its offset says so; a fourth comes while nobody looks.
  for (const amount of [100, 20, 3]) pay(amount)
  workers.cluster.setCommitted('wallets', [{ topic: 'payments', partition: 0, position: 2 }])
  pay(4)
  workers.append('wallets-import', 'ada', { wallet: 'ada', balance: 120 })
  await workers.start('w')
  await workers.rest()
  await workers.stop('w')
  pay(5)
  await workers.start('w', then)
  await workers.rest()
  await workers.stop('w')
  const given = workers
    .records('wallet-balances')
    .map(({ value }) => (JSON.parse(value) as { balance: number }).balance)
  expect(given).toEqual([123, 127, 132])
})
