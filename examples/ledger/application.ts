/**
 * Transfers between accounts, in two stages: the one account is debited, then the other is credited. No transaction spans
 * the two, because they may be on different workers; a message carries the money from one to the other, exactly once. So it is
 * never made nor lost, and an account never goes below zero. (Pat Helland, Life beyond Distributed Transactions, CIDR 2007.)
 */
import * as z from 'zod'
import { application, from, stateObject, topic, type Message, type State } from 'potoroo'

const amount = z.number().int().positive()
export const deposits = topic('deposits', {
  schema: z.object({ account: z.string(), amount }),
  key: (deposit) => deposit.account,
})
export const transfers = topic('transfers', {
  schema: z.object({ id: z.string(), from: z.string(), to: z.string(), amount }),
  key: (transfer) => transfer.from,
})
/** What became of each transfer. */
export const settled = topic('settled', {
  schema: z.object({ id: z.string(), account: z.string(), status: z.enum(['credited', 'refused']) }),
  key: (entry) => entry.account,
})

type Transfer = Message<typeof transfers>
export const account = stateObject('account', () => ({ balance: 0 }))
type Account = State<typeof account>

const debited = from(transfers).to(account, (payer: Account, transfer: Transfer) => {
  const covered = payer.balance >= transfer.amount
  if (covered) payer.balance -= transfer.amount
  return { ...transfer, covered }
})

export default application(
  'ledger',
  from(deposits).to(account, (holder, deposit) => {
    holder.balance += deposit.amount
  }),
  debited
    .filter(({ covered }) => covered)
    .keyBy((transfer) => transfer.to)
    .to(account, (payee, transfer) => {
      payee.balance += transfer.amount
      return { id: transfer.id, account: transfer.to, status: 'credited' as const }
    })
    .sink(settled),
  debited
    .filter(({ covered }) => !covered)
    .map(({ id, from: payer }) => ({ id, account: payer, status: 'refused' as const }))
    .sink(settled),
)
