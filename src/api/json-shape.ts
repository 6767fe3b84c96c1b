/**
 * Reads JSON texts that look like one before them: messages of a topic mostly differ in their values alone. Reading a text
 * against a known shape, straight from its bytes, takes a quarter of the time of JSON.parse, which was half of a message's cost.
 *
 * Invariants
 * 1. What is read is what JSON.parse gives. Where that isn't plain, it is JSON.parse that reads: for objects in objects,
 *    arrays, text beyond printable ASCII, escapes.
 * 2. All bytes between the values are those of a text that JSON.parse has read. So no field is missing, unknown, or there
 *    twice, and nothing follows the end.
 */
import { JsonScanner, kinds } from './json-scanner.js'
import { latin1Text, literalOf } from './literal.js'

interface Shape {
  /** The scanner's. */
  readonly id: number
  readonly build: Build
  readonly valueAt: ValueAt
}
/** `values`, `doubles`: the scanner's. */
type Build = (values: Int32Array, doubles: Float64Array, valueAt: ValueAt) => object
/** Of the place among the values: what is neither of these kinds of numbers. */
type ValueAt = (index: number) => unknown

/** A topic's messages have few shapes, or no use for this. */
const MAX_SHAPES = 4
/** As many as wasm/json-scan.ts has room for. */
const MAX_FIELDS = 64
/** After so many texts it is judged whether looking for a shape pays. */
const TRIAL = 1000

export class JsonShapes {
  /** Made for the first shape: of most topics nothing is read here. */
  #scanner: JsonScanner | undefined
  #shapes: Shape[] = []
  #tried = 0
  #read = 0
  #pays = true

  /**
   * The object in bytes[start, end), or undefined where JSON.parse has to say what it is. The Buffer's bytes may not change
   * afterwards.
   */
  read(bytes: Buffer, start: number, end: number): object | undefined {
    if (!this.#pays) return undefined
    if (++this.#tried === TRIAL) {
      this.#pays = this.#read * 2 > TRIAL
      this.#tried = this.#read = 0
    }
    const scanner = this.#scanner
    const at = scanner?.bring(bytes, start, end) ?? -1
    if (scanner === undefined || at < 0) return undefined
    const shapes = this.#shapes
    for (let i = 0; i < shapes.length; i++) {
      const shape = shapes[i]
      if (shape === undefined || !scanner.scan(shape.id, at, at + end - start)) continue
      this.#read++
      // the next text is likely to have the same
      if (i > 0) [shapes[0], shapes[i]] = [shape, shapes[0] ?? shape]
      return shape.build(scanner.values, scanner.doubles, shape.valueAt)
    }
    return undefined
  }

  /** To be told of a text that `read` left to JSON.parse, and of what that gave. */
  learn(text: string, json: unknown): void {
    if (!this.#pays || this.#shapes.length >= MAX_SHAPES) return
    const form = formOf(text, json)
    if (form === undefined) return
    const scanner = (this.#scanner ??= JsonScanner.create())
    const build = builderOf(form.names)
    const id = scanner?.addShape(form.gaps)
    if (scanner === undefined || id === undefined || build === undefined) this.#pays = this.#shapes.length > 0
    else this.#shapes.push({ id, build, valueAt: readerOf(scanner, form.names.length) })
  }
}

/** Numbers come from the scanner's memory straight into the object. */
const builderOf = (names: readonly string[]): Build | undefined =>
  literalOf(names, ['values', 'doubles', 'valueAt'], (i) => {
    const [kind, small, double] = [
      `values[${String(4 * i)}]`,
      `values[${String(4 * i + 1)}]`,
      `doubles[${String(2 * i + 1)}]`,
    ]
    return `${kind} === ${String(kinds.double)} ? ${double} : ${kind} === ${String(kinds.small)} ? ${small} : valueAt(${String(i)})`
  }) as Build | undefined

function readerOf({ bytes, values }: JsonScanner, count: number): ValueAt {
  const words = Array.from({ length: count }, () => new Words())
  return (index) => {
    const at = 4 * index
    const [start, end] = [values[at + 1] ?? 0, values[at + 2] ?? 0]
    switch (values[at]) {
      case kinds.text:
        return words[index]?.of(bytes, start, end, values[at + 3] ?? 0)
      case kinds.long:
        // JSON's numbers are JavaScript's
        return Number(latin1Text(bytes, start, end))
      case kinds.true:
        return true
      case kinds.false:
        return false
      default:
        return null
    }
  }
}

/**
 * The texts of one field. Where a few come again and again, as symbols do, the same string is given for them, which a Map
 * has hashed before.
 */
class Words {
  readonly #slots: string[] = Array<string>(SLOTS).fill('')
  #tried = 0
  #found = 0
  #pays = true

  /** bytes[start, end), which are ASCII, and their hash. */
  of(bytes: Buffer, start: number, end: number, hash: number): string {
    const length = end - start
    if (!this.#pays || length > MAX_WORD) return latin1Text(bytes, start, end)
    if (++this.#tried === TRIAL) {
      this.#pays = this.#found * 2 > TRIAL
      this.#tried = this.#found = 0
    }
    const slot = hash & (SLOTS - 1)
    const there = this.#slots[slot] ?? ''
    if (there.length === length) {
      let i = 0
      while (i < length && there.charCodeAt(i) === bytes[start + i]) i++
      if (i === length) {
        this.#found++
        return there
      }
    }
    return (this.#slots[slot] = latin1Text(bytes, start, end))
  }
}

const SLOTS = 8192
const MAX_WORD = 32

/** Undefined for a text whose like is to be read by JSON.parse. `json`: what that gave for it. */
function formOf(text: string, json: unknown): { gaps: Uint8Array[]; names: string[] } | undefined {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return undefined
  const names = Object.keys(json)
  if (names.length === 0 || names.length > MAX_FIELDS || names.includes('__proto__')) return undefined
  if (Object.values(json).some((value) => typeof value === 'object' && value !== null)) return undefined
  // Where no value is an object or array, everything outside of texts is structure, and a name ends with its colon.
  const spans = [...text.matchAll(/("(?:[^"\\]|\\.)*"\s*:\s*)("(?:[^"\\]|\\.)*"|[^\s,}"]+)/gs)]
  if (spans.length !== names.length) return undefined
  const inOrder = spans.map(([, name = '']) => JSON.parse(name.slice(0, name.lastIndexOf('"') + 1)) as string)
  if (new Set(inOrder).size !== names.length || inOrder.some((name) => !names.includes(name))) return undefined
  let end = 0
  const gaps: Uint8Array[] = []
  for (const { index, 0: all, 1: name = '' } of spans) {
    gaps.push(Buffer.from(text.slice(end, index + name.length)))
    end = index + all.length
  }
  gaps.push(Buffer.from(text.slice(end)))
  return { gaps, names: inOrder }
}
