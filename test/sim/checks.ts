/** What has to hold when a simulated world has come to rest. Each check gives the problems that it found. */
import { initialState, type Checked, type Noted, type Quote, type SymbolState } from './application.js'
import type { Expected } from './market.js'
import type { SeenRecord } from './views.js'

const text = (value: unknown): string => JSON.stringify(value)

/** Lost and repeated. */
export function multiset(what: string, expected: readonly string[], actual: readonly string[]): string[] {
  const open = new Map<string, number>()
  for (const one of expected) open.set(one, (open.get(one) ?? 0) + 1)
  for (const one of actual) open.set(one, (open.get(one) ?? 0) - 1)
  return [...open].flatMap(([one, left]) =>
    left === 0
      ? []
      : [`${what}: ${left > 0 ? 'lost' : 'repeated, or never due'} ${String(Math.abs(left))} times: ${one}`],
  )
}

function bySymbol(records: readonly SeenRecord[]): ReadonlyMap<string, readonly Checked[]> {
  const groups = new Map<string, Checked[]>()
  for (const { value } of records) {
    const checked = JSON.parse(value) as Checked
    const group = groups.get(checked.symbol)
    if (group === undefined) groups.set(checked.symbol, [checked])
    else group.push(checked)
  }
  return groups
}

/** Per symbol, the outputs are those of the plain calculation, in their order. */
export function checkOutputs(expected: Pick<Expected, 'checked'>, checked: readonly SeenRecord[]): string[] {
  const actual = bySymbol(checked)
  const symbols = new Set([...expected.checked.keys(), ...actual.keys()])
  return [...symbols].flatMap((symbol) => {
    const due = (expected.checked.get(symbol) ?? []).map(text)
    const got = (actual.get(symbol) ?? []).map(text)
    const problems = multiset(`checked, ${symbol}`, due, got)
    if (problems.length > 0) return problems
    const at = due.findIndex((one, i) => one !== got[i])
    return at < 0 ? [] : [`checked, ${symbol}: out of order from ${String(got[at])}, due was ${String(due[at])}`]
  })
}

/**
 * As checkOutputs, where the order between quotes and orders is open: each order saw all orders before it and some
 * quotes, never fewer than the order before.
 */
export function checkOutputsLoosely(
  events: readonly { readonly key: string; readonly message: Quote | object | undefined }[],
  expected: Pick<Expected, 'checked'>,
  checked: readonly SeenRecord[],
): string[] {
  const actual = bySymbol(checked)
  const symbols = new Set([...expected.checked.keys(), ...actual.keys()])
  return [...symbols].flatMap((symbol) => {
    const got = actual.get(symbol) ?? []
    const due = expected.checked.get(symbol) ?? []
    const problems = multiset(
      `checked, ${symbol}`,
      due.map(({ id, orders }) => text([id, orders])),
      got.map(({ id, orders }) => text([id, orders])),
    )
    if (problems.length > 0) return problems
    const bids = [0]
    for (const { key, message } of events)
      if (key === symbol && message !== undefined && 'bid' in message && message.kind === 'plain')
        bids.push(message.bid)
    let quotes = 0
    for (const [i, one] of got.entries()) {
      if (one.id !== due[i]?.id) return [`checked, ${symbol}: out of order: ${text(one)}, due was ${text(due[i])}`]
      if (one.quotes < quotes) return [`checked, ${symbol}: ${text(one)} has seen fewer quotes than the one before`]
      if (one.bid !== bids[one.quotes])
        return [`checked, ${symbol}: ${text(one)}: quote ${String(one.quotes)} is ${String(bids[one.quotes])}`]
      quotes = one.quotes
    }
    return []
  })
}

export const checkNoted = (expected: Expected, noted: readonly SeenRecord[]): string[] =>
  multiset(
    'noted',
    expected.noted.map(({ id, account }) => `${account} ${id}`),
    noted.map(({ key, value }) => `${key} ${(JSON.parse(value) as Noted).id}`),
  )

export const checkDeadLetters = (
  expected: Pick<Expected, 'deadLetters'>,
  deadLetters: readonly SeenRecord[],
): string[] =>
  multiset(
    'dead letters',
    expected.deadLetters,
    deadLetters.map(({ value }) => value),
  )

/** State objects by symbol. `loosely`: the order of quotes and orders is open. */
export function checkStates(
  expected: Pick<Expected, 'states'>,
  states: ReadonlyMap<string, SymbolState>,
  loosely: boolean,
): string[] {
  // One that is as it would begin is as good as none.
  const view = (state: SymbolState = initialState()): string => text(loosely ? { ...state, trail: undefined } : state)
  return [...new Set([...expected.states.keys(), ...states.keys()])].flatMap((symbol) => {
    const [due, got] = [view(expected.states.get(symbol)), view(states.get(symbol))]
    return due === got ? [] : [`state object ${symbol}: it is ${got}, due was ${due}`]
  })
}
