/**
 * The compiled half of json-shape.ts (wasm/json-scan.ts), and its memory. Texts have to lie there: what comes after one
 * that is asked for is copied along with it, for a batch's records lie behind each other, and are asked for in their order.
 *
 * Invariant: the bytes of a Buffer do not change once a text in it was asked for; other bytes are in another Buffer.
 */
import { code } from './json-scan.generated.js'

/** As in wasm/json-scan.ts. */
export const kinds = { text: 1, small: 2, double: 3, long: 4, true: 5, false: 6, null: 7 } as const

/** What of WebAssembly is used: TypeScript declares it with the DOM only. */
declare const WebAssembly: {
  readonly Module: new (code: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly window: { readonly value: number }
  readonly WINDOW_BYTES: { readonly value: number }
  readonly shapes: { readonly value: number }
  readonly SHAPES_BYTES: { readonly value: number }
  readonly values: { readonly value: number }
  readonly scan: (shape: number, at: number, end: number) => 0 | 1
}

/** A topic's messages have few shapes, or no use for this. */
export const MAX_SHAPES = 4
/** The longest text that is read, in bytes: as in wasm/json-scan.ts. */
export const MAX_TEXT_BYTES = 0x10000
/** Copied at first; four times as much each time the next text is behind what was copied. */
const FIRST_BYTES = 1024
const BLOCK_BYTES = 16

export class JsonScanner {
  /** All of the memory. */
  readonly bytes: Buffer
  /** Of the value number i, from 4 i on: its kind, and where in `bytes` it starts and ends, and a hash; or, at 1, the value. */
  readonly values: Int32Array
  /** Of the value number i, at 2 i + 1. */
  readonly doubles: Float64Array

  readonly #scan: Exports['scan']
  readonly #windowAt: number
  readonly #windowBytes: number
  /** What is in the window: #source[#from, #to). It is kept until another comes: an answer of a broker, at most. */
  #source: Buffer | undefined
  #from = 0
  #to = 0
  #ahead = 0
  readonly #shapesAt: number
  readonly #shapeBytes: number

  private constructor({ memory, window, WINDOW_BYTES, shapes, SHAPES_BYTES, values, scan }: Exports) {
    this.bytes = Buffer.from(memory.buffer)
    this.values = new Int32Array(memory.buffer, values.value)
    this.doubles = new Float64Array(memory.buffer, values.value)
    this.#scan = scan
    this.#windowAt = window.value
    this.#windowBytes = WINDOW_BYTES.value
    this.#shapesAt = shapes.value
    this.#shapeBytes = SHAPES_BYTES.value / MAX_SHAPES
  }

  /** Undefined where the process can't have it: a processor without SIMD, or node --jitless. */
  static create(): JsonScanner | undefined {
    try {
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(code, 'base64')))
      return new JsonScanner(exports as Exports)
    } catch {
      return undefined
    }
  }

  /**
   * What is in front of each value, and behind the last: shape number `index` from now on, 0 to MAX_SHAPES - 1. Returns what
   * `scan` knows it by; undefined where there is no room for it.
   */
  setShape(index: number, gaps: readonly Uint8Array[]): number | undefined {
    if (gaps.reduce((sum, gap) => sum + bytesFor(gap), BLOCK_BYTES) > this.#shapeBytes) return undefined
    const shape = this.#shapesAt + index * this.#shapeBytes
    this.bytes.writeInt32LE(gaps.length - 1, shape)
    let at = shape + BLOCK_BYTES
    for (const gap of gaps) {
      this.bytes.writeInt32LE(gap.length, at)
      this.bytes.set(gap, at + BLOCK_BYTES)
      at += bytesFor(gap)
    }
    return shape
  }

  /** Where in `bytes` the text in source[start, end) lies now; -1 where it is too long. */
  bring(source: Buffer, start: number, end: number): number {
    if (source === this.#source && start >= this.#from && end <= this.#to) return this.#windowAt + start - this.#from
    return this.#copy(source, start, end)
  }

  #copy(source: Buffer, start: number, end: number): number {
    const bytes = end - start
    if (bytes > this.#windowBytes) return -1
    const goesOn = source === this.#source && start >= this.#from
    this.#ahead = goesOn ? Math.min(this.#ahead * 4, this.#windowBytes) : FIRST_BYTES
    this.#source = source
    this.#from = start
    this.#to = Math.min(source.length, start + Math.max(this.#ahead, bytes))
    this.bytes.set(source.subarray(start, this.#to), this.#windowAt)
    return this.#windowAt
  }

  /** Whether the text in bytes[at, end) is of the shape; then `values` and `doubles` have its values. */
  scan(shape: number, at: number, end: number): boolean {
    return this.#scan(shape, at, end) === 1
  }
}

/** In a shape: a block for its length, and as many as it takes, at least one. */
const bytesFor = ({ length }: Uint8Array): number => BLOCK_BYTES * (1 + Math.max(1, Math.ceil(length / BLOCK_BYTES)))
