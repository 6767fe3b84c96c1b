/** Input of the examples with windows, and what has to come of it: plain calculations over each key's messages, whatever their order. */

export interface Click {
  readonly user: string
  readonly page: string
  readonly timestampMs: number
}
export interface Visit {
  readonly user: string
  readonly fromMs: number
  readonly toMs: number
  readonly pages: readonly string[]
}
export interface Trade {
  readonly symbol: string
  readonly cents: number
  readonly timestampMs: number
}
export interface Average {
  readonly symbol: string
  readonly toMs: number
  readonly cents: number
  readonly trades: number
}

/** Deterministic. */
function draws(seed: number): (n: number) => number {
  let state = seed
  return (n) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % n
  }
}

/** Some come up to 9 s later than others that were made after them. */
export function clicksOf(users: number, count: number, fromMs: number, stepMs: number): Click[] {
  const below = draws(4_711)
  return Array.from({ length: count }, (_, i) => ({
    user: `u${String(below(users))}`,
    page: `p${String(below(5))}`,
    timestampMs: fromMs + i * stepMs - below(10) * 1_000,
  }))
}

export function visitsOf(clicks: readonly Click[], gapMs: number): Visit[] {
  const byUser = new Map<string, Click[]>()
  for (const click of [...clicks].sort((a, b) => a.timestampMs - b.timestampMs))
    byUser.set(click.user, [...(byUser.get(click.user) ?? []), click])
  return [...byUser].flatMap(([user, all]) => {
    const visits: { fromMs: number; toMs: number; pages: Set<string> }[] = []
    for (const { timestampMs, page } of all) {
      let visit = visits.at(-1)
      if (visit === undefined || timestampMs - visit.toMs >= gapMs)
        visits.push((visit = { fromMs: timestampMs, toMs: timestampMs, pages: new Set() }))
      visit.toMs = timestampMs
      visit.pages.add(page)
    }
    return visits.map(({ pages, ...times }) => ({ user, ...times, pages: [...pages].sort() }))
  })
}

/** Some come up to 4 s later than others that were made after them. */
export function tradesOf(symbols: number, count: number, fromMs: number, stepMs: number): Trade[] {
  const below = draws(815)
  return Array.from({ length: count }, (_, i) => ({
    symbol: `s${String(below(symbols))}`,
    cents: 1_000 + below(500),
    timestampMs: fromMs + i * stepMs - below(5) * 1_000,
  }))
}

export function averagesOf(trades: readonly Trade[], sizeMs: number, everyMs: number): Average[] {
  const windows = new Map<string, { symbol: string; toMs: number; sum: number; trades: number }>()
  for (const { symbol, cents, timestampMs } of trades)
    for (
      let startMs = Math.floor(timestampMs / everyMs) * everyMs;
      startMs > timestampMs - sizeMs;
      startMs -= everyMs
    ) {
      const name = `${symbol} ${String(startMs)}`
      const window = windows.get(name) ?? { symbol, toMs: startMs + sizeMs, sum: 0, trades: 0 }
      window.sum += cents
      window.trades++
      windows.set(name, window)
    }
  return [...windows.values()].map(({ sum, ...window }) => ({
    symbol: window.symbol,
    toMs: window.toMs,
    cents: sum / window.trades,
    trades: window.trades,
  }))
}
