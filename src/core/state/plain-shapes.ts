/**
 * Reads plain packed state objects (packing.ts) that look like one before them: those of a kind mostly differ in their
 * values alone. That takes a quarter of the time of reading the names of their fields each time, one by one.
 *
 * Invariants
 * 1. What is read is what msgpackr gives. Where that isn't plain, it is msgpackr that reads: objects in objects, arrays,
 *    text beyond ASCII, whatever packing.ts doesn't write.
 * 2. All bytes between the values are those of an object that msgpackr has read.
 */
import { literalOf } from '../../api/json/literal.js'
import { makeRoom, type Used } from '../../api/json/make-room.js'
import { byteString } from '../records/byte-string.js'

/** Stands among the values for a number that lies in `numbers` at the same place: there it is no object on the heap. */
const number = Symbol('number')

type Literal = (values: readonly unknown[], numbers: Float64Array, number: symbol) => object

/** Between the values, the literal bytes: the head in front of the first. */
interface Shape extends Used {
  readonly gaps: readonly Uint8Array[]
  readonly build: Literal
}

const MAX_SHAPES = 4
/** After so many objects of no known shape the one that is used least makes room, if it is used less than they come. */
const MAX_UNREAD = 1000
/** MessagePack's `fixmap` counts so far. */
const MAX_FIELDS = 15
const LAST_ASCII = 0x7f

const unread = Symbol('unread')

export class PlainShapes {
  readonly #shapes: Shape[] = []
  readonly #values: unknown[] = []
  readonly #numbers = new Float64Array(MAX_FIELDS)
  #unread = 0
  /** Behind the value that was read last. */
  #at = 0

  /** The object in bytes[start, end), or undefined where msgpackr has to say what it is. */
  read(bytes: Buffer, start: number, end: number): object | undefined {
    const shapes = this.#shapes
    for (let i = 0; i < shapes.length; i++) {
      const shape = shapes[i]
      if (shape === undefined || !this.#matches(shape, bytes, start, end) || this.#at !== end) continue
      return this.#found(shape, i)
    }
    return undefined
  }

  /** As `read`, of the object that begins there and ends at `end` or before it: then `at` is behind it. */
  readNext(bytes: Buffer, start: number, end: number): object | undefined {
    const shapes = this.#shapes
    for (let i = 0; i < shapes.length; i++) {
      const shape = shapes[i]
      if (shape !== undefined && this.#matches(shape, bytes, start, end)) return this.#found(shape, i)
    }
    return undefined
  }

  /** Behind what was read last. */
  get at(): number {
    return this.#at
  }

  #found(shape: Shape, i: number): object {
    const shapes = this.#shapes
    shape.found++
    // the next one is likely to have the same
    if (i > 0) [shapes[0], shapes[i]] = [shape, shapes[0] ?? shape]
    return shape.build(this.#values, this.#numbers, number)
  }

  /** To be told of what `read` left to msgpackr. */
  learn(bytes: Buffer, start: number, end: number): void {
    this.#learn(bytes, start, end, true)
  }

  /** To be told of what `readNext` left to msgpackr. */
  learnNext(bytes: Buffer, start: number, end: number): void {
    this.#learn(bytes, start, end, false)
  }

  #learn(bytes: Buffer, start: number, end: number, isWhole: boolean): void {
    if (this.#shapes.length >= MAX_SHAPES && !this.#makesRoom()) return
    const shape = this.#shapeOf(bytes, start, end)
    if (shape !== undefined && (!isWhole || this.#at === end)) this.#shapes.push(shape)
  }

  #makesRoom(): boolean {
    if (++this.#unread < MAX_UNREAD) return false
    this.#unread = 0
    return makeRoom(this.#shapes, MAX_UNREAD) !== undefined
  }

  #matches({ gaps }: Shape, bytes: Buffer, start: number, end: number): boolean {
    let at = start
    for (let field = 0; field < gaps.length; field++) {
      const gap = gaps[field]
      if (gap === undefined || at + gap.length > end) return false
      for (let i = 0; i < gap.length; i++) if (bytes[at + i] !== gap[i]) return false
      const value = this.#value(bytes, at + gap.length, end, field)
      if (value === unread) return false
      this.#values[field] = value
      at = this.#at
    }
    return true
  }

  #value(bytes: Buffer, at: number, end: number, field: number): unknown {
    const code = bytes[at++] ?? 0
    this.#at = at
    if (code < 0x80) return at <= end ? code : unread
    if (code >= 0xe0) return at <= end ? code - 0x100 : unread
    switch (code) {
      case 0xcb:
        if (!this.#fits(8, end)) return unread
        this.#numbers[field] = bytes.readDoubleBE(at)
        return number
      case 0xc2:
        return this.#fits(0, end) ? false : unread
      case 0xc3:
        return this.#fits(0, end) ? true : unread
      case 0xc0:
        return this.#fits(0, end) ? null : unread
      case 0xcc:
        return this.#fits(1, end) ? bytes[at] : unread
      case 0xcd:
        return this.#fits(2, end) ? bytes.readUInt16BE(at) : unread
      case 0xce:
        return this.#fits(4, end) ? bytes.readUInt32BE(at) : unread
      case 0xd2:
        return this.#fits(4, end) ? bytes.readInt32BE(at) : unread
      case 0xd4:
        return this.#fits(2, end) && bytes[at] === 0 && bytes[at + 1] === 0 ? undefined : unread
      case 0xd9:
        return this.#fits(1, end) ? this.#text(bytes, at + 1, bytes[at] ?? 0, end) : unread
      default:
        return code >= 0xa0 && code < 0xc0 ? this.#text(bytes, at, code & 0x1f, end) : unread
    }
  }

  /** Moves behind so many bytes; false where there are not as many. */
  #fits(length: number, end: number): boolean {
    this.#at += length
    return this.#at <= end
  }

  #text(bytes: Buffer, start: number, length: number, end: number): unknown {
    const behind = (this.#at = start + length)
    if (behind > end) return unread
    for (let i = start; i < behind; i++) if ((bytes[i] ?? 0) > LAST_ASCII) return unread
    return byteString(bytes, start, behind)
  }

  /** Of the object that begins there; `#at` is behind it. */
  #shapeOf(bytes: Buffer, start: number, end: number): Shape | undefined {
    const fields = (bytes[start] ?? 0) - 0x80
    if (fields < 1 || fields > MAX_FIELDS) return undefined
    const names: string[] = []
    const gaps: Uint8Array[] = []
    let at = start
    for (let field = 0; field < fields; field++) {
      const name = this.#value(bytes, field === 0 ? at + 1 : at, end, field)
      const valueAt = this.#at
      if (typeof name !== 'string' || name === '__proto__' || names.includes(name)) return undefined
      if (this.#value(bytes, valueAt, end, field) === unread) return undefined
      names.push(name)
      gaps.push(Uint8Array.from(bytes.subarray(at, valueAt)))
      at = this.#at
    }
    const build = literalOf(names, ['values', 'numbers', 'number'], (i) => {
      const at = `[${String(i)}]`
      return `values${at} === number ? numbers${at} : values${at}`
    }) as Literal | undefined
    return build && { gaps, build, found: 0 }
  }
}
