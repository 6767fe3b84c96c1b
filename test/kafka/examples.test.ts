/**
 * The examples on a broker, with two worker processes, of which one is killed while a third comes: what they put out is what
 * a plain calculation gives, and the ledger's money is all there.
 */
import { expect, it, onTestFinished } from 'vitest'
import { ExampleBench, type ExampleWorker } from '../support/example-bench.js'
import { ordersAndPayments, remindersDue, type At, type Order, type Payment } from '../support/reminders-example.js'
import { clearingHouse, matchedTrades, matchingOrders, type MatchingOrder } from '../support/matching-example.js'
import { balancesIn, LedgerInput, total, type Settled, withoutZeros } from '../support/ledger-example.js'

const sorted = (values: readonly unknown[]): string[] => values.map((value) => JSON.stringify(value)).sort()

/** Two workers take the parts of the input; a third one comes, and the first is killed meanwhile. */
async function work(bench: ExampleBench, feed: readonly (() => Promise<void>)[]): Promise<readonly ExampleWorker[]> {
  const [first, second] = [bench.worker('w1'), bench.worker('w2')]
  await Promise.all([first, second].map((worker) => worker.line(/"task is active"/)))
  const events: (() => Promise<ExampleWorker> | ExampleWorker)[] = [
    () => bench.worker('w3'),
    () => {
      first.kill('SIGKILL')
      return first
    },
  ]
  const left = [second]
  for (const part of feed) {
    const feeding = part()
    const worker = await events.shift()?.()
    if (worker !== undefined && worker !== first) left.push(worker)
    await feeding
  }
  expect(events).toEqual([])
  return left
}

async function end(workers: readonly ExampleWorker[]): Promise<void> {
  for (const worker of workers) worker.kill('SIGTERM')
  for (const worker of workers) {
    expect(await worker.exited, worker.stdout.slice(-2).join('\n')).toEqual({ code: 0, signal: null })
    expect(worker.log().filter(({ level }) => level > 40)).toEqual([])
  }
}

const bySymbol = ({ symbol }: MatchingOrder): string => symbol

const inParts = (count: number, parts: number, send: (from: number, to: number) => Promise<void>) =>
  Array.from({ length: parts }, (_, i) => () => send((count / parts) * i, (count / parts) * (i + 1)))

it('word count counts each word of lines without keys, each count once', async () => {
  const bench = new ExampleBench('word-count')
  await bench.createTopics()
  const words = Array.from(
    { length: 60 },
    (_, n) => `${'abcdefghij'[n % 10] ?? ''}${'klmnop'[Math.floor(n / 10)] ?? ''}`,
  )
  const lines = Array.from({ length: 1600 }, (_, n) => ({
    text: [3, 7, 11, 13].map((step) => words[(n * step + step) % words.length]).join(' '),
  }))
  const seen = new Map<string, number>()
  const due = lines.flatMap(({ text }) =>
    text.split(' ').map((word) => {
      const n = (seen.get(word) ?? 0) + 1
      seen.set(word, n)
      return { word, n }
    }),
  )
  const workers = await work(
    bench,
    inParts(lines.length, 4, (from, to) => bench.send('lines', lines.slice(from, to))),
  )
  expect(sorted(await bench.read('counts', due.length))).toEqual(sorted(due))
  await end(workers)
})

it('site totals adds up by site what meters count by device', async () => {
  const bench = new ExampleBench('site-totals')
  await bench.createTopics()
  const [SITES, PER_SITE, ROUNDS] = [8, 10, 20]
  const devices = Array.from({ length: SITES * PER_SITE }, (_, n) => n)
  // Each reading is one more, so that the order of devices makes no difference to what comes out.
  const round = (kwh: number) => devices.map((n) => ({ device: `d${String(n)}`, site: `s${String(n % SITES)}`, kwh }))
  const byDevice = (reading: { device: string }): string => reading.device
  const due = Array.from({ length: SITES }, (_, n) =>
    Array.from({ length: PER_SITE * ROUNDS }, (_, i) => ({
      site: `s${String(n)}`,
      kwh: i + 1,
      devices: Math.min(i + 1, PER_SITE),
    })),
  ).flat()
  const rest = Array.from({ length: ROUNDS - 1 }, (_, i) => round(i + 2)).flat()
  const workers = await work(bench, [
    async () => {
      await bench.send('readings', round(1), byDevice)
      // Every site knows its devices before it is told of more.
      await bench.read('site-totals', devices.length)
    },
    ...inParts(rest.length, 4, (from, to) => bench.send('readings', rest.slice(from, to), byDevice)),
  ])
  expect(sorted(await bench.read('site-totals', due.length))).toEqual(sorted(due))
  await end(workers)
})

it('enrichment gives orders what their customers and rates are, also those that were deleted', async () => {
  const bench = new ExampleBench('enrichment')
  await bench.createTopics()
  const [CUSTOMERS, ROUNDS, ORDERS] = [40, 4, 400]
  const currencies = ['USD', 'GBP', 'CHF']
  const customer = (n: number): string => `c${String(n % CUSTOMERS)}`
  const tierIn = (round: number): string => (round % 2 === 0 ? 'gold' : 'basic')
  const due: object[] = []
  const round = (r: number) => async () => {
    // Of the last customer nobody has told, and in each round another one is deleted.
    await bench.send(
      'customers',
      Array.from({ length: CUSTOMERS - 1 }, (_, n) => ({ id: customer(n), name: 'x', tier: tierIn(r) })),
      ({ id }: { id: string }) => id,
    )
    await bench.remove('customers', [customer(r)])
    await bench.send(
      'rates',
      currencies.map((currency, i) => ({ currency, eur: r + i })),
      ({ currency }: { currency: string }) => currency,
    )
    const orders = Array.from({ length: ORDERS }, (_, n) => {
      return {
        id: `o${String(r)}-${String(n)}`,
        customer: customer(n),
        currency: currencies[n % 4] ?? 'EUR',
        amount: n,
      }
    })
    for (const [n, { id, customer: of, currency, amount }] of orders.entries())
      if (n % CUSTOMERS !== r && n % CUSTOMERS !== CUSTOMERS - 1)
        due.push({ id, customer: of, tier: tierIn(r), eur: amount * (currency === 'EUR' ? 1 : r + (n % 4)) })
    await bench.send('orders', orders, ({ id }: { id: string }) => id)
    // What comes next is of the next round.
    await bench.read('enriched', due.length)
  }
  const workers = await work(
    bench,
    Array.from({ length: ROUNDS }, (_, r) => round(r)),
  )
  expect(sorted(await bench.read('enriched', due.length))).toEqual(sorted(due))
  await end(workers)
})

it('reminders are of the orders that no payment has met, and of no others', async () => {
  const bench = new ExampleBench('reminders')
  await bench.createTopics()
  // In the hour to come, which brokers take: time goes by what is written then, because the clock is not there yet.
  const [COUNT, STEP_MS, fromMs] = [1_200, 1_200, Date.now()]
  const input = ordersAndPayments(COUNT, fromMs, STEP_MS)
  const due = remindersDue(input)
  const [orderId, paymentOf] = [(order: Order) => order.id, (payment: Payment) => payment.order]
  const part = (i: number) => async () => {
    const inPart = <M>(all: readonly At<M>[]): readonly At<M>[] =>
      all.filter(({ timestampMs }) => Math.min(3, Math.floor((4 * (timestampMs - fromMs)) / (COUNT * STEP_MS))) === i)
    await bench.sendAt('orders', inPart(input.orders), orderId)
    await bench.sendAt('payments', inPart(input.payments), paymentOf)
  }
  const workers = await work(bench, [0, 1, 2, 3].map(part))
  // Time comes there on every partition; what brings it is not over by then.
  const timestampMs = fromMs + COUNT * STEP_MS + 31 * 60_000
  const ids = Array.from({ length: 40 }, (_, n) => String(n))
  await bench.sendAt(
    'orders',
    ids.map((n) => ({ message: { id: `eo${n}`, cents: 1 }, timestampMs })),
    orderId,
  )
  await bench.sendAt(
    'payments',
    ids.map((n) => ({ message: { order: `ep${n}`, cents: 1 }, timestampMs })),
    paymentOf,
  )
  expect(sorted(await bench.read('reminders', due.reminders.length))).toEqual(sorted(due.reminders))
  expect(sorted(await bench.read('refunds', due.refunds.length))).toEqual(sorted(due.refunds))
  expect(sorted(await bench.read('settled', due.settled.length))).toEqual(sorted(due.settled))
  await end(workers)
})

it.each([false, true])('the ledger neither makes nor loses money (accounts run dry: %s)', async (contended) => {
  const bench = new ExampleBench('ledger')
  await bench.createTopics()
  const input = new LedgerInput(40, 1400, contended)
  await input.sendDeposits(bench)
  const { length } = input.transfers
  const workers = await work(
    bench,
    inParts(length, 4, (from, to) => input.sendTransfers(bench, from, to)),
  )
  const settled = await bench.read<Settled>('settled', length)
  if (contended) expect(sorted(settled.map(({ id }) => id))).toEqual(sorted(input.transfers.map(({ id }) => id)))
  else expect(sorted(settled)).toEqual(sorted(input.settled))
  await end(workers)
  const balances = await balancesIn(bench)
  expect(total(balances)).toBe(input.paidIn)
  expect(Math.min(...balances.values())).toBeGreaterThanOrEqual(0)
  expect(withoutZeros(balances)).toEqual(withoutZeros(input.balances(settled)))
})

it('matching has each trade cleared once by a clearing house that is slow, fails and loses answers, and settles it once', async () => {
  const house = await clearingHouse()
  onTestFinished(() => house.close())
  const bench = new ExampleBench('matching', { env: { CLEARING_URL: house.url } })
  await bench.createTopics()
  const orders = matchingOrders(20, 800)
  const trades = matchedTrades(orders)
  const workers = await work(
    bench,
    inParts(orders.length, 4, (from, to) => bench.send('orders', orders.slice(from, to), bySymbol)),
  )
  const due = trades.map(({ symbol, id }) => ({ symbol, kind: 'cleared', id }))
  expect(sorted(await bench.read('events', due.length))).toEqual(sorted(due))
  expect(house.mistakes).toEqual([])
  expect([...house.cleared.values()].map(({ id }) => id).sort()).toEqual(trades.map(({ id }) => id).sort())
  // Some were asked for again, or there was nothing to see here; and of each symbol in the order of its trades.
  expect(Math.max(...house.asked.values())).toBeGreaterThan(1)
  for (const symbol of new Set(trades.map((trade) => trade.symbol))) {
    const of = (all: readonly { readonly symbol: string; readonly id: string }[]) =>
      all.flatMap((trade) => (trade.symbol === symbol ? [trade.id] : []))
    expect(of([...house.cleared.values()])).toEqual(of(trades))
  }
  await end(workers)
})
