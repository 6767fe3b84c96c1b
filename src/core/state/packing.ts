/**
 * State objects as bytes: in the store and in the changelog.
 *
 *     Packed => [Header] (Plain | 0xc1 Rich)
 *       Header => of which version it is, and whatever else is not a field: see header.ts
 *       Plain => a MessagePack map (its first byte is 0x8X, 0xde or 0xdf): a tree of plain values
 *       Rich  => what msgpackr writes for more: Map, Set, Date, BigInt, typed arrays, objects in several places, cycles
 *
 * Invariants
 * 1. What was packed comes back as it was, or STATE_NOT_PACKABLE names the field that would not.
 * 2. The same state gives the same bytes, in every process: bytes carry all they mean.
 * 3. What is packed is of the version that the application has. What is read of an older one is what a reader of the bytes
 *    finds that are written back: it shares nothing with what the upgrades gave. What is newer is not read (STATE_NEWER).
 */
import { Packr, Unpackr } from 'msgpackr'
import type { StateDefinition } from '../../api/definition.js'
import type { OpenWindows } from '../../api/open-windows.js'
import { visible } from '../../api/visible.js'
import { isPotorooError, messageOf, PotorooError } from '../../errors.js'
import { byteString, bytesOf, type ByteString } from '../records/byte-string.js'
import { copyBytes } from '../records/copy-bytes.js'
import { encodeHeader, HEADER, HeaderWriter, readHeader, type ReadHeader, type Times } from './header.js'
import { PlainWriter } from './pack-plain.js'
import { lookAt } from './packable.js'
import { learnWindows, readWindows } from './packed-windows.js'
import { PlainShapes } from './plain-shapes.js'
import { upgrade, upgradeFailed } from './upgrade.js'

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
/** Of what has upgrades. */
const headersOf = new WeakMap<StateDefinition, Uint8Array>()
const NO_HEADER = new Uint8Array()

/** Packs one state object after the other in the same piece of memory: there is one for all, `packer`. */
class Packer {
  readonly #plain = new PlainWriter()
  readonly #header = new HeaderWriter()
  #bytes: Buffer = this.#plain.bytes
  #hasNaN = false
  /** Of what was packed last: how many bytes stand in front of its fields. */
  headerBytes = 0

  /** What was packed last begins here. */
  get bytes(): Buffer {
    return this.#bytes
  }

  /** Whether a number in what was packed last is NaN. */
  get hasNaN(): boolean {
    return this.#hasNaN
  }

  /** Returns how many bytes it takes. `times`: undefined where it has none. Throws STATE_NOT_PACKABLE. */
  pack(definition: StateDefinition, state: object, times?: Times): number {
    let header: Uint8Array = NO_HEADER
    let headerBytes = 0
    if (times !== undefined) {
      headerBytes = this.#header.write(definition.upgrades.length, times)
      header = this.#header.bytes
    } else if (definition.upgrades.length > 0) {
      header = headerOf(definition)
      headerBytes = header.length
    }
    return (
      this.#packWindows(definition, state, header, headerBytes) ??
      this.packPlain(definition, plainOf(definition, state), header, headerBytes)
    )
  }

  /** Undefined: it is none, or one that `packPlain` has to say of what is wrong with it, or how else it is packed. */
  #packWindows(
    { windows }: StateDefinition,
    state: object,
    header: Uint8Array,
    headerBytes: number,
  ): number | undefined {
    if (windows === undefined) return undefined
    this.headerBytes = headerBytes
    let length: number | undefined
    try {
      length = this.#plain.writeWindows((state as OpenWindows).list, windows.toPlain, headerBytes)
    } catch {
      return undefined
    }
    if (length === undefined) return undefined
    this.#hasNaN = this.#plain.hasNaN
    this.#bytes = this.#plain.bytes
    copyBytes(header, 0, headerBytes, this.#bytes, 0)
    return length
  }

  /** Its fields alone. */
  packBody(definition: StateDefinition, state: object): number {
    return this.packPlain(definition, plainOf(definition, state), NO_HEADER)
  }

  /** What is plain already, behind such a header. */
  packPlain(definition: StateDefinition, plain: object, header: Uint8Array, headerBytes = header.length): number {
    this.headerBytes = headerBytes
    try {
      const length = this.#plain.write(plain, headerBytes)
      this.#hasNaN = this.#plain.hasNaN
      this.#bytes = length === undefined ? this.#packRich(definition, plain, headerBytes) : this.#plain.bytes
      if (headerBytes > 0) copyBytes(header, 0, headerBytes, this.#bytes, 0)
      return length ?? this.#bytes.length
    } catch (error) {
      if (error instanceof PotorooError) throw error
      // a getter, or a proxy
      throw notPackable(definition, `reading it threw: ${messageOf(error)}`, error)
    }
  }

  /** Leaves room for the header. */
  #packRich(definition: StateDefinition, plain: object, headerBytes: number): Buffer {
    const { unpackable, hasNaN } = lookAt(plain)
    if (unpackable !== undefined) throw notPackable(definition, unpackable)
    this.#hasNaN = hasNaN
    return packRich(definition, plain, headerBytes)
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
    throw notPackable(definition, 'its prototype has changed')
  if (plain === state) return state
  if (typeof plain !== 'object' || plain === null || Object.getPrototypeOf(plain) !== Object.prototype)
    throw notPackable(definition, 'its pack must return an object literal')
  return plain
}

/** How many bytes say of which version what is packed now is. */
export const versionBytes = (definition: StateDefinition): number =>
  definition.upgrades.length === 0 ? 0 : headerOf(definition).length

function headerOf(definition: StateDefinition): Uint8Array {
  let header = headersOf.get(definition)
  if (header === undefined) headersOf.set(definition, (header = encodeHeader({ version: definition.upgrades.length })))
  return header
}

/** What can be packed, behind room for the header. */
function packRich(definition: StateDefinition, plain: object, headerBytes: number): Buffer {
  // msgpackr would ask a class for its own ideas of packing
  const fields = Object.getPrototypeOf(plain) === Object.prototype ? plain : { ...plain }
  let packed: Buffer
  try {
    packed = richWriter.pack(fields)
  } catch (error) {
    throw notPackable(definition, messageOf(error), error)
  }
  const bytes = Buffer.allocUnsafeSlow(headerBytes + 1 + packed.length)
  bytes[headerBytes] = RICH
  packed.copy(bytes, headerBytes + 1)
  return bytes
}

const notPackable = (definition: StateDefinition, reason: string, cause?: unknown): PotorooError =>
  new PotorooError('STATE_NOT_PACKABLE', `State object ${definition.name} can't be stored: ${reason}.`, { cause })

/** Throws as `unpackRange`. */
export function unpack(definition: StateDefinition, packed: ByteString, key: string): object {
  return unpackRange(definition, bytesOf(packed), 0, packed.length, key)
}

/**
 * What is in bytes[start, end), after the upgrades that it has not been through. Throws STORE_DAMAGED for what pack() didn't
 * write, STATE_NEWER for what a newer application or Potoroo wrote, STATE_UPGRADE_FAILED, and what an unpack of the user's throws.
 */
export function unpackRange(
  definition: StateDefinition,
  bytes: Buffer,
  start: number,
  end: number,
  key: string,
): object {
  return bytes[start] === HEADER || definition.upgrades.length > 0
    ? unpackVersion(definition, bytes, start, end, key)
    : unpackBody(definition, bytes, start, end, key)
}

function unpackVersion(definition: StateDefinition, bytes: Buffer, start: number, end: number, key: string): object {
  const known = definition.upgrades.length
  const header = known === 0 ? NO_HEADER : headerOf(definition)
  // Nearly all are of the newest version.
  if (header.length > 0 && beginsWith(bytes, start, end, header))
    return unpackBody(definition, bytes, start + header.length, end, key)
  return unpackAfter(definition, bytes, readHeader(bytes, start, end, 0), end, key)
}

/** As `unpackRange`, of what is of the newest version, and without its header. */
export function unpackBody(
  definition: StateDefinition,
  bytes: Buffer,
  start: number,
  end: number,
  key: string,
): object {
  const { windows } = definition
  return (
    (windows && readWindows(windows, shapesFor(definition), bytes, start, end, key)) ??
    definition.fromPlain(readBody(definition, bytes, start, end), key)
  )
}

/** As `unpackRange`, of what has that header. */
export function unpackAfter(
  definition: StateDefinition,
  bytes: Buffer,
  found: ReadHeader,
  end: number,
  key: string,
): object {
  const known = definition.upgrades.length
  if (found.kind === 'damaged') throw unreadable(definition, 'their header is in no known format')
  if (found.kind === 'unknown')
    throw newer(definition, key, `has what this version of Potoroo does not know (flags ${String(found.flags)})`)
  const { version } = found.header
  if (version > known)
    throw newer(
      definition,
      key,
      `has version ${String(version)}, but the newest version that this application knows is ${String(known)}`,
    )
  if (version === known) return unpackBody(definition, bytes, found.end, end, key)
  return upgraded(definition, key, version, readBody(definition, bytes, found.end, end))
}

/**
 * The packed state object with its times, as of the version that the application has: for who is asked for it. What is newer stays
 * as it is.
 * Throws STORE_DAMAGED and STATE_UPGRADE_FAILED.
 */
export function upgradedBytes(definition: StateDefinition, packed: Buffer, key: string): Buffer {
  const known = definition.upgrades.length
  if (known === 0) return packed
  const found = readHeader(packed, 0, packed.length)
  if (found.kind === 'damaged') throw unreadable(definition, 'their header is in no known format')
  if (found.kind === 'unknown' || found.header.version >= known) return packed
  const { version } = found.header
  const plain = upgrade(definition, key, version, readBody(definition, packed, found.end, packed.length))
  try {
    const length = packer.packPlain(definition, plain, encodeHeader({ ...found.header, version: known }))
    return Buffer.from(packer.bytes.subarray(0, length))
  } catch (error) {
    throw upgradeFailed(definition, key, version, `what they return can't be stored: ${messageOf(error)}`, error)
  }
}

/** Invariant 3. */
function upgraded(definition: StateDefinition, key: string, version: number, stored: object): object {
  const plain = upgrade(definition, key, version, stored)
  try {
    const length = packer.packPlain(definition, plain, NO_HEADER)
    return definition.fromPlain(readBody(definition, packer.bytes, 0, length), key)
  } catch (error) {
    const what = isPotorooError(error, 'STATE_NOT_PACKABLE')
      ? `what they return can't be stored: ${error.message.replace(/^.*?: /, '').replace(/\.$/, '')}`
      : `what they return can't be unpacked: ${messageOf(error)}`
    throw upgradeFailed(definition, key, version, what, error)
  }
}

function beginsWith(bytes: Buffer, start: number, end: number, header: Uint8Array): boolean {
  if (start + header.length > end) return false
  for (let i = 0; i < header.length; i++) if (bytes[start + i] !== header[i]) return false
  return true
}

function readBody(definition: StateDefinition, bytes: Buffer, start: number, end: number): object {
  const shapes = shapesFor(definition)
  return shapes.read(bytes, start, end) ?? unpackAny(definition, shapes, bytes, start, end)
}

/** Of windows, those of their states. */
function shapesFor(definition: StateDefinition): PlainShapes {
  let shapes = shapesOf.get(definition)
  if (shapes === undefined) shapesOf.set(definition, (shapes = new PlainShapes()))
  return shapes
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
  if (!rich) {
    if (definition.windows === undefined) shapes.learn(bytes, start, end)
    else learnWindows(shapes, bytes, start, end)
  }
  return plain
}

const unreadable = (definition: StateDefinition, reason: string, cause?: unknown): PotorooError =>
  new PotorooError('STORE_DAMAGED', `The bytes of a state object ${definition.name} can't be read: ${reason}.`, {
    cause,
  })

const newer = ({ name }: StateDefinition, key: string, what: string): PotorooError =>
  new PotorooError('STATE_NEWER', `State object ${name} of key '${visible(key.slice(0, 100))}' ${what}.`)
