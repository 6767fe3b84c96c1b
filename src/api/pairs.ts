/**
 * Interval joins: each message of a stream joined with those of another stream that have the same key and timestamps no
 * further than `withinMs` away; and those that have met no other.
 */
import type { PairNode, PairsDefinition, Side, StateDefinition, StreamNode } from './definition.js'
import { checkName, invalid, shown } from './names.js'
import { OpenPairs, pairsFromPlain, pairsToPlain } from './open-pairs.js'
import { isDurationMs } from './topic.js'

export const pairsKey: unique symbol = Symbol.for('potoroo.pairs')

export interface IntervalJoinOptions {
  /** How far apart the timestamps of two messages may be, ms, 0 or more. */
  readonly withinMs: number
}

/** The definition behind the result of `intervalJoin`; undefined for anything else. */
export const pairsDefinition = (value: unknown): StateDefinition | undefined =>
  typeof value === 'object' && value !== null && pairsKey in value ? (value[pairsKey] as StateDefinition) : undefined

/** How many messages of a key may be open at once, on both sides together. */
export const MAX_OPEN_MESSAGES = 100_000

/** The state objects of a join: the open messages of each key. Throws INVALID_DEFINITION. */
export function pairsOf(
  name: string,
  upstream: Readonly<Record<Side, StreamNode>>,
  options: IntervalJoinOptions,
): StateDefinition & { readonly pairs: PairsDefinition } {
  checkName('an interval join', name)
  const given = options as IntervalJoinOptions | null | undefined
  const withinMs: unknown = given?.withinMs
  if (!isDurationMs(withinMs))
    throw invalid(
      `Interval join ${name} has withinMs: ${shown(withinMs)}. It must be whole milliseconds, 0 or more: how far apart the timestamps ` +
        'of two messages may be, as in { withinMs: minutes(15) }.',
    )
  const made = {
    name,
    partitions: undefined,
    initial: () => new OpenPairs(),
    beginsAlike: true,
    prototype: undefined,
    toPlain: (open: object) => pairsToPlain(open as OpenPairs),
    fromPlain: (plain: unknown) => pairsFromPlain(plain),
    upgrades: [],
    get pairs(): PairsDefinition {
      return pairs
    },
  } satisfies StateDefinition
  const side = (which: Side): PairNode => ({ kind: 'pair', upstream: upstream[which], state: made, side: which })
  const pairs: PairsDefinition = { withinMs, left: side('left'), right: side('right') }
  return made
}
