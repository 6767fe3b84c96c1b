/**
 * State objects as bytes: in the store and in the changelog.
 *
 *     Packed => Plain | 0xc1 Rich
 *       Plain => a MessagePack map (its first byte is 0x8X, 0xde or 0xdf): a tree of plain values
 *       Rich  => what msgpackr writes for more: Map, Set, Date, BigInt, typed arrays, objects in several places, cycles
 *
 * Invariants
 * 1. What was packed comes back as it was, or STATE_NOT_PACKABLE names the field that would not.
 * 2. The same state gives the same bytes, in every process: bytes carry all they mean.
 */
import { Packr, Unpackr } from 'msgpackr'
import type { StateDefinition } from '../../api/definition.js'
import { messageOf, PotorooError } from '../../errors.js'
import { byteString, bytesOf, type ByteString } from '../records/byte-string.js'
import { PlainWriter } from './pack-plain.js'
import { unpackable } from './packable.js'
import { PlainShapes } from './plain-shapes.js'

/** Never used by MessagePack. */
const RICH = 0xc1

const plainReader = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'bigint' })
/** Records are how msgpackr tells objects from Maps. */
const richOptions = {
  useRecords: true,
  mapsAsObjects: false,
  structuredClone: true,
  copyBuffers: true,
  useToJSON: false,
}
const richWriter = new Packr(richOptions)
const richReader = new Unpackr(richOptions)
const range = { start: 0, end: 0 }
const shapesOf = new WeakMap<StateDefinition, PlainShapes>()

/** Packs one state object after the other in the same piece of memory: there is one for all, `packer`. */
class Packer {
  readonly #plain = new PlainWriter()
  #bytes: Buffer = this.#plain.bytes

  /** What was packed last begins here. */
  get bytes(): Buffer {
    return this.#bytes
  }

  /** Returns how many bytes it takes. Throws STATE_NOT_PACKABLE. */
  pack(definition: StateDefinition, state: object): number {
    const plain = plainOf(definition, state)
    try {
      const length = this.#plain.write(plain)
      this.#bytes = length === undefined ? packRich(definition, plain) : this.#plain.bytes
      return length ?? this.#bytes.length
    } catch (error) {
      if (error instanceof PotorooError) throw error
      // a getter, or a proxy
      throw notPackable(definition, `reading it threw: ${messageOf(error)}`, error)
    }
  }
}

export const packer = new Packer()

/** Throws STATE_NOT_PACKABLE. */
export function pack(definition: StateDefinition, state: object): ByteString {
  const length = packer.pack(definition, state)
  return byteString(packer.bytes, 0, length)
}

function plainOf(definition: StateDefinition, state: object): object {
  let plain: unknown
  try {
    plain = definition.toPlain(state)
  } catch (error) {
    throw notPackable(definition, `its pack threw: ${messageOf(error)}`, error)
  }
  const { prototype } = definition
  if (prototype !== undefined && Object.getPrototypeOf(state) !== prototype)
    throw notPackable(definition, 'its prototype is another than it began with')
  if (plain === state) return state
  if (typeof plain !== 'object' || plain === null || Object.getPrototypeOf(plain) !== Object.prototype)
    throw notPackable(definition, 'its pack has to give an object literal')
  return plain
}

function packRich(definition: StateDefinition, plain: object): Buffer {
  const found = unpackable(plain)
  if (found !== undefined) throw notPackable(definition, found)
  // msgpackr would ask a class for its own ideas of packing
  const fields = Object.getPrototypeOf(plain) === Object.prototype ? plain : { ...plain }
  let packed: Buffer
  try {
    packed = richWriter.pack(fields)
  } catch (error) {
    throw notPackable(definition, messageOf(error), error)
  }
  const bytes = Buffer.allocUnsafeSlow(packed.length + 1)
  bytes[0] = RICH
  packed.copy(bytes, 1)
  return bytes
}

const notPackable = (definition: StateDefinition, reason: string, cause?: unknown): PotorooError =>
  new PotorooError('STATE_NOT_PACKABLE', `State object ${definition.name} can't be stored: ${reason}.`, { cause })

/** Throws as `unpackRange`. */
export function unpack(definition: StateDefinition, packed: ByteString, key: string): object {
  return unpackRange(definition, bytesOf(packed), 0, packed.length, key)
}

/** What is in bytes[start, end). Throws STORE_DAMAGED for what pack() didn't write, and what an unpack of the user's throws. */
export function unpackRange(
  definition: StateDefinition,
  bytes: Buffer,
  start: number,
  end: number,
  key: string,
): object {
  let shapes = shapesOf.get(definition)
  if (shapes === undefined) shapesOf.set(definition, (shapes = new PlainShapes()))
  const plain = shapes.read(bytes, start, end) ?? unpackAny(definition, shapes, bytes, start, end)
  return definition.fromPlain(plain, key)
}

function unpackAny(
  definition: StateDefinition,
  shapes: PlainShapes,
  bytes: Buffer,
  start: number,
  end: number,
): object {
  const rich = bytes[start] === RICH
  range.start = rich ? start + 1 : start
  range.end = end
  let plain: unknown
  try {
    plain = (rich ? richReader : plainReader).unpack(bytes, range)
  } catch (error) {
    throw unreadable(definition, messageOf(error), error)
  }
  if (typeof plain !== 'object' || plain === null) throw unreadable(definition, 'they hold no object')
  if (!rich) shapes.learn(bytes, start, end)
  return plain
}

const unreadable = (definition: StateDefinition, reason: string, cause?: unknown): PotorooError =>
  new PotorooError('STORE_DAMAGED', `The bytes of a state object ${definition.name} can't be read: ${reason}.`, {
    cause,
  })
