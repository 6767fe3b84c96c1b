/**
 * Reads JSON texts that look like one before them: messages of a topic mostly differ in their values alone. Reading a text
 * against a known shape, straight from its bytes, takes a quarter of the time of JSON.parse, which was half of a message's cost.
 *
 * Invariants
 * 1. What is read is what JSON.parse gives. Where that isn't plain, it is JSON.parse that reads: for objects in objects,
 *    arrays, text beyond printable ASCII, escapes.
 * 2. All bytes between the values are those of a text that JSON.parse has read. So no field is missing, unknown, or there
 *    twice, and nothing follows the end.
 * 3. Memory is bounded, whatever the texts are: MAX_SHAPES shapes and MAX_TABLES tables of short texts, 2 MiB in all.
 */
import { isUnaltered } from './json-numbers.js'
import type { JsonReader } from './json-reader.js'
import { JsonScanner, kinds, MAX_SHAPES, MAX_TEXT_BYTES } from './json-scanner.js'
import { latin1Text, literalOf } from './literal.js'
import { makeRoom, type Used } from './make-room.js'

interface Shape extends Used {
  /** Which of the scanner's it is, and what the scanner knows it by. */
  readonly index: number
  readonly id: number
  readonly build: Build
  readonly valueAt: ValueAt
  readonly words: readonly Words[]
}
/** `values`, `doubles`: the scanner's. */
type Build = (values: Int32Array, doubles: Float64Array, valueAt: ValueAt) => object
/** Of the place among the values: what is neither of these kinds of numbers. */
type ValueAt = (index: number) => unknown

/** As many as wasm/json-scan.ts has room for. */
const MAX_FIELDS = 64
/** Of so many texts at least. */
const TRIAL = 1000
const MAX_TRIAL = 64 * TRIAL
/** In trials: how long nothing is looked for where it did not pay. */
const REST = 64

/**
 * Whether a look pays that may find nothing: it does while more than half of a trial's looks find something. Where it does not,
 * nothing is looked for during a rest, and then it is tried again, for longer: what comes later may be of another kind, and
 * what was looked up in a table that fills may be found once it is full. A trial ends with a look that finds nothing, so that
 * one that finds something costs no more than to count it.
 */
class Trial {
  found = 0
  isResting = false
  #missed = 0
  /** How many looks it is of, at least. */
  #looks = TRIAL
  /** Texts until the rest is over. */
  #rest = 0

  constructor(private readonly ended: (pays: boolean, missed: number) => void) {}

  /** A look has found nothing. */
  miss(): void {
    this.#missed++
    if (this.found + this.#missed < this.#looks) return
    const pays = this.found > this.#missed
    this.ended(pays, this.#missed)
    if (pays) this.#looks = TRIAL
    else {
      this.#rest = this.#looks * REST
      this.#looks = Math.min(this.#looks * 4, MAX_TRIAL)
      this.isResting = true
    }
    this.found = this.#missed = 0
  }

  /** During a rest a text has come, which is not looked for. */
  rest(): void {
    if (--this.#rest === 0) this.isResting = false
  }
}

export class JsonShapes implements JsonReader {
  /** Made for the first shape: of most topics nothing is read here. Undefined also where there can be none. */
  #scanner: JsonScanner | undefined
  #isPossible = true
  #shapes: Shape[] = []
  readonly #tables = new Tables()
  readonly #altered: Altered = { found: false }
  readonly #trial = new Trial((pays, missed) => {
    this.#judge(pays, missed)
  })

  /**
   * The object in bytes[start, end), or undefined where JSON.parse has to say what it is. The Buffer's bytes may not change
   * afterwards.
   */
  read(bytes: Buffer, start: number, end: number): object | undefined {
    if (!this.#isPossible) return undefined
    const trial = this.#trial
    if (trial.isResting) {
      trial.rest()
      return undefined
    }
    const scanner = this.#scanner
    const at = scanner?.bring(bytes, start, end) ?? -1
    const shapes = this.#shapes
    for (let i = 0; scanner !== undefined && at >= 0 && i < shapes.length; i++) {
      const shape = shapes[i]
      if (shape === undefined || !scanner.scan(shape.id, at, at + end - start)) continue
      trial.found++
      shape.found++
      // the next text is likely to have the same
      if (i > 0) [shapes[0], shapes[i]] = [shape, shapes[0] ?? shape]
      const json = shape.build(scanner.values, scanner.doubles, shape.valueAt)
      if (!this.#altered.found) return json
      // JSON.parse reads it, and what stands where is said there
      this.#altered.found = false
      return undefined
    }
    trial.miss()
    return undefined
  }

  /** To be told of a text that `read` left to JSON.parse, and of what that gave. */
  learn(text: string, json: unknown): void {
    if (!this.#isPossible || this.#trial.isResting || this.#shapes.length >= MAX_SHAPES) return
    const form = formOf(text, json)
    if (form === undefined) return
    const scanner = (this.#scanner ??= JsonScanner.create())
    const build = builderOf(form.names)
    if (scanner === undefined || build === undefined) {
      this.#isPossible = false
      return
    }
    let index = 0
    while (this.#shapes.some((shape) => shape.index === index)) index++
    const id = scanner.setShape(index, form.gaps)
    if (id === undefined) return
    const words = form.names.map(() => new Words(this.#tables))
    this.#shapes.push({ index, id, build, words, valueAt: readerOf(scanner, words, this.#altered), found: 0 })
  }

  /** The shape that is least used makes room where texts of others come more often. */
  #judge(pays: boolean, missed: number): void {
    const shapes = this.#shapes
    if (!pays) for (const { words } of shapes.splice(0)) for (const one of words) one.forget()
    else if (shapes.length === MAX_SHAPES) {
      const seldom = makeRoom(shapes, missed)
      for (const one of seldom?.words ?? []) one.forget()
    }
    for (const shape of shapes) shape.found = 0
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

/** `altered` is told of whole numbers that JavaScript alters. */
function readerOf({ bytes, values }: JsonScanner, words: readonly Words[], altered: Altered): ValueAt {
  return (index) => {
    const at = 4 * index
    const [start, end] = [values[at + 1] ?? 0, values[at + 2] ?? 0]
    switch (values[at]) {
      case kinds.text:
        return words[index]?.of(bytes, start, end, values[at + 3] ?? 0)
      case kinds.long:
        return longOf(latin1Text(bytes, start, end), altered)
      case kinds.true:
        return true
      case kinds.false:
        return false
      default:
        return null
    }
  }
}

/** Whether the text that was read last has a whole number that JavaScript alters. */
interface Altered {
  found: boolean
}

function longOf(digits: string, altered: Altered): number {
  if (!isUnaltered(digits)) altered.found = true
  // JSON's numbers are JavaScript's
  return Number(digits)
}

const SLOTS = 8192
const MAX_WORD = 32
const MAX_TABLES = 4

/** Memory for the texts of MAX_TABLES fields, whichever have use for it. */
class Tables {
  #taken = 0

  take(): string[] | undefined {
    if (this.#taken === MAX_TABLES) return undefined
    this.#taken++
    return Array<string>(SLOTS).fill('')
  }

  giveBack(): void {
    this.#taken--
  }
}

/**
 * The texts of one field. Where a few come again and again, as symbols do, the same string is given for them, which a Map
 * has hashed before.
 */
class Words {
  #slots: string[] | undefined
  readonly #trial = new Trial((pays) => {
    if (!pays) this.forget()
  })

  constructor(private readonly tables: Tables) {}

  /** bytes[start, end), which are ASCII, and their hash. */
  of(bytes: Buffer, start: number, end: number, hash: number): string {
    // Apart from what does not find one: short enough to be compiled into its callers.
    const there = this.#slots?.[hash & (SLOTS - 1)]
    if (there?.length === end - start && isAt(there, bytes, start)) {
      this.#trial.found++
      return there
    }
    return this.#missed(bytes, start, end, hash)
  }

  #missed(bytes: Buffer, start: number, end: number, hash: number): string {
    const text = latin1Text(bytes, start, end)
    if (text.length > MAX_WORD) return text
    if (this.#trial.isResting) {
      this.#trial.rest()
      return text
    }
    const slots = (this.#slots ??= this.tables.take())
    if (slots === undefined) return text
    slots[hash & (SLOTS - 1)] = text
    this.#trial.miss()
    return text
  }

  forget(): void {
    if (this.#slots === undefined) return
    this.#slots = undefined
    this.tables.giveBack()
  }
}

function isAt(text: string, bytes: Buffer, start: number): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false
  return true
}

/** Undefined for a text whose like is to be read by JSON.parse. `json`: what that gave for it. */
function formOf(text: string, json: unknown): { gaps: Uint8Array[]; names: string[] } | undefined {
  if (text.length > MAX_TEXT_BYTES) return undefined
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return undefined
  const names = Object.keys(json)
  if (names.length === 0 || names.length > MAX_FIELDS || names.includes('__proto__')) return undefined
  if (Object.values(json).some((value) => typeof value === 'object' && value !== null)) return undefined
  const inOrder: string[] = []
  const gaps: Uint8Array[] = []
  // Where no value is an object or array, it goes name, colon, value, comma, name, …, and each but the values is a gap.
  let gapAt = 0
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', gapAt)) {
    const behindName = behindString(text, at)
    inOrder.push(JSON.parse(text.slice(at, behindName)) as string)
    const valueAt = behindSpace(text, text.indexOf(':', behindName) + 1)
    gaps.push(Buffer.from(text.slice(gapAt, valueAt)))
    gapAt = text[valueAt] === '"' ? behindString(text, valueAt) : behindPlain(text, valueAt)
  }
  gaps.push(Buffer.from(text.slice(gapAt)))
  // a name that is there twice
  return inOrder.length === names.length ? { gaps, names: inOrder } : undefined
}

/** Behind the string that begins at `at`, and ends. */
function behindString(text: string, at: number): number {
  for (at++; text[at] !== '"'; at++) if (text[at] === '\\') at++
  return at + 1
}

/** Behind the number or the literal that begins at `at`. */
function behindPlain(text: string, at: number): number {
  while (!' \n\r\t,}'.includes(text[at] ?? '')) at++
  return at
}

function behindSpace(text: string, at: number): number {
  while (' \n\r\t'.includes(text[at] ?? '-')) at++
  return at
}
