/** The reminders example's input, and what has to come of it: a plain calculation, of each order with each payment. */
export interface Order {
  readonly id: string
  readonly cents: number
}
export interface Payment {
  readonly order: string
  readonly cents: number
}
export interface At<M> {
  readonly message: M
  readonly timestampMs: number
}
const WITHIN_MS = 15 * 60_000

/** Deterministic. Some orders are paid at once, some late, some never, some twice; some payments are of no order. */
export function ordersAndPayments(count: number, fromMs: number, stepMs: number) {
  let seed = 4_242
  const below = (n: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return (seed >>> 8) % n
  }
  const orders: At<Order>[] = []
  const payments: At<Payment>[] = []
  for (let i = 0; i < count; i++) {
    const [id, timestampMs] = [`o${String(i)}`, fromMs + i * stepMs]
    const kind = below(6)
    if (kind !== 5) orders.push({ message: { id, cents: 1_000 + i }, timestampMs })
    if (kind === 4) continue
    for (let n = 0; n < (kind === 3 ? 2 : 1); n++) {
      const laterMs = kind === 2 ? WITHIN_MS + 1 : kind === 1 ? WITHIN_MS : below(WITHIN_MS)
      payments.push({ message: { order: id, cents: 500 + n }, timestampMs: timestampMs + laterMs })
    }
  }
  // As they are written: by time.
  payments.sort((a, b) => a.timestampMs - b.timestampMs)
  return { orders, payments }
}

export function remindersDue({ orders, payments }: ReturnType<typeof ordersAndPayments>) {
  const meets = (order: At<Order>, payment: At<Payment>): boolean =>
    order.message.id === payment.message.order && Math.abs(order.timestampMs - payment.timestampMs) <= WITHIN_MS
  return {
    settled: orders.flatMap((order) =>
      payments
        .filter((payment) => meets(order, payment))
        .map((payment) => ({ order: order.message.id, openCents: order.message.cents - payment.message.cents })),
    ),
    reminders: orders
      .filter((order) => !payments.some((payment) => meets(order, payment)))
      .map(({ message: { id } }) => ({ order: id })),
    refunds: payments
      .filter((payment) => !orders.some((order) => meets(order, payment)))
      .map(({ message: { order, cents } }) => ({ order, cents })),
  }
}
