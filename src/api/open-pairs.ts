/**
 * The open messages of a key in an interval join, both sides in one state object, as they are stored. A message is open
 * as long as a message that it would meet may still come.
 *
 * Invariants
 * 1. Messages of a side are in the order of their timestamps, and those with the same timestamp in the order in which
 *    they came.
 * 2. Those before `firstAlone` have met one of the other side.
 */
import type { Side } from './definition.js'

export interface OpenMessage {
  /** Its timestamp, ms since the epoch, 0 or more. */
  readonly atMs: number
  /**
   * For a late message, what its partition had reached when it came, which is more than its timestamp; otherwise its
   * timestamp.
   */
  readonly boundMs: number
  hasMet: boolean
  readonly message: unknown
}

export class OpenSide {
  readonly list: OpenMessage[] = []
  firstAlone = 0

  /** The first of them that has met no other. */
  get alone(): OpenMessage | undefined {
    return this.list[this.firstAlone]
  }

  add(one: OpenMessage): void {
    const { list } = this
    const place =
      list.at(-1) === undefined || (list.at(-1)?.atMs ?? 0) <= one.atMs ? list.length : this.from(one.atMs + 1)
    list.splice(place, 0, one)
    if (place < this.firstAlone) this.firstAlone = one.hasMet ? this.firstAlone + 1 : place
    else this.#skip()
  }

  met(one: OpenMessage): void {
    one.hasMet = true
    if (one === this.alone) this.#skip()
  }

  /** The index of the first one with that time or a later one. */
  from(atMs: number): number {
    let [from, to] = [0, this.list.length]
    while (from < to) {
      const middle = (from + to) >> 1
      if ((this.list[middle]?.atMs ?? 0) < atMs) from = middle + 1
      else to = middle
    }
    return from
  }

  /** The first so many are no longer open. */
  removeFirst(count: number): void {
    this.list.splice(0, count)
    this.firstAlone = Math.max(0, this.firstAlone - count)
    this.#skip()
  }

  #skip(): void {
    while (this.alone?.hasMet === true) this.firstAlone++
  }
}

export class OpenPairs {
  readonly left = new OpenSide()
  readonly right = new OpenSide()

  get count(): number {
    return this.left.list.length + this.right.list.length
  }
}

export const SIDES = ['left', 'right'] as const satisfies readonly Side[]
export const otherSide = (side: Side): Side => (side === 'left' ? 'right' : 'left')

/**
 * `{ l: [timestamp, how late, whether it has met one, message, …], r: … }`: field names would take more space than
 * their values.
 */
export function pairsToPlain(open: OpenPairs): object {
  const [l, r] = SIDES.map((side) => {
    const fields: unknown[] = []
    for (const { atMs, boundMs, hasMet, message } of open[side].list) fields.push(atMs, boundMs - atMs, hasMet, message)
    return fields
  })
  return { l, r }
}

const FIELDS = 4

/** Throws a TypeError for anything that `pairsToPlain` did not write. */
export function pairsFromPlain(plain: unknown): OpenPairs {
  const open = new OpenPairs()
  const { l, r } = plain as { readonly l?: unknown; readonly r?: unknown }
  for (const [side, fields] of [
    [open.left, l],
    [open.right, r],
  ] as const) {
    if (!Array.isArray(fields) || fields.length % FIELDS !== 0) throw new TypeError('it has no sides')
    const all: readonly unknown[] = fields
    for (let i = 0; i < all.length; i += FIELDS) {
      const [atMs, lateMs, hasMet] = [all[i], all[i + 1], all[i + 2]]
      if (typeof atMs !== 'number' || typeof lateMs !== 'number' || typeof hasMet !== 'boolean')
        throw new TypeError('it has a message without a time')
      side.add({ atMs, boundMs: atMs + lateMs, hasMet, message: all[i + 3] })
    }
  }
  return open
}
