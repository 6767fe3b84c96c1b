/**
 * The times of a live state object, for messages to change: a key may have ten thousand timers, so no step goes over all of them.
 *
 * Invariants
 * 1. `time` and `wall` are in the order of `compareTimers`, and no name and id is in them twice.
 */
import { compareTimers, NO_TIMES, type DueClock, type TimerEntry, type Times } from './header.js'

/** So many are looked through as quickly as they are looked up. */
const FEW = 16

interface Placed {
  readonly clock: DueClock
  readonly entry: TimerEntry
}

export class LiveTimes implements Times {
  endsMs: number
  readonly time: TimerEntry[]
  readonly wall: TimerEntry[]
  /** By name and id; undefined while there are few, or nobody has asked. */
  #placed: Map<string, Placed> | undefined

  constructor({ endsMs, time, wall }: Times = NO_TIMES) {
    this.endsMs = endsMs
    this.time = [...time]
    this.wall = [...wall]
  }

  get count(): number {
    return this.time.length + this.wall.length
  }

  get isEmpty(): boolean {
    return this.endsMs === 0 && this.count === 0
  }

  find(name: string, id: string): Placed | undefined {
    if (this.#placed === undefined && this.count > FEW) {
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
    const timers = this[clock]
    timers.splice(placeIn(timers, entry), 0, entry)
    this.#placed?.set(nameOf(entry), { clock, entry })
  }

  /** What `find` gave. */
  remove({ clock, entry }: Placed): void {
    const timers = this[clock]
    // What fires is the first, of many perhaps.
    if (timers[0] === entry) timers.shift()
    else timers.splice(placeIn(timers, entry), 1)
    this.#placed?.delete(nameOf(entry))
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
