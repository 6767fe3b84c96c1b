/**
 * The calls of one partition: for which messages they are to be made, are under way, and are done. Pure.
 *
 * What is done is said by a position and bits: everything below the position, and what has a bit beyond it. Messages of a key
 * take turns, those of other keys overlap; so results of a key come in the order of its messages, and one that takes long holds up its own
 * key, and others when the window is full.
 *
 * Invariants
 * 1. At most one message of a key is under way, and it is the first one of that key which is not done.
 * 2. At most `overlap` are under way.
 * 3. The position is the offset of the first message that is not done, or, where all are that have come, what comes next. It does not
 *    go back.
 * 4. A bit beyond the position is set exactly for a message that is done: the commit has both, with the results.
 * 5. Nothing is taken that lies as far beyond the position as there are bits.
 * 6. A message that the commit says is done is not given out again.
 * 7. The turn of what comes behind a message that has failed for good comes when a commit has said so: until then the message may be called for
 *    once more, and then it comes first.
 */

/** How far beyond the position messages may be done; bits of the commit record, 128 bytes. */
export const WINDOW_OFFSETS = 1024

/** A message that a call is to be made for, or was. */
export interface Pending {
  readonly offset: number
  readonly key: string
}

interface Entry<P extends Pending> {
  readonly offset: number
  /** Undefined where it was done without a call, or before the activation. */
  readonly pending: P | undefined
  isDone: boolean
}

export class CallWindow<P extends Pending> {
  /** In the order of offsets; those before `#first` are done, and no message is. */
  #entries: Entry<P>[] = []
  #first = 0
  /** Done by the commit that this begins with, and not come by yet. */
  readonly #early = new Set<number>()
  /** Those of a key that are not done, in their order: the first one's turn it is. */
  readonly #byKey = new Map<string, Entry<P>[]>()
  /** Whose turn it is, in the order of offsets. */
  readonly #ready: Entry<P>[] = []
  readonly #entryOf = new Map<P, Entry<P>>()
  /** Keys of messages that have failed, since the last commit began. */
  #failed: string[] = []
  #underWay = 0

  /** `done`: as the commit record has it, of that position. */
  constructor(
    private readonly overlap: number,
    position = 0,
    done?: string,
  ) {
    for (const offset of offsetsIn(done, position)) this.#early.add(offset)
  }

  /** Calls that are being made. */
  get underWay(): number {
    return this.#underWay
  }

  /** Messages that have come and are not done, those under way among them. */
  get unfinished(): number {
    return this.#entryOf.size
  }

  /** Those, in no order. */
  get pending(): Iterable<P> {
    return this.#entryOf.keys()
  }

  /** The first message that is not done. */
  get oldest(): P | undefined {
    return this.#entries[this.#first]?.pending
  }

  /** Whether a message at that offset may be taken now. */
  hasRoomFor(offset: number): boolean {
    const oldest = this.#entries[this.#first]
    return oldest === undefined || offset - oldest.offset < WINDOW_OFFSETS
  }

  /** Whether the message was done before, so that it is not to be taken. To be asked once for each message, in their order. */
  wasDone(offset: number): boolean {
    if (!this.#early.delete(offset)) return false
    this.pass(offset)
    return true
  }

  /** A message that has come, behind all before it. */
  take(message: P): void {
    const { offset, key } = message
    const entry: Entry<P> = { offset, pending: message, isDone: false }
    this.#entries.push(entry)
    this.#entryOf.set(message, entry)
    const others = this.#byKey.get(key)
    if (others !== undefined) {
      others.push(entry)
      return
    }
    this.#byKey.set(key, [entry])
    this.#ready.push(entry)
  }

  /** A message that has come, and is done without a call. */
  pass(offset: number): void {
    this.#entries.push({ offset, pending: undefined, isDone: true })
    this.#moveOn()
  }

  /** The message whose call is to be made next; undefined where none is to be, now. */
  next(): P | undefined {
    if (this.#underWay >= this.overlap) return undefined
    const entry = this.#ready.shift()
    if (entry?.pending === undefined) return undefined
    this.#underWay++
    return entry.pending
  }

  /** What `next` gave is done. */
  finish(message: P): void {
    this.#end(message)
    this.#passTurn(message.key)
  }

  /** What `next` gave is done, without a result (invariant 7). */
  fail(message: P): void {
    this.#end(message)
    this.#failed.push(message.key)
  }

  /** A commit begins: of what it says has failed, the keys are to be passed on once it is acknowledged. */
  takeFailed(): readonly string[] {
    const keys = this.#failed
    this.#failed = []
    return keys
  }

  passOn(keys: readonly string[]): void {
    for (const key of keys) this.#passTurn(key)
  }

  #end(message: P): void {
    const entry = this.#entryOf.get(message)
    if (entry === undefined) throw new RangeError(`the message at offset ${String(message.offset)} is not under way`)
    this.#underWay--
    this.#entryOf.delete(message)
    entry.isDone = true
    this.#moveOn()
  }

  /** Invariant 3. `end`: the offset of what comes next. */
  position(end: number): number {
    return this.#entries[this.#first]?.offset ?? end
  }

  /** Invariant 4: what is done beyond the position, for the commit record. */
  done(end: number): string | undefined {
    const position = this.position(end)
    // One below it has not come, and does not come: its topic has compacted it away.
    for (const offset of this.#early) if (offset < position) this.#early.delete(offset)
    const offsets = [...this.#early]
    for (let i = this.#first; i < this.#entries.length; i++) {
      const entry = this.#entries[i]
      if (entry?.isDone === true) offsets.push(entry.offset)
    }
    return bitsOf(offsets, position)
  }

  #passTurn(key: string): void {
    const others = this.#byKey.get(key) ?? []
    others.shift()
    const [next] = others
    if (next === undefined) {
      this.#byKey.delete(key)
      return
    }
    const at = this.#ready.findIndex(({ offset }) => offset > next.offset)
    if (at < 0) this.#ready.push(next)
    else this.#ready.splice(at, 0, next)
  }

  /** What is done at the beginning is the position's now. */
  #moveOn(): void {
    while (this.#entries[this.#first]?.isDone === true) this.#first++
    if (this.#first < WINDOW_OFFSETS) return
    this.#entries = this.#entries.slice(this.#first)
    this.#first = 0
  }
}

/** Bit n of byte m: position + 8m + n. Undefined where there is none. */
function bitsOf(offsets: readonly number[], position: number): string | undefined {
  if (offsets.length === 0) return undefined
  const last = Math.max(...offsets) - position
  const bytes = Buffer.alloc((last >> 3) + 1)
  for (const offset of offsets) {
    const bit = offset - position
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (1 << (bit & 7))
  }
  return bytes.toString('base64')
}

function offsetsIn(done: string | undefined, position: number): number[] {
  const bytes = Buffer.from(done ?? '', 'base64')
  const offsets: number[] = []
  for (const [m, byte] of bytes.entries())
    for (let n = 0; n < 8; n++) if ((byte & (1 << n)) !== 0) offsets.push(position + 8 * m + n)
  return offsets
}
