/** The matching example's input, what has to come of it, and a clearing house that is slow, fails and loses answers. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface MatchingOrder {
  readonly id: string
  readonly symbol: string
  readonly side: 'buy' | 'sell'
  readonly price: number
}

/** Deterministic. */
export function numbers(seed: number): (n: number) => number {
  let state = seed
  return (n) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % n
  }
}

export function matchingOrders(symbols: number, count: number): MatchingOrder[] {
  const below = numbers(4711)
  return Array.from({ length: count }, (_, i) => ({
    id: `o${String(i)}`,
    symbol: `s${String(below(symbols))}`,
    side: below(2) === 0 ? 'buy' : 'sell',
    price: 90 + below(20),
  }))
}

/** Plainly: the trades of each symbol, by its orders in their order. */
export function matchedTrades(orders: readonly MatchingOrder[]): { readonly symbol: string; readonly id: string }[] {
  const open = new Map<string, MatchingOrder[]>()
  return orders.flatMap((order) => {
    const others = open.get(order.symbol) ?? []
    open.set(order.symbol, others)
    const at = others.findIndex((other) => {
      const [buy, sell] = order.side === 'buy' ? [order, other] : [other, order]
      return other.side !== order.side && buy.price >= sell.price
    })
    const [other] = at < 0 ? [] : others.splice(at, 1)
    if (other === undefined) {
      others.push(order)
      return []
    }
    const [buy, sell] = order.side === 'buy' ? [order, other] : [other, order]
    return [{ symbol: order.symbol, id: `${buy.id}/${sell.id}` }]
  })
}

export interface ClearingHouse {
  readonly url: string
  /** By idempotency key, in the order in which they came first: which trade it is. */
  readonly cleared: ReadonlyMap<string, { readonly symbol: string; readonly id: string }>
  /** How often each trade was asked for. */
  readonly asked: ReadonlyMap<string, number>
  /** Keys that came for two trades, and trades that came under two keys. */
  readonly mistakes: readonly string[]
  close(): Promise<void>
}

/** Of a hundred questions, some thirty have no answer at first: refused, answered too late, or lost behind what was done. */
export async function clearingHouse(seed = 1): Promise<ClearingHouse> {
  const below = numbers(seed)
  const cleared = new Map<string, { readonly symbol: string; readonly id: string }>()
  const keyOf = new Map<string, string>()
  const asked = new Map<string, number>()
  const mistakes: string[] = []
  const clear = (key: string, { symbol, id }: { readonly symbol: string; readonly id: string }): void => {
    asked.set(id, (asked.get(id) ?? 0) + 1)
    const before = cleared.get(key)
    if (before !== undefined && before.id !== id) mistakes.push(`${key}: ${before.id}, and ${id}`)
    const known = keyOf.get(id)
    if (known !== undefined && known !== key) mistakes.push(`${id}: ${known}, and ${key}`)
    keyOf.set(id, key)
    if (before === undefined) cleared.set(key, { symbol, id })
  }
  const answer = (response: ServerResponse, status: number): void => {
    response.writeHead(status).end()
  }
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const kind = below(100)
      if (kind < 15) {
        answer(response, 503)
        return
      }
      const trade = JSON.parse(Buffer.concat(parts).toString()) as { readonly symbol: string; readonly id: string }
      clear(String(request.headers['idempotency-key']), trade)
      if (kind < 29) response.destroy()
      // Never answered: the call's time is over some day.
      else if (kind > 29) setTimeout(answer, below(20), response, 200)
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/trades`,
    cleared,
    asked,
    mistakes,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  }
}
