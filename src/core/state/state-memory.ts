/**
 * Packed state objects in memory, beside the JavaScript heap: a million of them is a few hundred pieces of memory for the
 * garbage collector, not several million objects, and to find one touches two cache lines instead of ten.
 *
 * A record has a place, a whole number that is good until the next `add`, or `put` of the same record:
 *
 *     Record => Header Key Value
 *       Header => eight words, see below
 *       Key    => the store key
 *       Value  => as many bytes as VALUE_BYTES says, and room for as many as CAPACITY says
 *
 * Bounded by two generations: what was not asked for during a whole generation is forgotten, unless the store does not have
 * it yet, or a message of the current interval works on it. A generation that is forgotten is gone through bit by bit while
 * records are added: until then it is `leaving`.
 *
 * Invariants
 * 1. A record that was found is in the young generation; so is every one with a live object.
 * 2. A record of the old generation that came to the young one, or moved within its generation, is DEAD where it was.
 * 3. A record of a batch that the store does not have (`stored`) is never forgotten.
 * 4. No call does work that grows with the number of records: a table of slots that is too small and a generation that
 *    leaves are worked off by the calls that follow, so many steps each. (`steps` counts them, for tests.)
 */
import { bytesOf, writeByteString, type ByteString } from '../records/byte-string.js'
import { copyBytes, sameBytes } from '../records/copy-bytes.js'
import { storeKeyOf } from './store-key.js'

const HASH = 0
/** Of the prefix the number, in the upper half, and of the whole store key the length. */
const KEY = 1
/** ABSENT: there is no such state object. DEAD: the record is elsewhere. */
const VALUE_BYTES = 2
const CAPACITY = 3
/** Number of the live object, from 1; 0: there is none. */
const LIVE = 4
/** The last batch for the store that the record is in, and where in it. */
const BATCH = 5
const PART = 6
const CHANGE = 7
const HEADER_WORDS = 8
const HEADER_BYTES = HEADER_WORDS * 4

const ABSENT = -1
const DEAD = -2

/** A cache line of the processor. */
const LINE_WORDS = 16
/** How many keys `prefetch` takes at once. */
export const MAX_AHEAD = 16

/** No place. */
export const NOWHERE = 0

/** Of a key without its prefix, so that KEY can hold both. No store takes one of a tenth of that. */
const MOST_KEY_BYTES = 0x7fff

/** Places are in units of so many bytes. */
const UNIT_BYTES = 8
/** Units of a segment, as a power of two: 1 MiB. */
const SEGMENT_SHIFT = 17
const SEGMENT_BYTES = UNIT_BYTES << SEGMENT_SHIFT
const UNIT_MASK = (1 << SEGMENT_SHIFT) - 1
/** The first segment; each is twice as large as the one before, up to SEGMENT_BYTES. A record that is larger has one of its own. */
const FIRST_SEGMENT_BYTES = 8192
/** Places are whole numbers of 31 bits. */
const MAX_SEGMENTS = 1 << (31 - SEGMENT_SHIFT)
const FIRST_SLOTS = 64
/** How many slots each new record moves from a table that has become too small: 1.5 would be in time. */
const SLOTS_MOVED = 8
/** How many records of a leaving generation each new one goes over, and one more for so many of its bytes: no less is freed. */
const RECORDS_LEFT = 4
const BYTES_PER_RECORD_LEFT = 32
/** So many live objects may have to be carried over at once. Where there are more, the next interval is waited for. */
const MAX_LIVE_CARRIED = 256
/** Room for a value to grow in its place. */
const MAX_SPARE_BYTES = 256

/** The names of state objects in front of their keys, and what belongs to all of them. */
export class KeyPrefix {
  readonly bytes: Buffer
  /** What the hash of a key begins with. */
  readonly seed: number
  /** A new record gets room for as much. */
  typicalBytes = 0

  /**
   * `number`: no two have the same, 0 to 32,767. `secret`: without it, keys that all have one hash are easily made up.
   */
  constructor(
    readonly number: number,
    name: string,
    secret: string,
  ) {
    this.bytes = bytesOf(storeKeyOf(name, ''))
    const salt = Buffer.from(secret)
    this.seed = mix(mix(FNV_OFFSET, salt, 0, salt.length), this.bytes, 0, this.bytes.length)
  }
}

/** FNV-1a: see http://www.isthe.com/chongo/tech/comp/fnv. */
const FNV_OFFSET = 0x811c9dc5 | 0
const FNV_PRIME = 0x01000193
function mix(hash: number, bytes: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), FNV_PRIME)
  return hash
}

/** Its low bits choose the slot, so all others have to go into them. */
function hashOf(prefix: KeyPrefix, bytes: Uint8Array, start: number, end: number): number {
  let hash = mix(prefix.seed, bytes, start, end)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return hash ^ (hash >>> 13)
}

const keyWord = (prefix: KeyPrefix, keyBytes: number): number =>
  (prefix.number << 16) | (prefix.bytes.length + keyBytes)

/** From so many bytes on, what is looked for lies in no cache of the processor. */
const LARGE_BYTES = 16 << 20

const EMPTY_BYTES = Buffer.alloc(0)
const EMPTY_WORDS = new Int32Array(0)

class Generation {
  readonly segments: Buffer[] = []
  readonly words: Int32Array[] = []
  /** Units that are used, of each segment but the last. */
  readonly #ends: number[] = []
  #recordBytes = 0
  /** Open addressing; two words each: hash and place. */
  #slots = new Int32Array(FIRST_SLOTS * 2)
  #mask = FIRST_SLOTS - 1
  #count = 0
  /** The table before, while its slots move to the other: those below #moved have. What moved stands in both. */
  #former: Int32Array | undefined
  #moved = 0
  /** In the last segment: units that are used, and those that there are. */
  #used = 0
  #units = 0
  /** Where `next` is. */
  #nextSegment = 0
  #nextUnit = 1
  steps = 0
  /** Records that went to another generation. */
  gone = 0

  /** Memory that is used. */
  get bytes(): number {
    return this.#recordBytes + this.#slots.byteLength + (this.#former?.byteLength ?? 0)
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** Records that are here, and whose keys need not have a state object. */
  get records(): number {
    return this.#count - this.gone
  }

  find(hash: number, prefix: KeyPrefix, key: Buffer, start: number, end: number): number {
    const slots = this.#slots
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const place = slots[slot * 2 + 1] ?? NOWHERE
      if (place === NOWHERE)
        return this.#former === undefined ? NOWHERE : this.#findIn(this.#former, hash, prefix, key, start, end)
      if (slots[slot * 2] === hash && this.#isKey(place, prefix, key, start, end)) return place
    }
  }

  #findIn(slots: Int32Array, hash: number, prefix: KeyPrefix, key: Buffer, start: number, end: number): number {
    const mask = (slots.length >> 1) - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const place = slots[slot * 2 + 1] ?? NOWHERE
      if (place === NOWHERE) return NOWHERE
      if (slots[slot * 2] === hash && this.#isKey(place, prefix, key, start, end)) return place
    }
  }

  /** Whatever `find` would look at first. */
  candidate(hash: number): number {
    const slots = this.#slots
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const place = slots[slot * 2 + 1] ?? NOWHERE
      if (place === NOWHERE || slots[slot * 2] === hash) return place
    }
  }

  #isKey(place: number, prefix: KeyPrefix, key: Buffer, start: number, end: number): boolean {
    const words = this.words[place >>> SEGMENT_SHIFT] ?? EMPTY_WORDS
    const at = (place & UNIT_MASK) * 2
    if (words[at + KEY] !== keyWord(prefix, end - start) || words[at + VALUE_BYTES] === DEAD) return false
    const bytes = this.segments[place >>> SEGMENT_SHIFT] ?? EMPTY_BYTES
    const keyAt = at * 4 + HEADER_BYTES + prefix.bytes.length
    return sameBytes(bytes, keyAt, keyAt + end - start, key, start, end)
  }

  /** A place for a record with that hash, found by it from now on. */
  take(hash: number, bytes: number): number {
    const place = this.allot(bytes)
    if (this.#former !== undefined) this.#moveSlots(this.#former, SLOTS_MOVED)
    if (++this.#count * 3 > (this.#mask + 1) * 2) this.#growSlots()
    this.#insert(hash, place)
    return place
  }

  /** Whoever looks for the one finds the other. */
  redirect(hash: number, from: number, to: number): void {
    if (!redirectIn(this.#slots, hash, from, to) && this.#former !== undefined) redirectIn(this.#former, hash, from, to)
  }

  allot(bytes: number): number {
    const units = unitsFor(bytes)
    if (this.#used + units > this.#units) this.#addSegment(units * UNIT_BYTES)
    const place = ((this.segments.length - 1) << SEGMENT_SHIFT) | this.#used
    this.#used += units
    this.#recordBytes += units * UNIT_BYTES
    return place
  }

  /** Goes over all records, DEAD ones among them: the place of the next; NOWHERE after the last. Frees what lies after it. */
  next(): number {
    for (;;) {
      const segment = this.#nextSegment
      const words = this.words[segment]
      if (words === undefined) return NOWHERE
      const unit = this.#nextUnit
      if (unit < (this.#ends[segment] ?? this.#used)) {
        const place = (segment << SEGMENT_SHIFT) | unit
        this.#nextUnit += unitsFor(recordBytesAt(this, place))
        return place
      }
      this.segments[segment] = EMPTY_BYTES
      this.words[segment] = EMPTY_WORDS
      this.#nextSegment++
      this.#nextUnit = 0
    }
  }

  #addSegment(least: number): void {
    const size = Math.max(
      least + UNIT_BYTES,
      Math.min(SEGMENT_BYTES, FIRST_SEGMENT_BYTES << Math.min(this.segments.length, 16)),
    )
    const segment = Buffer.allocUnsafeSlow(size)
    if (this.segments.length > 0) this.#ends.push(this.#used)
    this.segments.push(segment)
    this.words.push(new Int32Array(segment.buffer, 0, size >> 2))
    // place 0 is none
    this.#used = this.segments.length === 1 ? 1 : 0
    this.#units = size / UNIT_BYTES
  }

  #growSlots(): void {
    // in time, or nearly so
    if (this.#former !== undefined) this.#moveSlots(this.#former, this.#former.length)
    const former = this.#slots
    this.#slots = new Int32Array(former.length * 2)
    this.#mask = former.length - 1
    this.#former = former
    this.#moved = 0
    this.#moveSlots(former, SLOTS_MOVED)
  }

  #moveSlots(former: Int32Array, count: number): void {
    const end = Math.min(this.#moved + 2 * count, former.length)
    this.steps += (end - this.#moved) >> 1
    for (let i = this.#moved; i < end; i += 2) {
      const place = former[i + 1] ?? NOWHERE
      if (place !== NOWHERE) this.#insert(former[i] ?? 0, place)
    }
    this.#moved = end
    if (end === former.length) this.#former = undefined
  }

  #insert(hash: number, place: number): void {
    const slots = this.#slots
    let slot = hash & this.#mask
    while (slots[slot * 2 + 1] !== NOWHERE) slot = (slot + 1) & this.#mask
    slots[slot * 2] = hash
    slots[slot * 2 + 1] = place
  }
}

/** Of a record that was allotted once, be it DEAD by now. */
function recordBytesAt({ words }: Generation, place: number): number {
  const at = (place & UNIT_MASK) * 2
  const own = words[place >>> SEGMENT_SHIFT] ?? EMPTY_WORDS
  return HEADER_BYTES + ((own[at + KEY] ?? 0) & 0xffff) + (own[at + CAPACITY] ?? 0)
}

/** A record as it lies in memory. */
export interface Peeked {
  readonly bytes: Buffer
  readonly valueStart: number
  /** Below zero: there is no such state object. */
  readonly valueBytes: number
  /** Number of the live object, from 1; 0: there is none. */
  readonly live: number
  readonly batch: number
  /** In that batch. */
  readonly part: number
}

function peeked({ segments, words }: Generation, place: number): Peeked {
  const own = words[place >>> SEGMENT_SHIFT] ?? EMPTY_WORDS
  const at = (place & UNIT_MASK) * 2
  return {
    bytes: segments[place >>> SEGMENT_SHIFT] ?? EMPTY_BYTES,
    valueStart: at * 4 + HEADER_BYTES + ((own[at + KEY] ?? 0) & 0xffff),
    valueBytes: own[at + VALUE_BYTES] ?? ABSENT,
    live: own[at + LIVE] ?? 0,
    batch: own[at + BATCH] ?? 0,
    part: own[at + PART] ?? 0,
  }
}

const unitsFor = (bytes: number): number => Math.ceil(bytes / UNIT_BYTES)

/** Whether the one was there. */
function redirectIn(slots: Int32Array, hash: number, from: number, to: number): boolean {
  const mask = (slots.length >> 1) - 1
  for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
    const place = slots[slot * 2 + 1] ?? NOWHERE
    if (place === NOWHERE) return false
    if (place !== from) continue
    slots[slot * 2 + 1] = to
    return true
  }
}

export class StateMemory {
  #young = new Generation()
  #old = new Generation()
  /** What is about to be forgotten: records that the store does not have yet are carried over first. */
  #leaving: Generation | undefined
  /** Bytes that the young generation did not get by being asked for them. */
  #carried = 0
  #steps = 0
  #storedBatch = 0
  #hasForgotten = false
  /** Of `prefetch`: hashes, then places. */
  readonly #ahead = new Int32Array(MAX_AHEAD)
  #prefetched = 0

  constructor(
    /** About, now. More are taken while the store does not have them yet. */
    private readonly maxBytes: () => number,
    /** Calls `carry` with the place of each record that has a live object, and notes down the place that it gives. */
    private readonly eachLive: (carry: (place: number) => number) => void,
    /** How many records have a live object. */
    private readonly liveCount: () => number,
  ) {}

  /** Slots moved and records gone over so far, beside what was asked for. */
  get steps(): number {
    return this.#steps + this.#young.steps
  }

  /** Keys in memory. */
  get records(): number {
    return this.#young.records + this.#old.records + (this.#leaving?.records ?? 0)
  }

  /** What they take. */
  get bytes(): number {
    return this.#young.bytes + this.#old.bytes + (this.#leaving?.bytes ?? 0)
  }

  /** Whether something was ever forgotten. */
  get hasForgotten(): boolean {
    return this.#hasForgotten
  }

  /** The record of the key in key[start, end), or NOWHERE. */
  find(prefix: KeyPrefix, key: Buffer, start: number, end: number): number {
    if (end - start > MOST_KEY_BYTES) return NOWHERE
    const hash = hashOf(prefix, key, start, end)
    const young = this.#young.find(hash, prefix, key, start, end)
    if (young !== NOWHERE) return young
    const old = this.#old.find(hash, prefix, key, start, end)
    if (old !== NOWHERE) return this.#fetch(this.#old, old)
    const leaving = this.#leaving
    const place = leaving?.find(hash, prefix, key, start, end) ?? NOWHERE
    return leaving === undefined || place === NOWHERE ? NOWHERE : this.#fetch(leaving, place)
  }

  /** The record of a key, for read-only use: nothing moves, and it does not count as used. Valid until the next call. */
  peek(prefix: KeyPrefix, key: Buffer, start: number, end: number): Peeked | undefined {
    if (end - start > MOST_KEY_BYTES) return undefined
    const hash = hashOf(prefix, key, start, end)
    for (const generation of [this.#young, this.#old, this.#leaving]) {
      const place = generation?.find(hash, prefix, key, start, end) ?? NOWHERE
      if (generation !== undefined && place !== NOWHERE) return peeked(generation, place)
    }
    return undefined
  }

  /**
   * Looks for several records that are about to be asked for, `count` keys in `bytes`, start and end of each in `keys`. The
   * processor then waits for memory once for all of them, not three times for each. Changes nothing. Pays when `isLarge`.
   */
  prefetch(prefix: KeyPrefix, bytes: Buffer, keys: Int32Array, count: number): void {
    const ahead = this.#ahead
    const young = this.#young
    // One kind of access at a time: the shorter the loop, the more of them are under way at once.
    for (let i = 0; i < count; i++) ahead[i] = hashOf(prefix, bytes, keys[i * 2] ?? 0, keys[i * 2 + 1] ?? 0)
    for (let i = 0; i < count; i++) ahead[i] = young.candidate(ahead[i] ?? 0)
    let sum = 0
    for (let i = 0; i < count; i++) {
      const place = ahead[i] ?? NOWHERE
      const words = young.words[place >>> SEGMENT_SHIFT] ?? EMPTY_WORDS
      const at = (place & UNIT_MASK) * 2
      sum += (words[at + KEY] ?? 0) + (words[at + LINE_WORDS] ?? 0)
    }
    // Kept, or the compiler would leave it out.
    this.#prefetched = sum | 0
  }

  /** Whether `prefetch` pays. */
  get isLarge(): boolean {
    return this.#young.bytes >= LARGE_BYTES
  }

  /** Adds the record of a key that has none; `value` undefined: there is no such state object. */
  add(prefix: KeyPrefix, key: Buffer, start: number, end: number, value: ByteString | undefined): number {
    if (this.#isFull()) this.#turn()
    const young = this.#young
    const hash = hashOf(prefix, key, start, end)
    const keyBytes = prefix.bytes.length + end - start
    const capacity = Math.max(value?.length ?? 0, Math.min(prefix.typicalBytes, MAX_SPARE_BYTES))
    const recordBytes = HEADER_BYTES + keyBytes + capacity
    const place = young.take(hash, recordBytes)
    const words = young.words[place >>> SEGMENT_SHIFT] ?? EMPTY_WORDS
    const at = (place & UNIT_MASK) * 2
    words[at + HASH] = hash
    words[at + KEY] = keyWord(prefix, end - start)
    words[at + VALUE_BYTES] = value?.length ?? ABSENT
    words[at + CAPACITY] = capacity
    words.fill(0, at + LIVE, at + HEADER_WORDS)
    const bytes = this.bytesOf(place)
    const middle = copyBytes(prefix.bytes, 0, prefix.bytes.length, bytes, at * 4 + HEADER_BYTES)
    const valueAt = copyBytes(key, start, end, bytes, middle)
    if (value !== undefined) writeByteString(value, bytes, valueAt)
    if (this.#leaving !== undefined) this.#leave(this.#leaving, recordBytes)
    return place
  }

  /** Where the record's key and value lie. */
  bytesOf(place: number): Buffer {
    return this.#young.segments[place >>> SEGMENT_SHIFT] ?? EMPTY_BYTES
  }
  keyStart(place: number): number {
    return (place & UNIT_MASK) * UNIT_BYTES + HEADER_BYTES
  }
  /** The value begins there. */
  keyEnd(place: number): number {
    return this.keyStart(place) + this.keyBytes(place)
  }
  keyBytes(place: number): number {
    return this.#word(place, KEY) & 0xffff
  }
  /** Below zero: there is no such state object. */
  valueBytes(place: number): number {
    return this.#word(place, VALUE_BYTES)
  }
  live(place: number): number {
    return this.#word(place, LIVE)
  }
  setLive(place: number, live: number): void {
    this.#setWord(place, LIVE, live)
  }

  /** The record's value is in value[start, end) from now on, undefined: it has none. Returns its place. */
  put(place: number, value: Uint8Array | undefined, start: number, end: number): number {
    if (value === undefined) {
      this.#setWord(place, VALUE_BYTES, ABSENT)
      return place
    }
    const length = end - start
    const at = length > this.#word(place, CAPACITY) ? this.#widen(place, length) : place
    this.#setWord(at, VALUE_BYTES, length)
    copyBytes(value, start, end, this.bytesOf(at), this.keyEnd(at))
    return at
  }

  /** Where in that batch the record is; -1: not in it. */
  partIn(batch: number, place: number): number {
    return this.#word(place, BATCH) === batch ? this.#word(place, PART) : -1
  }
  changeOf(place: number): number {
    return this.#word(place, CHANGE)
  }
  setBatch(place: number, batch: number, part: number, change: number): void {
    const words = this.#young.words[place >>> SEGMENT_SHIFT] ?? EMPTY_WORDS
    const at = (place & UNIT_MASK) * 2
    words[at + BATCH] = batch
    words[at + PART] = part
    words[at + CHANGE] = change
  }

  /** The store has all batches up to this one. */
  stored(batch: number): void {
    this.#storedBatch = batch
  }

  #word(place: number, which: number): number {
    return (this.#young.words[place >>> SEGMENT_SHIFT] ?? EMPTY_WORDS)[(place & UNIT_MASK) * 2 + which] ?? 0
  }
  #setWord(place: number, which: number, value: number): void {
    const words = this.#young.words[place >>> SEGMENT_SHIFT] ?? EMPTY_WORDS
    words[(place & UNIT_MASK) * 2 + which] = value
  }

  /** To a place in the same generation where the value has room, and a little more. */
  #widen(place: number, length: number): number {
    const young = this.#young
    const keyBytes = this.keyBytes(place)
    const capacity = length + Math.min(length >> 2, MAX_SPARE_BYTES)
    const to = young.allot(HEADER_BYTES + keyBytes + capacity)
    this.#copyRecord(young, place, to, HEADER_BYTES + keyBytes)
    this.#setWord(to, CAPACITY, capacity)
    this.#setWord(place, VALUE_BYTES, DEAD)
    young.redirect(this.#word(to, HASH), place, to)
    return to
  }

  /** What was found in another generation comes to the young one. */
  #fetch(from: Generation, place: number): number {
    const to = this.#carry(from, place)
    if (this.#leaving !== undefined) this.#leave(this.#leaving, recordBytesAt(this.#young, to))
    return to
  }

  /** From another generation to the young one. */
  #carry(from: Generation, place: number): number {
    const words = from.words[place >>> SEGMENT_SHIFT] ?? EMPTY_WORDS
    const at = (place & UNIT_MASK) * 2
    const bytes = recordBytesAt(from, place)
    const to = this.#young.take(words[at + HASH] ?? 0, bytes)
    this.#copyRecord(from, place, to, bytes)
    words[at + VALUE_BYTES] = DEAD
    from.gone++
    return to
  }

  #copyRecord(from: Generation, place: number, to: number, length: number): void {
    const start = (place & UNIT_MASK) * UNIT_BYTES
    const source = from.segments[place >>> SEGMENT_SHIFT] ?? EMPTY_BYTES
    copyBytes(source, start, start + length, this.bytesOf(to), (to & UNIT_MASK) * UNIT_BYTES)
  }

  #isFull(): boolean {
    const { bytes, segments } = this.#young
    if (segments.length >= MAX_SEGMENTS - 1) return true
    if (this.#leaving !== undefined) return false
    // As much again as had to be carried over at least, or there would be more carrying than anything else.
    const most = Math.max(this.maxBytes() / 2, this.#carried)
    const own = bytes - this.#carried
    return own >= most && (this.liveCount() <= MAX_LIVE_CARRIED || own >= most * 1.25)
  }

  #turn(): void {
    // nearly always there is none by now
    while (this.#leaving !== undefined) this.#leave(this.#leaving, SEGMENT_BYTES)
    const former = this.#old
    this.#hasForgotten ||= !former.isEmpty
    if (!former.isEmpty) this.#leaving = former
    const old = (this.#old = this.#young)
    this.#steps += old.steps
    this.#young = new Generation()
    this.eachLive((place) => this.#carry(old, place))
    this.#steps += this.liveCount()
    this.#carried = this.#young.bytes
  }

  /** Goes over a few records of a generation that leaves; what the store does not have comes to the young one. */
  #leave(leaving: Generation, bytes: number): void {
    for (let left = RECORDS_LEFT + Math.floor(bytes / BYTES_PER_RECORD_LEFT); left > 0; left--) {
      const place = leaving.next()
      if (place === NOWHERE) {
        this.#leaving = undefined
        return
      }
      this.#steps++
      const at = (place & UNIT_MASK) * 2
      const words = leaving.words[place >>> SEGMENT_SHIFT] ?? EMPTY_WORDS
      if (words[at + VALUE_BYTES] === DEAD || (words[at + BATCH] ?? 0) <= this.#storedBatch) continue
      this.#carried += recordBytesAt(leaving, place)
      this.#carry(leaving, place)
    }
  }
}
