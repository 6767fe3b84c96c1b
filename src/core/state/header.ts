/**
 * What stands in front of a packed state object where there is more to say of it than its fields:
 *
 *     Packed => [Header] Body                  Body: see packing.ts
 *       Header => 0xc0 Flags Field*
 *         Flags  => varint; bit n is set where field n is there
 *         Field  => in the order of their bits
 *           0: varint, the version: how many upgrades the state object has been through, 1 or more
 *           1: varint, when its time to live ends, or of windows, when the next of them closes, ms since the epoch, 1 or more
 *           2: Timers, those that go by the task's time
 *           3: Timers, those that go by the wall clock
 *         Timers => Count (Due Name Id)*       one or more, in the order of due, name and id
 *           Count, Due => varint
 *           Name, Id   => Length Bytes         Length: varint; Bytes: UTF-8
 *         varint => unsigned LEB128, in its shortest form, at most 2^53 - 1
 *
 * 0xc0 is MessagePack's nil, with which no body begins.
 *
 * Invariants
 * 1. Where there is nothing to say there is no header: what is of version 0 and has no times has the bytes that it had before
 *    there were any.
 * 2. The same header has the same bytes, and no others: what `encodeHeader` would not have written is `damaged`.
 * 3. What is not known is `unknown`, never passed over: whoever passed over a field would write the state object back without it.
 */
import { isUtf8Of } from '../records/byte-string.js'

export const HEADER = 0xc0

const VERSION = 1
const ENDS = 2
const TIMERS = 4
const WALL_TIMERS = 8
const KNOWN = VERSION | ENDS | TIMERS | WALL_TIMERS

/** By what something is due: the task's time, or the worker's clock. */
export type DueClock = 'time' | 'wall'

export interface TimerEntry {
  /** ms since the epoch, 0 or more. */
  readonly dueMs: number
  readonly name: string
  readonly id: string
}

/** The times of a state object. */
export interface Times {
  /** When its time to live ends, or the next of its windows closes, ms since the epoch; 0: never. */
  readonly endsMs: number
  /** In the order of `compareTimers`. */
  readonly time: readonly TimerEntry[]
  readonly wall: readonly TimerEntry[]
}

export interface Header extends Times {
  /** 0: it has been through none. */
  readonly version: number
}

export const NO_TIMES: Times = Object.freeze({ endsMs: 0, time: [], wall: [] })

export const compareTimers = (a: TimerEntry, b: TimerEntry): number =>
  a.dueMs - b.dueMs || compareTexts(a.name, b.name) || compareTexts(a.id, b.id)
const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** `end`: where the body begins. */
export type ReadHeader =
  | { readonly kind: 'known'; readonly header: Header; readonly end: number }
  | { readonly kind: 'unknown'; readonly flags: number }
  | { readonly kind: 'damaged' }

/** Nothing for what has nothing to say. */
export function encodeHeader({
  version,
  endsMs = 0,
  time = [],
  wall = [],
}: Pick<Header, 'version'> & Partial<Times>): Uint8Array {
  const flags =
    (version > 0 ? VERSION : 0) |
    (endsMs > 0 ? ENDS : 0) |
    (time.length > 0 ? TIMERS : 0) |
    (wall.length > 0 ? WALL_TIMERS : 0)
  if (flags === 0) return new Uint8Array()
  const writer = new Writer()
  writer.byte(HEADER)
  writer.byte(flags)
  if (version > 0) writer.varint(version)
  if (endsMs > 0) writer.varint(endsMs)
  for (const timers of [time, wall]) {
    if (timers.length === 0) continue
    writer.varint(timers.length)
    for (const { dueMs, name, id } of timers) {
      writer.varint(dueMs)
      writer.text(name)
      writer.text(id)
    }
  }
  return writer.written
}

/** Whether the packed state object in bytes[start, end) has times. */
export const hasTimes = (bytes: Uint8Array, start: number, end: number): boolean =>
  end - start > 1 && bytes[start] === HEADER && ((bytes[start + 1] ?? 0) & ~VERSION) !== 0

/** Of the packed state object in bytes[start, end). Never throws. */
export function readHeader(bytes: Uint8Array, start: number, end: number): ReadHeader {
  if (start >= end || bytes[start] !== HEADER) return { kind: 'known', header: { version: 0, ...NO_TIMES }, end: start }
  const reader = new Reader(bytes, start + 1, end)
  const flags = reader.varint()
  if (flags === undefined || flags === 0) return damaged
  if (flags > KNOWN) return { kind: 'unknown', flags }
  const version = (flags & VERSION) === 0 ? 0 : (reader.varint() ?? 0)
  const endsMs = (flags & ENDS) === 0 ? 0 : (reader.varint() ?? 0)
  const time = (flags & TIMERS) === 0 ? [] : reader.timers()
  const wall = (flags & WALL_TIMERS) === 0 ? [] : reader.timers()
  const isWhole =
    !reader.hasFailed &&
    version > 0 === ((flags & VERSION) !== 0) &&
    endsMs > 0 === ((flags & ENDS) !== 0) &&
    time.length > 0 === ((flags & TIMERS) !== 0) &&
    wall.length > 0 === ((flags & WALL_TIMERS) !== 0)
  if (!isWhole) return damaged
  return { kind: 'known', header: { version, endsMs, time, wall }, end: reader.at }
}

const damaged: ReadHeader = { kind: 'damaged' }

/** The longest varint. */
const MAX_VARINT_BYTES = 8

class Writer {
  #bytes = Buffer.allocUnsafe(64)
  #at = 0

  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  byte(value: number): void {
    this.#makeRoom(1)
    this.#bytes[this.#at++] = value
  }

  /** Without bit operations, which end at 32 bits. */
  varint(value: number): void {
    this.#makeRoom(MAX_VARINT_BYTES)
    let left = value
    for (; left > 0x7f; left = Math.floor(left / 0x80)) this.#bytes[this.#at++] = (left % 0x80) + 0x80
    this.#bytes[this.#at++] = left
  }

  text(value: string): void {
    const length = Buffer.byteLength(value)
    this.varint(length)
    this.#makeRoom(length)
    this.#at += this.#bytes.write(value, this.#at)
  }

  #makeRoom(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + bytes))
    this.#bytes.copy(grown, 0, 0, this.#at)
    this.#bytes = grown
  }
}

class Reader {
  hasFailed = false

  constructor(
    private readonly bytes: Uint8Array,
    public at: number,
    private readonly end: number,
  ) {}

  /** Undefined for what is cut off, too large, or longer than it had to be. */
  varint(): number | undefined {
    let value = 0
    let scale = 1
    const start = this.at
    for (let at = start; at < this.end; at++, scale *= 0x80) {
      const byte = this.bytes[at] ?? 0
      value += (byte & 0x7f) * scale
      if (value > Number.MAX_SAFE_INTEGER) break
      if (byte > 0x7f) continue
      if (byte === 0 && at > start) break
      this.at = at + 1
      return value
    }
    this.hasFailed = true
    return undefined
  }

  timers(): readonly TimerEntry[] {
    const found: TimerEntry[] = []
    const count = this.varint() ?? 0
    for (let i = 0; i < count && !this.hasFailed; i++) {
      const entry = { dueMs: this.varint() ?? 0, name: this.#text(), id: this.#text() }
      const before = found.at(-1)
      if (before !== undefined && compareTimers(before, entry) >= 0) this.hasFailed = true
      found.push(entry)
    }
    return found
  }

  #text(): string {
    const length = this.varint() ?? 0
    const [start, end] = [this.at, this.at + length]
    if (this.hasFailed || end > this.end) {
      this.hasFailed = true
      return ''
    }
    this.at = end
    const value = Buffer.from(this.bytes.buffer, this.bytes.byteOffset + start, length).toString()
    if (!isUtf8Of(value, this.bytes, start, end)) this.hasFailed = true
    return value
  }
}
