/** What goes in, drawn from the seed, and what has to come out, calculated plainly. */
import {
  initialState,
  takeOrder,
  takeQuote,
  type Checked,
  type Noted,
  type Order,
  type Quote,
  type SymbolState,
} from './application.js'
import type { SeededRandom } from '../../src/memory/random.js'
import type { FeedEvent } from './applications/simulated-application.js'

/** No two are written in the same millisecond. */
export interface MarketEvent extends FeedEvent {
  readonly topic: 'quotes' | 'orders'
  /** Undefined for a value that is no JSON. */
  readonly message: Quote | Order | undefined
}

export interface MarketPlan {
  readonly events: number
  readonly symbols: number
  readonly fromMs: number
  readonly toMs: number
  /** How many quotes delete their state object; without any an order's place can be checked by counting. */
  readonly forgetShare: number
}

export function drawMarket(random: SeededRandom, plan: MarketPlan): MarketEvent[] {
  const times = new Set<number>()
  while (times.size < plan.events) times.add(Math.floor(random.between(plan.fromMs, plan.toMs)))
  return [...times]
    .sort((a, b) => a - b)
    .map((atMs, index) => {
      const key = `S${String(random.below(plan.symbols))}`
      const id = `e${String(index)}`
      const topic = random.chance(0.5) ? 'quotes' : 'orders'
      if (random.chance(0.02)) return { topic, key, text: `no json ${id}`, message: undefined, atMs }
      const throws = random.chance(0.03)
      const draw = random.next()
      const message: Quote | Order =
        topic === 'orders'
          ? { id, symbol: key, account: `A${String(random.below(5))}`, kind: throws ? 'throws' : 'plain' }
          : {
              id,
              symbol: key,
              bid: index,
              kind: throws ? 'throws' : draw < plan.forgetShare ? 'forget' : draw > 0.95 ? 'idle' : 'plain',
            }
      return { topic, key, text: JSON.stringify(message), message, atMs }
    })
}

export interface Expected {
  /** By symbol, in their order. */
  readonly checked: ReadonlyMap<string, readonly Checked[]>
  readonly noted: readonly Noted[]
  /** Values of the records that go to the dead letters. */
  readonly deadLetters: readonly string[]
  readonly states: ReadonlyMap<string, SymbolState>
}

/** Everything in the order in which it is taken. `isRefused`: brokers don't take what comes of it. */
export function calculate(
  events: readonly MarketEvent[],
  isRefused: (event: MarketEvent) => boolean = () => false,
): Expected {
  const states = new Map<string, SymbolState>()
  const checked = new Map<string, Checked[]>()
  const noted: Noted[] = []
  const deadLetters: string[] = []
  for (const event of events) {
    const { key, message, text } = event
    if (message === undefined || isRefused(event)) {
      deadLetters.push(text)
      continue
    }
    const state = { ...(states.get(key) ?? initialState()) }
    const fate = { forgotten: false }
    try {
      if ('account' in message) {
        const output = takeOrder(state, message)
        const list = checked.get(key)
        if (list === undefined) checked.set(key, [output])
        else list.push(output)
        noted.push({ id: message.id, account: message.account })
      } else takeQuote(state, message, { forget: () => (fate.forgotten = true) })
    } catch {
      deadLetters.push(text)
      continue
    }
    if (fate.forgotten) states.delete(key)
    else states.set(key, state)
  }
  return { checked, noted, deadLetters, states }
}
