/** The fraud example's input, and what has to come of it: a plain calculation over each card's payments, in their order. */
export interface Payment {
  readonly card: string
  readonly amount: number
  readonly timestampMs: number
}

/** Deterministic. Some payments come later than others that were made after them, within a second. */
export function fraudPayments(cards: number, count: number, fromMs: number, stepMs: number): Payment[] {
  let seed = 12_345
  const below = (n: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return (seed >>> 8) % n
  }
  return Array.from({ length: count }, (_, i) => ({
    card: `c${String(below(cards))}`,
    amount: [0.5, 20, 501, 900, 0.01, 300][below(6)] ?? 0,
    timestampMs: fromMs + i * stepMs - below(4) * 250,
  }))
}

export function fraudAlerts(payments: readonly Payment[]): { readonly card: string; readonly amount: number }[] {
  const probedMs = new Map<string, number>()
  return payments.flatMap(({ card, amount, timestampMs }) => {
    if (amount < 1) {
      probedMs.set(card, timestampMs)
      return []
    }
    if (amount <= 500 || timestampMs >= (probedMs.get(card) ?? 0) + 60_000) return []
    probedMs.delete(card)
    return [{ card, amount }]
  })
}
