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
import type { StateDefinition } from '../api/definition.js'
import { messageOf, PotorooError } from '../errors.js'
import { byteString, bytesOf, type ByteString } from './byte-string.js'
import { PlainWriter } from './pack-plain.js'
import { unpackable } from './packable.js'

/** Never used by MessagePack. */
const RICH = '\xc1'

const plainWriter = new PlainWriter()
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

/** Throws STATE_NOT_PACKABLE. */
export function pack(definition: StateDefinition, state: object): ByteString {
  const plain = plainOf(definition, state)
  try {
    return plainWriter.write(plain) ?? packRich(definition, plain)
  } catch (error) {
    if (error instanceof PotorooError) throw error
    // a getter, or a proxy
    throw notPackable(definition, `reading it threw: ${messageOf(error)}`, error)
  }
}

function plainOf(definition: StateDefinition, state: object): object {
  let plain: unknown
  try {
    plain = definition.toPlain(state)
  } catch (error) {
    throw notPackable(definition, `its pack threw: ${messageOf(error)}`, error)
  }
  if (plain === state) return state
  if (typeof plain !== 'object' || plain === null || Object.getPrototypeOf(plain) !== Object.prototype)
    throw notPackable(definition, 'its pack has to give an object literal')
  return plain
}

function packRich(definition: StateDefinition, plain: object): ByteString {
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
  return RICH + byteString(packed)
}

const notPackable = (definition: StateDefinition, reason: string, cause?: unknown): PotorooError =>
  new PotorooError('STATE_NOT_PACKABLE', `State object ${definition.name} can't be stored: ${reason}.`, { cause })

/** Throws STORE_DAMAGED for bytes that pack() didn't write, and what an unpack of the user's throws. */
export function unpack(definition: StateDefinition, packed: ByteString, key: string): object {
  let plain: unknown
  try {
    plain = packed.startsWith(RICH) ? richReader.unpack(bytesOf(packed.slice(1))) : plainReader.unpack(bytesOf(packed))
  } catch (error) {
    throw unreadable(definition, messageOf(error), error)
  }
  if (typeof plain !== 'object' || plain === null) throw unreadable(definition, 'they hold no object')
  return definition.fromPlain(plain, key)
}

const unreadable = (definition: StateDefinition, reason: string, cause?: unknown): PotorooError =>
  new PotorooError('STORE_DAMAGED', `The bytes of a state object ${definition.name} can't be read: ${reason}.`, {
    cause,
  })
