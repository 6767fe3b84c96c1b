/**
 * What falls due when: for each state object that has a time, where in time to look at it. The header of the state object is
 * what counts; an entry only says that it must be asked, and may be earlier than what the header says: a timer that is set
 * again and later each time, and a time to live that grows with each message, write no entry for that. Entries that the store has
 * are read from it as time comes near; those that it does not have yet are here.
 *
 * Invariants
 * 1. A state object that has something due by a clock has an entry at or before it, in memory or in the store.
 * 2. What the store is told goes with the records that it is about: entries before the records that need them, removals after
 *    those that made them superfluous, and only what is committed.
 * 3. An interval that is rolled back has removed nothing.
 * 4. What was put and removed between two writes, both committed, is said to the store only where it may have it: where it can't, there is
 *    nothing to remove. Most windows of a backlog open and close so.
 */
import type { ByteString } from '../records/byte-string.js'
import { NO_TIMES, readNextTimes, type DueClock, type TimerEntry, type Times } from './header.js'

export type { DueClock } from './header.js'

export interface DueEntry {
  readonly dueMs: number
  /** The store key of the state object. */
  readonly key: ByteString
}

/** What a store is told of its entries, beside the records that it is given. */
export interface DueChanges {
  readonly put: readonly ClockedEntry[]
  readonly remove: readonly ClockedEntry[]
}
export interface ClockedEntry extends DueEntry {
  readonly clock: DueClock
}

/** Entries of the store behind one of them, in the order of `compareEntries`; from the first one on where it is undefined. */
export type LoadDues = (clock: DueClock, after: DueEntry | undefined, most: number) => readonly DueEntry[]

export const CLOCKS = ['time', 'wall'] as const satisfies readonly DueClock[]

export const compareEntries = (a: DueEntry, b: DueEntry): number =>
  a.dueMs - b.dueMs || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)

/** What a state object has due next: a timer, or the end of its time to live, or of a window. */
export type NextDue = (TimerEntry & { readonly kind: 'timer' }) | { readonly kind: 'end'; readonly dueMs: number }

/** By that clock; undefined: nothing. While a timer of it is set, a state object does not end. */
export function nextDueOf(times: Times, clock: DueClock): NextDue | undefined {
  const [timer] = times[clock]
  if (timer !== undefined) return { kind: 'timer', ...timer }
  if (clock === 'wall' || times.endsMs === 0 || times.wall.length > 0) return undefined
  return { kind: 'end', dueMs: times.endsMs }
}

/** When that is due; undefined: never. */
export function nextDueMs({ endsMs, time, wall }: Times, clock: DueClock): number | undefined {
  const timers = clock === 'time' ? time : wall
  if (timers.length > 0) return timers[0]?.dueMs
  return clock === 'wall' || endsMs === 0 || wall.length > 0 ? undefined : endsMs
}

/**
 * Of the packed state object in bytes[start, end), what `nextDueOf` wants to know. None where the header can't be read, which is said where
 * it becomes live.
 */
export const timesOf = (bytes: Buffer, start: number, end: number): Times => readNextTimes(bytes, start, end)

/**
 * What becomes of a store's entries where a replay gives it records, put together for several. What state objects have due in
 * the end is put, whether it is there or not, for earlier records may still be on their way into the store. The entries of
 * an owner may have been earlier than what was due: they stay, and are passed over when their time comes. What a state object had due in
 * between is put as well, and removed behind the records: whoever dies while they are written may leave it as it was in between.
 */
export class ReplayedDues {
  readonly #of = new Map<ByteString, { readonly before: Times; readonly between: Times[]; now: Times }>()

  get isEmpty(): boolean {
    return this.#of.size === 0
  }

  /** The key's record is packed so from now on, undefined: gone. `before`: what the store has of it. */
  add(key: ByteString, before: Buffer | undefined, now: Buffer | undefined): void {
    const of = (packed: Buffer | undefined): Times =>
      packed === undefined ? NO_TIMES : timesOf(packed, 0, packed.length)
    const known = this.#of.get(key)
    if (known !== undefined) {
      if (known.now !== NO_TIMES) known.between.push(known.now)
      known.now = of(now)
    } else {
      const entry = { before: of(before), between: [], now: of(now) }
      if (entry.before !== NO_TIMES || entry.now !== NO_TIMES) this.#of.set(key, entry)
    }
  }

  /** Undefined: nothing. */
  take(): DueChanges | undefined {
    if (this.isEmpty) return undefined
    const put: ClockedEntry[] = []
    const remove: ClockedEntry[] = []
    for (const [key, { before, between, now }] of this.#of)
      for (const clock of CLOCKS) {
        const [from, to] = [nextDueMs(before, clock), nextDueMs(now, clock)]
        const passed = new Set(between.flatMap((times) => nextDueMs(times, clock) ?? []))
        for (const dueMs of passed) put.push({ clock, dueMs, key })
        if (to !== undefined) put.push({ clock, dueMs: to, key })
        if (from !== undefined) passed.add(from)
        for (const dueMs of passed) if (dueMs !== to) remove.push({ clock, dueMs, key })
      }
    this.#of.clear()
    return { put, remove }
  }
}

export interface DueLimits {
  /** How many are read from the store at once. */
  readonly readAtOnce: number
  /** So many in memory are not worth looking through for what the store has. */
  readonly few: number
}
const LIMITS: DueLimits = { readAtOnce: 512, few: 4096 }

/** An entry that was added, as it is in memory. */
interface Entry extends ClockedEntry {
  readonly op: 'put'
  /** Whether the store does not have it yet: then it is here alone. */
  isWaiting: boolean
  /** It came and went, both committed, before the store was told of it. */
  isGone: boolean
}
/** An entry's time has come. */
interface Popped extends ClockedEntry {
  /** `pass`: what it is about is none of this version's. */
  readonly op: 'remove' | 'pass'
  readonly entry: Entry
  /** Whether it was there once, in memory. */
  readonly isOnly: boolean
}
/** What became of an entry. */
type Noted = Entry | Popped

/** So many that are gone are not worth taking out. */
const FEW_GONE = 1024

export class DueIndex {
  readonly #clocks: Readonly<Record<DueClock, ClockEntries>>
  /** In their order: of the interval; of the commit under way; of commits that the store does not have; of the write under way. */
  #interval: Noted[] = []
  #collected: readonly Noted[] = []
  #unstored: Noted[] = []
  #storing: readonly Noted[] = []
  /** How many of those unstored are gone, about. */
  #gone = 0

  constructor(load: LoadDues, limits = LIMITS) {
    this.#clocks = { time: new ClockEntries('time', load, limits), wall: new ClockEntries('wall', load, limits) }
  }

  /** The least entry. */
  least(clock: DueClock): DueEntry | undefined {
    return this.#clocks[clock].least()
  }

  /** It is to be asked then. */
  add(clock: DueClock, dueMs: number, key: ByteString): void {
    const entry: Entry = { op: 'put', clock, dueMs, key, isWaiting: true, isGone: false }
    this.#clocks[clock].push(entry)
    this.#interval.push(entry)
  }

  /** The least entry has been seen to: what it is about is due then, or by no means. */
  move(clock: DueClock, toMs: number | undefined): void {
    const key = this.#pop(clock, 'remove')
    if (key !== undefined && toMs !== undefined) this.add(clock, toMs, key)
  }

  /** The least entry is none of this version's: it stays in the store, for another one. */
  pass(clock: DueClock): void {
    this.#pop(clock, 'pass')
  }

  /** The next interval begins. */
  collect(): void {
    this.#collected = this.#interval
    this.#interval = []
  }

  /** The log has what was collected last. */
  committed(): void {
    for (const noted of this.#collected)
      if (noted.op === 'put') this.#unstored.push(noted)
      else if (noted.op === 'remove') this.#removed(noted)
    this.#collected = NONE
    if (this.#gone < FEW_GONE || this.#gone * 2 < this.#unstored.length) return
    this.#unstored = this.#unstored.filter((noted) => noted.op !== 'put' || !noted.isGone)
    this.#gone = 0
  }

  /** What the store is to be told; `stored` it afterwards. */
  takeUnstored(): DueChanges {
    this.#storing = this.#unstored
    this.#unstored = []
    this.#gone = 0
    const last: Ops = new Map()
    for (const noted of this.#storing) if (noted.op !== 'put' || !noted.isGone) note(last, noted)
    const put: Noted[] = []
    const remove: Noted[] = []
    for (const noted of allOf(last))
      if (noted.op === 'put') {
        put.push(noted)
        this.#clocks[noted.clock].told(noted.dueMs)
      } else remove.push(noted)
    return { put, remove }
  }

  /** The store has it now: what is far away is not needed here. */
  stored(): void {
    for (const noted of this.#storing) if (noted.op === 'put') noted.isWaiting = false
    this.#storing = NONE
    for (const clock of CLOCKS) this.#clocks[clock].forgetStored()
  }

  /** The interval has not been. */
  rollBack(): void {
    for (const noted of this.#interval)
      if (noted.op === 'put') noted.isWaiting = false
      else this.#clocks[noted.clock].push(noted.entry)
    this.#interval = []
  }

  #pop(clock: DueClock, op: Popped['op']): ByteString | undefined {
    const of = this.#clocks[clock]
    const entry = of.pop()
    if (entry === undefined) return undefined
    const { dueMs, key } = entry
    this.#interval.push({ op, clock, dueMs, key, entry, isOnly: of.wasOnly })
    return key
  }

  /** Invariant 4 */
  #removed(noted: Popped): void {
    const { entry, isOnly, clock, dueMs } = noted
    if (isOnly && !this.#clocks[clock].storeMayHave(dueMs)) {
      entry.isGone = true
      this.#gone++
    } else this.#unstored.push(noted)
  }
}

const NONE: readonly never[] = []

/** What became of entries last, by the key of their state object: most have one alone, whose name would cost more than the rest of it. */
type Ops = Map<ByteString, Noted | Map<number, Noted>>

/** Of a key: no entry by one clock has the place of one by the other. */
const placeOf = (clock: DueClock, dueMs: number): number => (clock === 'time' ? dueMs : -1 - dueMs)

function note(ops: Ops, noted: Noted): void {
  const { clock, dueMs, key } = noted
  const known = ops.get(key)
  if (known instanceof Map) known.set(placeOf(clock, dueMs), noted)
  else if (known === undefined || (known.dueMs === dueMs && known.clock === clock)) ops.set(key, noted)
  else ops.set(key, new Map([[placeOf(known.clock, known.dueMs), known]]).set(placeOf(clock, dueMs), noted))
}

function allOf(ops: Ops): Noted[] {
  const all: Noted[] = []
  for (const of of ops.values())
    if (of instanceof Map) for (const noted of of.values()) all.push(noted)
    else all.push(of)
  return all
}

const isBefore = (a: DueEntry, b: DueEntry): boolean => a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.key < b.key)
const isSame = (a: DueEntry, b: DueEntry): boolean => a.dueMs === b.dueMs && a.key === b.key

/** Entries by one clock: a heap of those in memory, and the next ones of the store. */
class ClockEntries {
  /** Whether what was popped last was there once, in memory. */
  wasOnly = false
  readonly #heap: Entry[] = []
  /** More than so many are worth looking through. */
  #few: number
  /** Of the store, in their order; those before `#at` were popped. */
  #read: readonly DueEntry[] = []
  #at = 0
  /** Whether the store has none after them. */
  #isEnd = false
  /** Behind it the store is read on. */
  #after: DueEntry | undefined
  /** The latest that the store had when its end was read first; Infinity: that is not known yet. */
  #foundToMs = Infinity
  /** The latest that it was told of. */
  #toldToMs = -Infinity

  constructor(
    private readonly clock: DueClock,
    private readonly load: LoadDues,
    private readonly limits: DueLimits,
  ) {
    this.#few = limits.few
  }

  /** Whether the store may have entries of that time: it has none later than what it had, or was told of. */
  storeMayHave(dueMs: number): boolean {
    return dueMs <= this.#foundToMs || dueMs <= this.#toldToMs
  }

  /** The store is told of an entry of that time. */
  told(dueMs: number): void {
    if (dueMs > this.#toldToMs) this.#toldToMs = dueMs
  }

  least(): DueEntry | undefined {
    if (this.#at === this.#read.length && !this.#isEnd) this.#readOn()
    const [one, other] = [this.#heap[0], this.#read[this.#at]]
    if (one === undefined || other === undefined) return one ?? other
    return isBefore(other, one) ? other : one
  }

  /**
   * It may be here several times: in the store, for a timer and from where an earlier one has moved. Each that stayed would move on, and
   * with ten thousand timers of a key there would soon be as many of each.
   */
  pop(): Entry | undefined {
    const least = this.least()
    if (least === undefined) return undefined
    let entry: Entry | undefined
    let times = 0
    for (let next: DueEntry | undefined = least; next !== undefined && isSame(next, least); next = this.least()) {
      times++
      if (next === this.#read[this.#at]) {
        this.#at++
        this.#after = next
        times++
      } else {
        const popped = this.#popHeap()
        // If it is rolled back, it is the one that the store does not have which counts.
        if (entry === undefined || popped?.isWaiting === true) entry = popped
      }
    }
    this.wasOnly = times === 1
    const { dueMs, key } = least
    return entry ?? { op: 'put', clock: this.clock, dueMs, key, isWaiting: false, isGone: false }
  }

  push(entry: Entry): void {
    this.#heap.push(entry)
    this.#rise(this.#heap.length - 1)
  }

  /** Those that the store has are not needed here. */
  forgetStored(): void {
    if (this.#heap.length < this.#few) return
    // What is at or before the place where the store is read on would not be read again.
    const after = this.#after
    const kept = this.#heap.filter((entry) => entry.isWaiting || (after !== undefined && !isBefore(after, entry)))
    this.#heap.length = 0
    for (const entry of kept) this.push(entry)
    this.#few = Math.max(this.limits.few, kept.length * 2)
    this.#read = []
    this.#at = 0
    this.#isEnd = false
  }

  #readOn(): void {
    this.#read = this.load(this.clock, this.#after, this.limits.readAtOnce)
    this.#at = 0
    this.#isEnd = this.#read.length < this.limits.readAtOnce
    if (!this.#isEnd || this.#foundToMs !== Infinity) return
    this.#foundToMs = (this.#read.at(-1) ?? this.#after)?.dueMs ?? -Infinity
  }

  /** The last one takes the place of the least: of two below a place that is free the lesser one comes up, down to where it belongs. */
  #popHeap(): Entry | undefined {
    const heap = this.#heap
    const least = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return least
    let at = 0
    for (let child = 1; child < heap.length; child = at * 2 + 1) {
      const [left, right] = [heap[child], heap[child + 1]]
      const isRight = left !== undefined && right !== undefined && isBefore(right, left)
      const up = isRight ? right : left
      if (up === undefined) break
      heap[at] = up
      at = isRight ? child + 1 : child
    }
    // It comes from the bottom, so it mostly belongs there.
    heap[at] = last
    this.#rise(at)
    return least
  }

  #rise(from: number): void {
    const heap = this.#heap
    const entry = heap[from]
    if (entry === undefined) return
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (above === undefined || !isBefore(entry, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = entry
  }
}
