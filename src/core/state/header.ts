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

/** Of what has no timers. */
const NO_TIMERS: readonly TimerEntry[] = Object.freeze([])

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
  /** As a header has them, from the first on: whoever packs them notes it down here, where there are many. */
  readonly packed?: Partial<Record<DueClock, Uint8Array | undefined>> | undefined
}

/** From so many on it pays to note down what timers are packed, and to look one up instead of looking for it. */
export const MANY_TIMERS = 16

export interface Header extends Times {
  /** 0: it has been through none. */
  readonly version: number
}

export const NO_TIMES: Times = Object.freeze({ endsMs: 0, time: NO_TIMERS, wall: NO_TIMERS })

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
  time = NO_TIMERS,
  wall = NO_TIMERS,
}: Pick<Header, 'version'> & Partial<Times>): Uint8Array {
  const writer = new HeaderWriter()
  const length = writer.write(version, { endsMs, time, wall })
  return writer.bytes.subarray(0, length)
}

/** Writes one header after the other in the same piece of memory. */
export class HeaderWriter {
  readonly #writer = new Writer()

  /** What was written last begins here. */
  get bytes(): Uint8Array {
    return this.#writer.bytes
  }

  /** Returns how many bytes it takes. */
  write(version: number, { endsMs, time, wall, packed }: Times): number {
    const flags =
      (version > 0 ? VERSION : 0) |
      (endsMs > 0 ? ENDS : 0) |
      (time.length > 0 ? TIMERS : 0) |
      (wall.length > 0 ? WALL_TIMERS : 0)
    const writer = this.#writer
    writer.begin()
    if (flags === 0) return 0
    writer.byte(HEADER)
    writer.byte(flags)
    if (version > 0) writer.varint(version)
    if (endsMs > 0) writer.varint(endsMs)
    this.#timers(time, 'time', packed)
    this.#timers(wall, 'wall', packed)
    return writer.length
  }

  #timers(timers: readonly TimerEntry[], clock: DueClock, packed: Times['packed']): void {
    if (timers.length === 0) return
    const writer = this.#writer
    writer.varint(timers.length)
    const there = packed?.[clock]
    if (there !== undefined) {
      writer.raw(there)
      return
    }
    const from = writer.length
    for (const { dueMs, name, id } of timers) {
      writer.varint(dueMs)
      writer.text(name)
      writer.text(id)
    }
    if (packed !== undefined && timers.length > MANY_TIMERS)
      packed[clock] = Uint8Array.from(writer.bytes.subarray(from, writer.length))
  }
}

/** How many bytes the first timer takes. */
export function firstTimerBytes(packed: Uint8Array): number {
  const reader = new Reader(packed, 0, packed.length)
  reader.pass()
  return reader.at
}

/** Whether the packed state object in bytes[start, end) has times. */
export const hasTimes = (bytes: Uint8Array, start: number, end: number): boolean =>
  end - start > 1 && bytes[start] === HEADER && ((bytes[start + 1] ?? 0) & ~VERSION) !== 0

/**
 * Of the packed state object in bytes[start, end), its times, with of the timers by each clock the first alone: looks at no others where
 * it can. No times where the header can't be read. Never throws.
 */
export function readNextTimes(bytes: Uint8Array, start: number, end: number): Times {
  if (!hasTimes(bytes, start, end)) return NO_TIMES
  const flags = bytes[start + 1] ?? 0
  if (flags > KNOWN) return NO_TIMES
  const reader = new Reader(bytes, start + 2, end)
  if ((flags & VERSION) !== 0) reader.varint()
  const endsMs = (flags & ENDS) === 0 ? 0 : (reader.varint() ?? 0)
  const time = (flags & TIMERS) === 0 ? NO_TIMERS : reader.timers(1, (flags & WALL_TIMERS) === 0)
  const wall = (flags & WALL_TIMERS) === 0 ? NO_TIMERS : reader.timers(1, true)
  return reader.hasFailed ? NO_TIMES : { endsMs, time, wall }
}

/**
 * Of the packed state object in bytes[start, end). `most`: of the timers by each clock, how many are wanted, from the first on; the
 * others are passed over, and not looked at. Never throws.
 */
export function readHeader(bytes: Uint8Array, start: number, end: number, most = Infinity): ReadHeader {
  if (start >= end || bytes[start] !== HEADER) return { kind: 'known', header: { version: 0, ...NO_TIMES }, end: start }
  const reader = new Reader(bytes, start + 1, end)
  const flags = reader.varint()
  if (flags === undefined || flags === 0) return damaged
  if (flags > KNOWN) return { kind: 'unknown', flags }
  const version = (flags & VERSION) === 0 ? 0 : (reader.varint() ?? 0)
  const endsMs = (flags & ENDS) === 0 ? 0 : (reader.varint() ?? 0)
  const time = (flags & TIMERS) === 0 ? NO_TIMERS : reader.timers(most)
  const wall = (flags & WALL_TIMERS) === 0 ? NO_TIMERS : reader.timers(most)
  const isWhole =
    !reader.hasFailed && version > 0 === ((flags & VERSION) !== 0) && endsMs > 0 === ((flags & ENDS) !== 0)
  if (!isWhole) return damaged
  return { kind: 'known', header: { version, endsMs, time, wall }, end: reader.at }
}

const damaged: ReadHeader = { kind: 'damaged' }

/** The longest varint. */
const MAX_VARINT_BYTES = 8
/** Memory that a long header took is not kept for the next. */
const MAX_KEPT_BYTES = 1 << 20
/** Up to here, texts are copied character by character: calls into Buffer cost more. */
const SHORT_TEXT = 40

class Writer {
  #bytes = Buffer.allocUnsafeSlow(64)
  #at = 0

  begin(): void {
    this.#at = 0
    if (this.#bytes.length > MAX_KEPT_BYTES) this.#bytes = Buffer.allocUnsafeSlow(64)
  }

  get bytes(): Uint8Array {
    return this.#bytes
  }
  /** Of what is written. */
  get length(): number {
    return this.#at
  }

  raw(bytes: Uint8Array): void {
    this.#makeRoom(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
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
    if (value.length <= SHORT_TEXT && this.#ascii(value)) return
    const length = Buffer.byteLength(value)
    this.varint(length)
    this.#makeRoom(length)
    this.#at += this.#bytes.write(value, this.#at)
  }

  /** Whether it is: with the length that it then has in front of it. */
  #ascii(value: string): boolean {
    this.#makeRoom(SHORT_TEXT + 1)
    const bytes = this.#bytes
    let at = this.#at
    bytes[at++] = value.length
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i)
      if (code > 0x7f) return false
      bytes[at++] = code
    }
    this.#at = at
    return true
  }

  #makeRoom(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + bytes))
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

  /** There is one at least. `andEnds`: what comes after the first `most` is not passed over. */
  timers(most: number, andEnds = false): readonly TimerEntry[] {
    const found: TimerEntry[] = []
    const count = this.varint() ?? 0
    if (count === 0) this.hasFailed = true
    for (let i = 0; i < count && !this.hasFailed; i++) {
      if (i >= most) {
        if (andEnds) break
        this.pass()
        continue
      }
      const entry = { dueMs: this.varint() ?? 0, name: this.#text(), id: this.#text() }
      const before = found.at(-1)
      if (before !== undefined && compareTimers(before, entry) >= 0) this.hasFailed = true
      found.push(entry)
    }
    return found
  }

  /** A timer. */
  pass(): void {
    this.varint()
    this.#length()
    this.#length()
  }

  #text(): string {
    const length = this.#length()
    const [start, end] = [this.at - length, this.at]
    const text = asciiText(this.bytes, start, end)
    if (text !== undefined) return text
    const value = Buffer.from(this.bytes.buffer, this.bytes.byteOffset + start, length).toString()
    if (!isUtf8Of(value, this.bytes, start, end)) this.hasFailed = true
    return value
  }

  /** Of a text, which is passed. */
  #length(): number {
    const length = this.varint() ?? 0
    if (this.hasFailed || this.at + length > this.end) {
      this.hasFailed = true
      return 0
    }
    this.at += length
    return length
  }
}

/** Undefined for what is none, or long. */
function asciiText(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end - start > SHORT_TEXT) return undefined
  let text = ''
  for (let i = start; i < end; i++) {
    const byte = bytes[i] ?? 0
    if (byte > 0x7f) return undefined
    text += String.fromCharCode(byte)
  }
  return text
}
