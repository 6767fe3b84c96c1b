/**
 * The state objects of a task, and what messages of the current commit interval did to them.
 *
 * Some are live: objects that messages of this interval work on. When there are many, those that came first are packed
 * again, so that they die young: to the garbage collector a hundred thousand objects that live for a commit interval cost
 * more than all of the processing. Whatever changes in memory before the commit is noted down as it was.
 *
 * Invariants
 * 1. What is in memory, with what was noted down put back, is what the last collected commit holds (or the store, when it
 *    was loaded since).
 * 2. What a message of this interval touched, or a commit under way holds, or was committed and is not stored yet, is in
 *    memory: the store does not have it.
 * 3. What a message touched can be rolled back: the whole interval always (`rollBack`); one message when every message
 *    before it was settled (`settle`, careful mode), so that nothing else is live.
 * 4. Timers, and when its time to live ends, are in the header of a state object, so they change with it and are rolled back
 *    with it. When that ends is decided after each message, so that it does not depend on when commits are (`changed`).
 * 5. Whoever only reads gets a copy, and touches nothing: neither does what is done to it become state, nor is a state object
 *    written for it. What is read is the same, whenever commits are: what has the bytes that it would begin with is not there.
 */
import type { StateDefinition } from '../../api/definition.js'
import { visible } from '../../api/visible.js'
import { closes } from '../../api/window-ranks.js'
import { PotorooError } from '../../errors.js'
import { byteString, bytesOf, type ByteString } from '../records/byte-string.js'
import { Changes, GatheredChanges } from './changes.js'
import {
  CLOCKS,
  nextDueMs,
  nextDueOf,
  timesOf,
  type DueChanges,
  type DueClock,
  type DueIndex,
  type NextDue,
} from './due-index.js'
import { hasTimes, MANY_TIMERS, NO_TIMES, readHeader, type TimerEntry, type Times } from './header.js'
import { LiveTimes } from './live-times.js'
import { sameBytes } from '../records/copy-bytes.js'
import { NaNWatch, type StoredNaN } from './nan-fields.js'
import { pack, packer, unpackAfter, unpackBody, unpackRange, versionBytes } from './packing.js'
import type { RecordWriter } from '../records/records.js'
import { KeyPrefix, MAX_AHEAD, NOWHERE, StateMemory } from './state-memory.js'
import { storeKeyOf } from './store-key.js'
import { NONE, Touched } from './touched.js'

/** In the place of a live object: it does not exist any more. */
const FORGOTTEN = Object.freeze({})
/** In the place of a live object: what it is, is packed already. */
const PACKED = Object.freeze({})
/** How many are live at most. So many are enough for hot ones, and few for the garbage collector. */
const MAX_LIVE = 1024
/** For what stands in front of records, and the commit record after them. */
const SPARE_BYTES = 1024
const NOTHING = Buffer.alloc(0)

/** Of a key. */
const MAX_TIMERS = 10_000
/** The latest that a Date can be. */
const MAX_DUE_MS = 8_640_000_000_000_000
/** A time to live is rounded up by a part of itself: what changes all the time is not to have another header each time. */
const PARTS_OF_TTL = 64

/** Instead of a length. */
const GONE = -1
const UNCHANGED = -2

interface Live {
  object: object | undefined
  definition: StateDefinition | undefined
  key: string
  /** Its number among those touched. */
  index: number
  /** What it began as, where it was made just now. */
  beginning: ByteString | undefined
  /** Of a table's entry, which nobody works on: as it is to be stored. */
  packed: Buffer | undefined
  /** Undefined: it has none. */
  times: LiveTimes | undefined
  /** Of one with a time to live: its fields, packed, as they were before the message under way; undefined: as in memory. */
  before: Buffer | undefined
  /** Of one with a time to live: whether its timers are others than before the message under way. */
  hasOtherTimers: boolean
}

/** A state object has come to a time. */
export interface DueObject {
  /** By which clock; undefined: a message has come to a state object whose end lies before it. */
  readonly clock: DueClock | undefined
  readonly definition: StateDefinition
  /** Its key, in UTF-8. */
  readonly keyBytes: Buffer
  readonly storeKey: ByteString
  readonly what: NextDue
}

/** What the store is to have, as of one commit after another. */
export interface Unstored {
  readonly batch: number
  readonly changes: readonly Changes[]
  /** Undefined where nothing ever falls due. */
  readonly dues?: DueChanges | undefined
}

/** A state object as it was before a message that met it. */
export interface MetState {
  readonly name: string
  /** Undefined: none was stored. */
  readonly packed: Uint8Array | undefined
}

/** A state object as a commit has it. */
export interface CollectedState {
  /** Undefined: it does not exist. A copy. */
  readonly packed: Buffer | undefined
  /** Whether the commit under way has changed it: then nobody knows yet whether it is committed. */
  readonly isUnderWay: boolean
}

/** Whether the changelog takes a key and a value of so many bytes. */
type Fits = (keyBytes: number, valueBytes: number) => boolean

export class StateTable {
  readonly #prefixes: ReadonlyMap<StateDefinition, KeyPrefix>
  /** What their store keys begin with. */
  readonly #names: readonly { readonly definition: StateDefinition; readonly prefix: ByteString }[]
  readonly #memory: StateMemory
  readonly #touched = new Touched()
  /** Of definitions with the same initial value for every key. */
  readonly #beginnings = new Map<StateDefinition, ByteString>()
  /** Slots for live objects, taken in turns. */
  readonly #live: Live[] = []
  #turn = 0
  /** The one that was touched last. */
  #last: Live | undefined
  /** What was packed last. */
  #source: Buffer = NOTHING
  /** Careful mode: the times of what was settled last, where they are many: it is often what is touched next. */
  #settled: { readonly index: number; readonly times: LiveTimes; readonly headerBytes: number } | undefined
  readonly #nans = new NaNWatch()
  /** Values of records in memory as they were, without keys. */
  readonly #noted = new GatheredChanges()
  /** Collected, not committed. */
  #collected: readonly Changes[] | undefined
  /** What the last commit had: changes in its first part, and bytes of records for each that was touched. */
  #lastCount = 0
  #lastBytes = 0
  /** Committed, not stored, in the order of the commits. */
  #unstored: Changes[] = []
  #unstoredBytes = 0
  #batch = 1

  constructor(
    definitions: readonly StateDefinition[],
    /** What state objects may take in memory, about, now. More are there while the store does not have them yet. */
    maxBytes: () => number,
    private readonly load: (storeKey: ByteString) => ByteString | undefined,
    /** Then what is not in memory does not exist, until something is forgotten. */
    private readonly storeWasEmpty: boolean,
    private readonly fits: Fits,
    /** Nobody else is to know it: see KeyPrefix. */
    secret: string,
    /** Undefined where nothing ever falls due. */
    private readonly dues?: DueIndex,
  ) {
    this.#prefixes = new Map(
      definitions.map((definition, i) => [definition, new KeyPrefix(i, definition.name, secret)]),
    )
    this.#names = definitions.map((definition) => ({ definition, prefix: storeKeyOf(definition.name, '') }))
    const touched = this.#touched
    this.#memory = new StateMemory(
      maxBytes,
      (carry) => {
        for (let i = 0; i < touched.count; i++) touched.setPlace(i, carry(touched.place(i)))
      },
      () => touched.count,
    )
  }

  /** Where the state object of the key in bytes[start, end) is in memory: good for `touch`, now. NOWHERE: it is not. */
  find(definition: StateDefinition, bytes: Buffer, start: number, end: number): number {
    return this.#memory.find(this.#prefixOf(definition), bytes, start, end)
  }

  /** Whether `prefetch` pays. */
  get isLarge(): boolean {
    return this.#memory.isLarge
  }

  /** The keys are about to be looked for: see StateMemory. */
  prefetch(definition: StateDefinition, bytes: Buffer, keys: Int32Array, count: number): void {
    this.#memory.prefetch(this.#prefixOf(definition), bytes, keys, count)
  }

  /** Brings it into memory, from the store where that has it. */
  bring(definition: StateDefinition, bytes: Buffer, start: number, end: number): number {
    const prefix = this.#prefixOf(definition)
    const isNew = this.storeWasEmpty && !this.#memory.hasForgotten
    const stored = isNew ? undefined : this.load(byteString(prefix.bytes) + byteString(bytes, start, end))
    return this.#memory.add(prefix, bytes, start, end, stored)
  }

  /**
   * The state object for a message that is about to change it. Throws what `settle` throws, for another one, and what an
   * initial value or unpack of the user's throws.
   */
  touch(definition: StateDefinition, key: string, place: number): object {
    const live = this.#liveOf(definition, key, place)
    this.#last = live
    if (live.object === undefined || live.object === FORGOTTEN) live.object = this.#revive(live, place)
    return live.object
  }

  /**
   * A table's entry is this from now on; undefined deletes it. Packed at once, so that nothing that becomes of the object is
   * stored. Throws as `touch`, and STATE_NOT_PACKABLE.
   */
  replace(definition: StateDefinition, key: string, place: number, entry: object | undefined): void {
    const packed = entry && this.#packEntry(definition, key, entry)
    const live = this.#liveOf(definition, key, place)
    this.#last = live
    live.object = packed === undefined ? FORGOTTEN : PACKED
    live.packed = packed
  }

  /**
   * The value of the key for a caller that only reads it (invariant 4), including what messages of this interval did to it. Throws
   * STATE_NOT_PACKABLE for what a message has made of it, and what an initial value or unpack of the user's throws.
   */
  read(definition: StateDefinition, key: string, place: number): object | undefined {
    const beginning = this.#beginningFor(definition, key)
    const memory = this.#memory
    const live = this.#liveAt(place)
    if (live?.object === FORGOTTEN) return undefined
    let [source, from, length] = [memory.bytesOf(place), memory.keyEnd(place), memory.valueBytes(place)]
    if (live?.object !== undefined) {
      // Without its times, which nobody reads, and which may be many.
      length = this.#packLive(definition, live.object, live.packed, undefined)
      source = this.#source
      from = 0
    }
    if (length < 0) return undefined
    // With times, it is not as it would begin.
    if (
      live?.times === undefined &&
      beginning?.length === length &&
      beginning === byteString(source, from, from + length)
    )
      return undefined
    return unpackRange(definition, source, from, from + length, key)
  }

  /**
   * What the last commit that was collected has of the key in bytes[start, end), for queries from outside (invariant 1): what
   * messages have done since is not in it. Touches nothing, and brings nothing into memory.
   */
  collectedOf(definition: StateDefinition, bytes: Buffer, start: number, end: number): CollectedState {
    const prefix = this.#prefixOf(definition)
    const found = this.#memory.peek(prefix, bytes, start, end)
    if (found === undefined) {
      // Invariant 2: the store has it.
      const isNowhere = this.storeWasEmpty && !this.#memory.hasForgotten
      const stored = isNowhere ? undefined : this.load(byteString(prefix.bytes) + byteString(bytes, start, end))
      return { packed: stored === undefined ? undefined : bytesOf(stored), isUnderWay: false }
    }
    const { live, batch, part, valueStart, valueBytes } = found
    const isUnderWay = this.isCommitting && batch === this.#batch && part >= this.#unstored.length
    const noted = live === 0 ? NONE : this.#touched.noted(live - 1)
    if (noted === NONE) {
      const packed = valueBytes < 0 ? undefined : copyOf(found.bytes, valueStart, valueStart + valueBytes)
      return { packed, isUnderWay }
    }
    const was = this.#noted
    const packed = was.isDeletion(noted) ? undefined : copyOf(was.bytes, was.valueStart(noted), was.valueEnd(noted))
    return { packed, isUnderWay }
  }

  /** Fields that were packed with NaN since this was asked last, each once. */
  takeNaNs(): readonly StoredNaN[] {
    return this.#nans.take()
  }

  /** The message under way is done with the state object that it touched last: it does not exist any more. */
  forget(): void {
    if (this.#last === undefined) return
    this.#last.object = FORGOTTEN
    this.#last.times = undefined
  }

  // ---- times ----

  /** Sets a timer of the state object that was touched last, or sets it again. Throws a RangeError for what is no time, or too many. */
  setTimer(clock: DueClock, name: string, id: string, dueMs: number): void {
    const atMs = Math.ceil(dueMs)
    if (!(atMs >= 0 && atMs <= MAX_DUE_MS))
      throw new RangeError(`timer ${name} is set for ${String(dueMs)}: it must be ms since the epoch`)
    const live = this.#lastLive()
    // It may have gone by the other clock.
    const there = live.times?.find(name, id)
    if (there?.clock === clock && there.entry.dueMs === atMs) return
    if (there === undefined && (live.times?.count ?? 0) >= MAX_TIMERS)
      throw new RangeError(
        `timer ${name} is set, and the key has ${String(MAX_TIMERS)} already: reuse an id, or clear some`,
      )
    this.#changeTimes(live, (times) => {
      if (there !== undefined) times.remove(there)
      times.add(clock, { dueMs: atMs, name, id })
    })
    live.hasOtherTimers = true
  }

  /** Clears a timer of the state object that was touched last, where it is set. */
  clearTimer(name: string, id: string): void {
    const live = this.#lastLive()
    const there = live.times?.find(name, id)
    if (there === undefined) return
    this.#changeTimes(live, (times) => {
      times.remove(there)
    })
    live.hasOtherTimers = true
  }

  /**
   * To be called before a message of that time touches a state object with a time to live: what those before it did is noted down, so
   * that `changed` finds what this one does. Throws as `settle`.
   */
  beforeChange(definition: StateDefinition, place: number, timestampMs: number): void {
    const live = this.#liveAt(place)
    if (live === undefined || endAfter(definition, timestampMs) <= (live.times?.endsMs ?? 0)) return
    live.hasOtherTimers = false
    live.before = undefined
    if (live.object === undefined || live.object === FORGOTTEN) return
    const length = packer.packBody(definition, live.object)
    live.before = Buffer.from(packer.bytes.subarray(0, length))
  }

  /**
   * To be called behind each computation on a state object with a time to live, the one that was touched last: if it has changed
   * it, it lives so long from then on. Throws as `settle`.
   */
  changed(timestampMs: number): void {
    const live = this.#lastLive()
    const { definition } = live
    if (definition?.ttlMs === undefined || live.object === FORGOTTEN) return
    const endsMs = endAfter(definition, timestampMs)
    // Whatever changes it now, its end is late enough.
    const isOther = endsMs > (live.times?.endsMs ?? 0) && (live.hasOtherTimers || this.#hasOtherFields(live))
    live.before = undefined
    live.hasOtherTimers = false
    if (!isOther) return
    this.#changeTimes(live, (times) => {
      times.endsMs = endsMs
    })
  }

  /** Fields alone: of timers there may be thousands, and whoever changes one says so. */
  #hasOtherFields({ definition, object, index, before, beginning }: Live): boolean {
    if (definition === undefined || object === undefined) return false
    const length = packer.packBody(definition, object)
    const { bytes } = packer
    if (before !== undefined) return !sameBytes(bytes, 0, length, before, 0, before.length)
    if (beginning !== undefined) return beginning.slice(versionBytes(definition)) !== byteString(bytes, 0, length)
    const memory = this.#memory
    const place = this.#touched.place(index)
    const [start, stored] = [memory.keyEnd(place), memory.valueBytes(place)]
    if (stored < 0) return true
    const source = memory.bytesOf(place)
    const found = readHeader(source, start, start + stored, 0)
    const from = found.kind === 'known' ? found.end : start
    return !sameBytes(bytes, 0, length, source, from, start + stored)
  }

  /** When the next of the windows that were touched last closes; 0: none by time. */
  setEnd(endsMs: number): void {
    const live = this.#lastLive()
    if ((live.times?.endsMs ?? 0) === endsMs) return
    this.#changeTimes(live, (times) => {
      times.endsMs = endsMs
    })
  }

  /** What is due next by that clock, at that time or before; to be asked again when it was seen to. */
  due(clock: DueClock, toMs: number): DueObject | undefined {
    const { dues } = this
    if (dues === undefined) return undefined
    for (;;) {
      const entry = dues.least(clock)
      if (entry === undefined || entry.dueMs > toMs) return undefined
      const { key: storeKey } = entry
      const definition = this.#definitionOf(storeKey)
      if (definition === undefined) {
        dues.pass(clock)
        continue
      }
      const keyBytes = bytesOf(storeKey.slice(this.#prefixOf(definition).bytes.length))
      const what = nextDueOf(this.#timesOf(definition, this.#placeOf(definition, keyBytes)), clock)
      if (what !== undefined && what.dueMs <= entry.dueMs) return { clock, definition, keyBytes, storeKey, what }
      dues.move(clock, what?.dueMs)
    }
  }

  /** When the time to live of that key's state object ends, where nothing keeps it; undefined: never, or there is none. */
  endOf(definition: StateDefinition, bytes: Buffer, start: number, end: number): number | undefined {
    let place = this.find(definition, bytes, start, end)
    if (place === NOWHERE) place = this.bring(definition, bytes, start, end)
    const times = this.#timesOf(definition, place)
    return times.time.length > 0 ? undefined : nextDueMs(times, 'time')
  }

  /** The state object that something of has come to its time, touched; undefined where that is not so any more. Throws as `touch`. */
  touchDue({ definition, keyBytes, what }: DueObject, key: string): object | undefined {
    const place = this.#placeOf(definition, keyBytes)
    const times = this.#timesOf(definition, place)
    if (what.kind === 'end') return times.endsMs === what.dueMs ? this.touch(definition, key, place) : undefined
    // What is due is the first.
    if (!CLOCKS.some((clock) => isSame(times[clock][0], what))) return undefined
    const object = this.touch(definition, key, place)
    this.clearTimer(what.name, what.id)
    return object
  }

  /** What is stored of it, as the last message that was settled left it; undefined: it does not exist. */
  packedOf({ definition, keyBytes }: DueObject): ByteString | undefined {
    const place = this.#placeOf(definition, keyBytes)
    const [start, length] = [this.#memory.keyEnd(place), this.#memory.valueBytes(place)]
    return length < 0 ? undefined : byteString(this.#memory.bytesOf(place), start, start + length)
  }

  #placeOf(definition: StateDefinition, keyBytes: Buffer): number {
    const place = this.find(definition, keyBytes, 0, keyBytes.length)
    return place === NOWHERE ? this.bring(definition, keyBytes, 0, keyBytes.length) : place
  }

  /** As messages of this interval have left them; what `nextDueOf` wants to know. */
  #timesOf(definition: StateDefinition, place: number): Times {
    const live = this.#liveAt(place)
    let times: Times
    if (live?.object !== undefined) times = live.times ?? NO_TIMES
    else {
      const start = this.#memory.keyEnd(place)
      times = timesOf(this.#memory.bytesOf(place), start, start + this.#memory.valueBytes(place))
    }
    // Another version of the application gave it an end.
    const hasEnd = definition.ttlMs !== undefined || closes(definition)
    return !hasEnd && times.endsMs > 0 ? { endsMs: 0, time: times.time, wall: times.wall } : times
  }

  #definitionOf(storeKey: ByteString): StateDefinition | undefined {
    for (const { definition, prefix } of this.#names) if (storeKey.startsWith(prefix)) return definition
    return undefined
  }

  #lastLive(): Live {
    if (this.#last?.definition === undefined) throw new PotorooError('INTERNAL', 'no state object is current')
    return this.#last
  }

  /** Invariant 1 of the index. */
  #changeTimes(live: Live, change: (times: LiveTimes) => void): void {
    const times = live.times ?? new LiveTimes()
    const timeMs = nextDueMs(times, 'time')
    const wallMs = nextDueMs(times, 'wall')
    change(times)
    live.times = times.isEmpty ? undefined : times
    for (const clock of CLOCKS) {
      const was = clock === 'time' ? timeMs : wallMs
      const is = nextDueMs(times, clock)
      if (is !== undefined && (was === undefined || is < was)) this.dues?.add(clock, is, this.#storeKeyOf(live))
    }
  }

  #storeKeyOf({ index }: Live): ByteString {
    const place = this.#touched.place(index)
    const memory = this.#memory
    return byteString(memory.bytesOf(place), memory.keyStart(place), memory.keyEnd(place))
  }

  /**
   * Careful mode, after a message: its effect is kept. Throws STATE_NOT_PACKABLE or RECORD_TOO_LARGE where that is not
   * possible; then `undo` it.
   */
  settle(): void {
    // All of them or none: one that can't be kept is to be found before the first is.
    for (let age = this.#oldest; age > 0; age--) this.#pack(this.#slot(age))
    for (let age = this.#oldest; age > 0; age--) {
      const live = this.#slot(age)
      const { index, times } = live
      this.#put(live)
      if (times !== undefined && times.count > MANY_TIMERS)
        this.#settled = { index, times, headerBytes: packer.headerBytes }
    }
  }

  /** Careful mode, before `undo`: what the message under way has touched, in that order, as it was before. Copies. */
  met(): readonly MetState[] {
    const met: MetState[] = []
    for (let age = this.#oldest; age > 0; age--) {
      const { definition, index } = this.#slot(age)
      if (definition !== undefined)
        met.push({ name: definition.name, packed: this.#copyOf(this.#touched.place(index)) })
    }
    return met
  }

  /** What a message of the key in bytes[start, end) would meet, a copy. Undefined while another one works on it. */
  wouldMeet(definition: StateDefinition, bytes: Buffer, start: number, end: number): MetState | undefined {
    const found = this.find(definition, bytes, start, end)
    const place = found === NOWHERE ? this.bring(definition, bytes, start, end) : found
    const index = this.#memory.live(place) - 1
    if (index >= 0 && this.#touched.live(index) !== NONE) return undefined
    return { name: definition.name, packed: this.#copyOf(place) }
  }

  #copyOf(place: number): Uint8Array | undefined {
    const length = this.#memory.valueBytes(place)
    const start = this.#memory.keyEnd(place)
    return length < 0 ? undefined : Uint8Array.from(this.#memory.bytesOf(place).subarray(start, start + length))
  }

  /** Careful mode: the message under way has not touched anything. */
  undo(): void {
    for (let age = this.#oldest; age > 0; age--) this.#drop(this.#slot(age))
  }

  /**
   * What this interval changed, as records of the changelog; the next interval begins. A state object whose bytes are as
   * before, or that is as it would begin, is not among it. `committed` is to be called before the next `collect`. Throws as
   * `settle`: then `rollBack`.
   */
  collect(writer: RecordWriter, timestampMs: number): readonly Changes[] {
    this.#putAll()
    const memory = this.#memory
    const touched = this.#touched
    const parts: Changes[] = []
    writer.expect(Math.ceil(touched.count * this.#lastBytes) + SPARE_BYTES)
    for (let i = 0; i < touched.count; i++) {
      const place = touched.place(i)
      memory.setLive(place, 0)
      const noted = touched.noted(i)
      // what was put once is another value than before, or it would not have been
      if (noted === NONE || (touched.puts(i) !== 1 && this.#isUnchanged(place, noted))) continue
      this.#write(writer, timestampMs, place, parts, touched.count - i)
    }
    this.#lastCount = parts[0]?.count ?? 0
    this.#lastBytes = writer.bytes / Math.max(1, touched.count)
    this.#collected = parts
    this.dues?.collect()
    this.#nextInterval()
    return parts
  }

  /** Keys in memory, about. */
  get recordsInMemory(): number {
    return this.#memory.records
  }

  get bytesInMemory(): number {
    return this.#memory.bytes
  }

  /** What is committed and not stored, in bytes of memory. */
  get unstoredBytes(): number {
    return this.#unstoredBytes
  }

  /** Whether a commit is under way: what it holds is not to be stored yet, and has taken the place of what is. */
  get isCommitting(): boolean {
    return this.#collected !== undefined
  }

  /** The log has what was collected last; the store is to have it some time. */
  committed(): void {
    for (const part of this.#collected ?? []) {
      this.#unstored.push(part)
      this.#unstoredBytes += part.bytes.length
    }
    this.#collected = undefined
    this.dues?.committed()
  }

  /** What the store is to have, as of the last commit; not while one is under way. `stored` it afterwards. */
  takeUnstored(): Unstored {
    if (this.isCommitting) throw new PotorooError('INTERNAL', 'a commit is under way: what is committed is not known')
    const taken = { batch: this.#batch++, changes: this.#unstored, dues: this.dues?.takeUnstored() }
    this.#unstored = []
    this.#unstoredBytes = 0
    return taken
  }

  /** The store has it now, and what was taken before. */
  stored({ batch }: Unstored): void {
    this.#memory.stored(batch)
    this.dues?.stored()
  }

  /** This interval has not touched anything. */
  rollBack(): void {
    this.undo()
    const touched = this.#touched
    const noted = this.#noted
    for (let i = 0; i < touched.count; i++) {
      const was = touched.noted(i)
      let place = touched.place(i)
      if (was !== NONE)
        place = this.#memory.put(
          place,
          noted.isDeletion(was) ? undefined : noted.bytes,
          noted.valueStart(was),
          noted.valueEnd(was),
        )
      this.#memory.setLive(place, 0)
    }
    this.dues?.rollBack()
    this.#nextInterval()
  }

  #prefixOf(definition: StateDefinition): KeyPrefix {
    const prefix = this.#prefixes.get(definition)
    if (prefix === undefined) throw new PotorooError('INTERNAL', `state object ${definition.name} is not of this task`)
    return prefix
  }

  #liveOf(definition: StateDefinition, key: string, place: number): Live {
    const index = this.#memory.live(place) - 1
    const number = index < 0 ? NONE : this.#touched.live(index)
    // Apart from what makes one: short enough to be compiled into its callers.
    return (number === NONE ? undefined : this.#live[number]) ?? this.#makeLive(definition, key, place, index)
  }

  #makeLive(definition: StateDefinition, key: string, place: number, known: number): Live {
    const touched = this.#touched
    let index = known
    if (index < 0) {
      index = touched.add(place)
      this.#memory.setLive(place, index + 1)
    }
    const turn = this.#turn
    const live = this.#live[turn] ?? {
      object: undefined,
      definition,
      key,
      index,
      beginning: undefined,
      times: undefined,
      packed: undefined,
      before: undefined,
      hasOtherTimers: false,
    }
    this.#put(live)
    live.definition = definition
    live.key = key
    live.index = index
    this.#live[turn] = live
    touched.setLive(index, turn)
    this.#turn = (turn + 1) % MAX_LIVE
    return live
  }

  #liveAt(place: number): Live | undefined {
    const index = this.#memory.live(place) - 1
    const number = index < 0 ? NONE : this.#touched.live(index)
    return number === NONE ? undefined : this.#live[number]
  }

  #revive(live: Live, place: number): object {
    const { object, definition, key } = live
    if (definition === undefined) throw new PotorooError('INTERNAL', 'a live object without definition')
    const length = this.#memory.valueBytes(place)
    if (object === FORGOTTEN || length < 0) {
      const begun = definition.initial(key)
      live.beginning = this.#beginningOf(definition, begun)
      live.times = undefined
      return begun
    }
    const start = this.#memory.keyEnd(place)
    const bytes = this.#memory.bytesOf(place)
    if (!hasTimes(bytes, start, start + length)) {
      live.times = undefined
      return unpackRange(definition, bytes, start, start + length, key)
    }
    const settled = this.#takeSettled(live.index)
    if (settled !== undefined) {
      live.times = settled.times
      return unpackBody(definition, bytes, start + settled.headerBytes, start + length, key)
    }
    const found = readHeader(bytes, start, start + length)
    live.times = found.kind === 'known' ? new LiveTimes(found.header) : undefined
    return unpackAfter(definition, bytes, found, start + length, key)
  }

  /** For whoever changes them. */
  #takeSettled(index: number) {
    const settled = this.#settled?.index === index ? this.#settled : undefined
    if (settled !== undefined) this.#settled = undefined
    return settled
  }

  /** What was made just now, packed. */
  #beginningOf(definition: StateDefinition, begun: object): ByteString {
    if (!definition.beginsAlike) return pack(definition, begun)
    let beginning = this.#beginnings.get(definition)
    if (beginning === undefined) this.#beginnings.set(definition, (beginning = pack(definition, begun)))
    return beginning
  }

  /** What a key begins with, packed; undefined for a table, in which nothing is there before it came. */
  #beginningFor(definition: StateDefinition, key: string): ByteString | undefined {
    if (definition.table !== undefined) return undefined
    const known = definition.beginsAlike ? this.#beginnings.get(definition) : undefined
    return known ?? this.#beginningOf(definition, definition.initial(key))
  }

  #putAll(): void {
    for (let age = this.#oldest; age > 0; age--) this.#put(this.#slot(age))
  }

  /**
   * So many slots back the oldest live one is at most. Each live one is another that was touched; and slots are taken in turns,
   * so those behind that were taken before this interval, or by what was put since.
   */
  get #oldest(): number {
    return Math.min(this.#touched.count, this.#live.length)
  }

  /** The one that was taken so many turns ago, 1 to `#oldest`. */
  #slot(age: number): Live {
    const slot = this.#live[(this.#turn - age + MAX_LIVE) % MAX_LIVE]
    if (slot === undefined) throw new PotorooError('INTERNAL', 'a live object without a slot')
    return slot
  }

  /** Into memory; it is live no longer. Throws before anything has changed. */
  #put(live: Live): void {
    this.#keep(live)
    this.#drop(live)
  }

  /** Into memory, as it is now. Throws before anything has changed. */
  #keep(live: Live): void {
    const { object, definition, index } = live
    if (definition !== undefined && object !== undefined) {
      const place = this.#touched.place(index)
      const length = this.#pack(live)
      if (length !== UNCHANGED) {
        this.#note(index, place)
        this.#touched.countPut(index)
        const value = length < 0 ? undefined : this.#source
        this.#touched.setPlace(index, this.#memory.put(place, value, 0, length))
        if (length > 0) this.#prefixOf(definition).typicalBytes = length
      }
    }
  }

  /** Packs it to `#source`; returns how many bytes it takes, or GONE, or UNCHANGED: as it is in memory. */
  #pack({ object, definition, key, index, beginning, packed, times }: Live): number {
    if (definition === undefined || object === undefined) return UNCHANGED
    const memory = this.#memory
    const place = this.#touched.place(index)
    const before = memory.valueBytes(place)
    if (object === FORGOTTEN) return before < 0 ? UNCHANGED : GONE
    const length = this.#packLive(definition, object, packed, times)
    if (packed === undefined && packer.hasNaN) this.#nans.found(definition, object, key)
    const bytes = this.#source
    const start = memory.keyEnd(place)
    // One that is new and that no message has changed yet is what the next message would begin with anyway; so it is where the
    // one before it was forgotten, and no commit has come in between.
    if (beginning?.length === length && beginning === byteString(bytes, 0, length)) return before < 0 ? UNCHANGED : GONE
    if (before >= 0 && sameBytes(bytes, 0, length, memory.bytesOf(place), start, start + before)) return UNCHANGED
    if (!this.fits(memory.keyBytes(place), length)) throw tooLarge(definition, key, length)
    return length
  }

  /** A copy of its own: what is packed next takes the packer's memory. */
  #packEntry(definition: StateDefinition, key: string, entry: object): Buffer {
    const length = packer.pack(definition, entry)
    if (packer.hasNaN) this.#nans.found(definition, entry, key)
    return Buffer.from(packer.bytes.subarray(0, length))
  }

  /** Returns how many bytes it takes, in `#source` from 0 on. */
  #packLive(definition: StateDefinition, object: object, packed: Buffer | undefined, times: Times | undefined): number {
    if (packed !== undefined) {
      this.#source = packed
      return packed.length
    }
    const length = packer.pack(definition, object, times)
    this.#source = packer.bytes
    return length
  }

  #drop(live: Live): void {
    if (live.definition === undefined) return
    this.#touched.setLive(live.index, NONE)
    live.object = live.definition = live.beginning = live.packed = live.times = live.before = undefined
    live.hasOtherTimers = false
  }

  /** Its value in memory is about to change for the first time. */
  #note(index: number, place: number): void {
    if (this.#touched.noted(index) !== NONE) return
    const memory = this.#memory
    const length = memory.valueBytes(place)
    const start = memory.keyEnd(place)
    this.#touched.setNoted(index, this.#noted.count)
    this.#noted.add(NOTHING, 0, 0, length < 0 ? undefined : memory.bytesOf(place), start, start + length)
  }

  #isUnchanged(place: number, index: number): boolean {
    const memory = this.#memory
    const noted = this.#noted
    const length = memory.valueBytes(place)
    if (length < 0 || noted.isDeletion(index)) return length < 0 && noted.isDeletion(index)
    const start = memory.keyEnd(place)
    return sameBytes(
      memory.bytesOf(place),
      start,
      start + length,
      noted.bytes,
      noted.valueStart(index),
      noted.valueEnd(index),
    )
  }

  /** Appends the record of a change, and notes it down: each chunk of the writer's is a part. `left` are coming at most. */
  #write(writer: RecordWriter, timestampMs: number, place: number, parts: Changes[], left: number): void {
    const memory = this.#memory
    const length = memory.valueBytes(place)
    const [keyStart, keyEnd] = [memory.keyStart(place), memory.keyEnd(place)]
    const valueEnd = length < 0 ? -1 : keyEnd + length
    const { chunk } = writer
    if (!writer.appendPair(timestampMs, memory.bytesOf(place), keyStart, keyEnd, valueEnd))
      throw new PotorooError('INTERNAL', 'the changelog does not take what was found to fit')
    if (writer.chunk !== undefined && writer.chunk !== chunk)
      parts.push(new Changes(writer.chunk, Math.min(this.#lastCount, left)))
    const part = parts.at(-1)
    if (part === undefined) throw new PotorooError('INTERNAL', 'a change is in no chunk')
    const before = memory.partIn(this.#batch, place)
    if (before >= 0) this.#unstored[before]?.supersede(memory.changeOf(place))
    memory.setBatch(place, this.#batch, this.#unstored.length + parts.length - 1, part.count)
    const at = writer.keyStart
    const valueAt = writer.valueStart
    part.note(at, at + keyEnd - keyStart, valueAt, length < 0 ? -1 : valueAt + length)
  }

  #nextInterval(): void {
    this.#touched.count = 0
    this.#last = this.#settled = undefined
    this.#noted.clear()
  }
}

const copyOf = (bytes: Buffer, start: number, end: number): Buffer => Buffer.from(bytes.subarray(start, end))

const tooLarge = (definition: StateDefinition, key: string, bytes: number): PotorooError =>
  new PotorooError(
    'RECORD_TOO_LARGE',
    `state object ${definition.name} of key '${visible(key.slice(0, 100))}' has ${String(bytes)} bytes packed, more than the changelog takes`,
  )

/** When what is changed at that time ends; -Infinity: never. */
function endAfter({ ttlMs }: StateDefinition, timestampMs: number): number {
  if (ttlMs === undefined) return -Infinity
  const step = Math.floor(ttlMs / PARTS_OF_TTL)
  return Math.ceil((timestampMs + ttlMs) / step) * step
}

const isSame = (a: TimerEntry | undefined, b: TimerEntry): boolean =>
  a?.dueMs === b.dueMs && a.name === b.name && a.id === b.id

export { MAX_AHEAD, NOWHERE }
