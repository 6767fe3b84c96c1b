/**
 * Protobuf behind the id of its .proto file and the place of the message in it: with protobufjs, which the user installs.
 *
 * 1. Messages are plain objects with field names in lowerCamelCase, as in Protobuf's JSON. Enums are their names, bytes are
 *    Buffers of their own. A field that is not there has its default, but for messages and what is `optional` or of a `oneof`:
 *    those are absent.
 * 2. Nothing is altered: what is written is checked before, for protobufjs cuts numbers to size, and leaves out what it does
 *    not know.
 */
import type * as protobufjs from 'protobufjs'
import { PotorooError } from '../errors.js'
import type { Format, Read, Write } from './format.js'
import type { Longs } from './longs.js'
import { packageOf } from './package.js'
import { plainOf } from './protobuf-reading.js'
import { writable } from './protobuf-writing.js'
import type { WholeSchema } from './schemas.js'
import { headerOf, indexesIn } from './wire-format.js'

type Protobuf = Omit<typeof protobufjs, 'default'>

export class ProtobufFormat implements Format {
  readonly type = 'PROTOBUF'
  readonly name = 'Protobuf'
  #protobuf: Protobuf | undefined

  constructor(
    private readonly longs: Longs,
    /** The full name of the message to write. */
    private readonly message: string | undefined,
  ) {}

  async load(): Promise<void> {
    if (this.#protobuf !== undefined) return
    const loaded: Protobuf = (await packageOf('protobufjs', this.name, () => import('protobufjs'))).default
    // without it, protobufjs would read integers of 64 bits as doubles
    if (!(loaded.util.Long as unknown))
      throw new PotorooError(
        'DEPENDENCY_MISSING',
        'Protobuf needs the package long beside protobufjs: npm install long',
      )
    this.#protobuf = loaded
  }

  reader(schema: WholeSchema): Read {
    const messages = this.#messagesOf(schema)
    const types = new Map<string, protobufjs.Type>()
    const { longs } = this
    const protobuf = this.#loaded()
    return (value) => {
      const { indexes, end } = indexesIn(value)
      const place = indexes.join()
      let type = types.get(place)
      if (type === undefined) types.set(place, (type = messageAt(protobuf, messages, indexes)))
      // a copy: bytes are views of it
      return plainOf(protobuf, type, type.decode(Buffer.from(value.subarray(end))), longs)
    }
  }

  writer(id: number, schema: WholeSchema): Write {
    const protobuf = this.#loaded()
    const places = placesOf(protobuf, this.#messagesOf(schema))
    const { longs, message } = this
    const place = message === undefined ? places[0] : places.find(({ type }) => nameOf(type) === message)
    if (place === undefined) {
      const names = places.map(({ type }) => nameOf(type)).join(', ')
      throw new Error(`it has no message ${message ?? ''}: it has ${names === '' ? 'none' : names}`)
    }
    const header = headerOf(id, place.indexes)
    return (value) => Buffer.concat([header, place.type.encode(writable(protobuf, place.type, value, longs)).finish()])
  }

  /** Those of the file that are in no other message, in their order. */
  #messagesOf({ text, parts }: WholeSchema): readonly protobufjs.Type[] {
    const protobuf = this.#loaded()
    const { Root, parse, common } = protobuf
    const root = new Root()
    for (const source of [...parts.map((part) => part.text), text]) {
      const { imports, weakImports } = parse(source, root)
      for (const name of [...(imports ?? []), ...(weakImports ?? [])])
        if (!parts.some((part) => part.name === name)) root.addJSON(common.get(name)?.nested ?? {})
    }
    root.resolveAll()
    // In a root of its own are the messages of this file alone: a package may be that of others, too.
    const own = new Root()
    const { package: name } = parse(text, own)
    const inPackage = name === undefined ? own : own.lookup(name)
    return messagesIn(protobuf, inPackage).map(({ fullName }) => root.lookupType(fullName))
  }

  #loaded(): Protobuf {
    if (this.#protobuf === undefined) throw new PotorooError('INTERNAL', 'Protobuf was used before it was loaded.')
    return this.#protobuf
  }
}

/** A message, with where it is among those of its file. */
interface Place {
  readonly indexes: readonly number[]
  readonly type: protobufjs.Type
}

/** In the order of the file, each before those in it. */
const placesOf = (protobuf: Protobuf, messages: readonly protobufjs.Type[], within: readonly number[] = []): Place[] =>
  messages.flatMap((type, index) => {
    const indexes = [...within, index]
    return [{ indexes, type }, ...placesOf(protobuf, messagesIn(protobuf, type), indexes)]
  })

function messagesIn(protobuf: Protobuf, container: unknown): protobufjs.Type[] {
  if (!(container instanceof protobuf.Namespace)) return []
  return container.nestedArray.filter((one): one is protobufjs.Type => one instanceof protobuf.Type)
}

function messageAt(
  protobuf: Protobuf,
  messages: readonly protobufjs.Type[],
  indexes: readonly number[],
): protobufjs.Type {
  const [first, ...rest] = indexes
  const type = first === undefined ? undefined : messages[first]
  if (type === undefined) throw new RangeError('its message indexes refer to no message in the schema')
  return rest.length === 0 ? type : messageAt(protobuf, messagesIn(protobuf, type), rest)
}

const nameOf = ({ fullName }: protobufjs.Type): string => fullName.replace(/^\./, '')
