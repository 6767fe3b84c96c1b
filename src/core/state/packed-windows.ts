/**
 * Reads the packed windows of a key, `{ w: [start, length, messages, state, …] }` (api/open-windows.ts), without making that array
 * first: its numbers by themselves, and states as PlainShapes reads objects that look alike. To leave it to msgpackr takes
 * several times as long, and nearly each message of windows reads them once.
 *
 * Invariant
 * 1. What is read is what `windowsFromPlain` makes of what msgpackr gives; where that isn't sure, nothing is read.
 */
import type { OpenWindow, WindowsDefinition } from '../../api/definition.js'
import { OpenWindows, WINDOW_FIELDS } from '../../api/open-windows.js'
import type { PlainShapes } from './plain-shapes.js'

/** A map of one field, its name of one letter: `w`. */
const HEAD = [0x81, 0xa1, 0x77] as const

/** Where a reader is, and whether it has met what it does not read. */
class Reader {
  at: number
  hasFailed = false

  constructor(
    readonly bytes: Buffer,
    start: number,
    private readonly end: number,
  ) {
    this.at = start
  }

  /** How many elements the array has that follows the head. */
  count(): number {
    const { bytes, at } = this
    for (let i = 0; i < HEAD.length; i++) if (bytes[at + i] !== HEAD[i]) return this.#failed()
    const code = this.#code(HEAD.length)
    if (code >= 0x90 && code < 0xa0) return code - 0x90
    return code === 0xdc && this.#has(2) ? bytes.readUInt16BE(this.at - 2) : this.#failed()
  }

  /** 0 or more. */
  number(): number {
    const code = this.#code(0)
    if (code < 0x80) return code
    const { bytes, at } = this
    switch (code) {
      case 0xcb:
        return this.#has(8) ? bytes.readDoubleBE(at) : this.#failed()
      case 0xce:
        return this.#has(4) ? bytes.readUInt32BE(at) : this.#failed()
      case 0xcd:
        return this.#has(2) ? bytes.readUInt16BE(at) : this.#failed()
      case 0xcc:
        return this.#has(1) ? (bytes[at] ?? 0) : this.#failed()
      default:
        return this.#failed()
    }
  }

  get isAtEnd(): boolean {
    return this.at === this.end && !this.hasFailed
  }

  #code(behind: number): number {
    const at = this.at + behind
    this.at = at + 1
    return at < this.end ? (this.bytes[at] ?? 0) : this.#failed()
  }

  /** Goes behind so many bytes. */
  #has(length: number): boolean {
    this.at += length
    return this.at <= this.end
  }

  #failed(): number {
    this.hasFailed = true
    return 0
  }
}

/** Those in bytes[start, end), or undefined where msgpackr has to say what they are. Throws what an unpack of the user's throws. */
export function readWindows(
  { fromPlain }: WindowsDefinition,
  shapes: PlainShapes,
  bytes: Buffer,
  start: number,
  end: number,
  key: string,
): OpenWindows | undefined {
  const reader = new Reader(bytes, start, end)
  const fields = reader.count()
  if (reader.hasFailed || fields % WINDOW_FIELDS !== 0) return undefined
  let list: OpenWindow[] | undefined
  for (let i = 0; i < fields; i += WINDOW_FIELDS) {
    const startMs = reader.number()
    const endMs = startMs + reader.number()
    const messages = reader.number()
    const plain = shapes.readNext(bytes, reader.at, end)
    if (plain === undefined) return undefined
    reader.at = shapes.at
    const window = { startMs, endMs, messages, state: plain }
    // A list that something is pushed to gets room for many.
    if (list === undefined) list = [window]
    else list.push(window)
  }
  if (!reader.isAtEnd) return undefined
  const open = new OpenWindows()
  if (list === undefined) return open
  for (const window of list) window.state = fromPlain(window.state, key)
  open.list = list
  return open
}

/** To be told of what `readWindows` left to msgpackr. */
export function learnWindows(shapes: PlainShapes, bytes: Buffer, start: number, end: number): void {
  const reader = new Reader(bytes, start, end)
  for (let left = reader.count() / WINDOW_FIELDS; left >= 1; left--) {
    for (let i = 1; i < WINDOW_FIELDS; i++) reader.number()
    if (reader.hasFailed) return
    if (shapes.readNext(bytes, reader.at, end) === undefined) {
      shapes.learnNext(bytes, reader.at, end)
      return
    }
    reader.at = shapes.at
  }
}
