/**
 * The times of a live state object, for messages to change: a key may have ten thousand timers, so no step goes over all of them.
 *
 * Invariants
 * 1. `time` and `wall` are in the order of `compareTimers`, and no name and id is in them twice.
 * 2. `packed` is what they are, where it is noted down.
 */
import {
  compareTimers,
  firstTimerBytes,
  MANY_TIMERS,
  NO_TIMES,
  type DueClock,
  type TimerEntry,
  type Times,
} from './header.js'

interface Placed {
  readonly clock: DueClock
  readonly entry: TimerEntry
}

/** Most have an end alone, as windows do: then there is no list of their own for them. */
const NO_TIMERS: TimerEntry[] = []
Object.freeze(NO_TIMERS)

export class LiveTimes implements Times {
  endsMs: number
  time = NO_TIMERS
  wall = NO_TIMERS
  /** Undefined while there have been no timers. */
  packed: Partial<Record<DueClock, Uint8Array | undefined>> | undefined
  /** By name and id; undefined while there are few, or nobody has asked. */
  #placed: Map<string, Placed> | undefined

  constructor({ endsMs, time, wall }: Times = NO_TIMES) {
    this.endsMs = endsMs
    this.packed = undefined
    if (time.length > 0) this.#own('time', [...time])
    if (wall.length > 0) this.#own('wall', [...wall])
  }

  get count(): number {
    return this.time.length + this.wall.length
  }

  /** No timers, and no end. */
  get isEmpty(): boolean {
    return this.endsMs === 0 && this.count === 0
  }

  find(name: string, id: string): Placed | undefined {
    for (const clock of ['time', 'wall'] as const) {
      const [entry] = this[clock]
      if (entry?.id === id && entry.name === name) return { clock, entry }
    }
    if (this.#placed === undefined && this.count > MANY_TIMERS) {
      this.#placed = new Map()
      for (const clock of ['time', 'wall'] as const)
        for (const entry of this[clock]) this.#placed.set(nameOf(entry), { clock, entry })
    }
    if (this.#placed !== undefined) return this.#placed.get(nameOf({ name, id }))
    for (const clock of ['time', 'wall'] as const)
      for (const entry of this[clock]) if (entry.id === id && entry.name === name) return { clock, entry }
    return undefined
  }

  /** What has this name and id must not be there. */
  add(clock: DueClock, entry: TimerEntry): void {
    if (this[clock] === NO_TIMERS) this.#own(clock, [])
    const timers = this[clock]
    timers.splice(placeIn(timers, entry), 0, entry)
    this.#repack(clock, undefined)
    this.#placed?.set(nameOf(entry), { clock, entry })
  }

  /** What `find` gave. */
  remove({ clock, entry }: Placed): void {
    const timers = this[clock]
    const packed = this.packed?.[clock]
    // What fires is the first, of many perhaps.
    if (timers[0] === entry) {
      timers.shift()
      if (packed !== undefined) this.#repack(clock, packed.subarray(firstTimerBytes(packed)))
    } else {
      timers.splice(placeIn(timers, entry), 1)
      this.#repack(clock, undefined)
    }
    this.#placed?.delete(nameOf(entry))
  }

  #own(clock: DueClock, timers: TimerEntry[]): void {
    this[clock] = timers
    this.packed ??= {}
  }

  /** Invariant 2 */
  #repack(clock: DueClock, packed: Uint8Array | undefined): void {
    if (this.packed !== undefined) this.packed[clock] = packed
  }
}

/** No name has a zero in it. */
const nameOf = ({ name, id }: Pick<TimerEntry, 'name' | 'id'>): string => `${name}\0${id}`

/** Where it belongs among those that are in order, or is. */
function placeIn(timers: readonly TimerEntry[], entry: TimerEntry): number {
  let [from, to] = [0, timers.length]
  while (from < to) {
    const middle = (from + to) >> 1
    const there = timers[middle]
    if (there !== undefined && compareTimers(there, entry) < 0) from = middle + 1
    else to = middle
  }
  return from
}
