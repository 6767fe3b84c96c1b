/** Avro behind the id of its schema: with avsc, which the user installs. */
import type * as avsc from 'avsc'
import { shown } from '../api/names.js'
import { PotorooError } from '../errors.js'
import type { Format, Read, Write } from './format.js'
import { bigIntOf, longOf, type Longs } from './longs.js'
import { packageOf } from './package.js'
import type { WholeSchema } from './schemas.js'
import { HEADER_BYTES, headerOf } from './wire-format.js'

export type { Longs }

type Avsc = Pick<typeof avsc, 'Type' | 'types'>
const LONG_BYTES = 8
const [MIN_LONG, MAX_LONG] = [-(2n ** 63n), 2n ** 63n - 1n]

export class AvroFormat implements Format {
  readonly type = 'AVRO'
  readonly name = 'Avro'
  #avsc: Avsc | undefined

  constructor(private readonly longs: Longs) {}

  async load(): Promise<void> {
    this.#avsc ??= (await packageOf('avsc', this.name, () => import('avsc'))).default
  }

  reader(schema: WholeSchema, declared: WholeSchema | undefined): Read {
    const written = this.#typeOf(schema)
    const type = declared === undefined ? written : this.#typeOf(declared)
    const resolver = declared === undefined ? undefined : type.createResolver(written)
    return (value) => plain(type.fromBuffer(value.subarray(HEADER_BYTES), resolver))
  }

  writer(id: number, schema: WholeSchema): Write {
    const type = this.#typeOf(schema)
    const header = headerOf(id)
    return (message) => {
      type.isValid(message, { noUndeclaredFields: true, errorHook: refuse })
      return Buffer.concat([header, type.toBuffer(message)])
    }
  }

  #typeOf({ text, parts }: WholeSchema): avsc.Type {
    const { Type } = this.#loaded()
    const long = this.#longType()
    const options = {
      registry: {},
      typeHook: (schema: unknown): avsc.Type | undefined => (isLong(schema) ? long : undefined),
    }
    for (const part of parts) Type.forSchema(schemaIn(part.text), options)
    return Type.forSchema(schemaIn(text), options)
  }

  /** Reads all 64 bits, whatever is made of them: avsc's own says of a number that it can't hold nothing but that. */
  #longType(): avsc.Type {
    const { longs } = this
    const { types } = this.#loaded()
    return types.LongType.__with({
      fromBuffer: (bytes: Buffer) => longOf(bytes.readBigInt64LE(), longs),
      toBuffer: (value: unknown) => {
        const bytes = Buffer.alloc(LONG_BYTES)
        bytes.writeBigInt64LE(bigIntOf(value, longs) ?? 0n)
        return bytes
      },
      // of a schema's default
      fromJSON: (value: number | string) => longOf(BigInt(value), longs),
      toJSON: (value: unknown) => Number(value),
      isValid: (value: unknown) => {
        const long = bigIntOf(value, longs)
        return long !== undefined && long >= MIN_LONG && long <= MAX_LONG
      },
      compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1),
    })
  }

  #loaded(): Avsc {
    if (this.#avsc === undefined) throw new PotorooError('INTERNAL', 'Avro was used before it was loaded.')
    return this.#avsc
  }
}

/** Also one that stands for something else, such as a time. */
const isLong = (schema: unknown): boolean =>
  schema === 'long' || (typeof schema === 'object' && schema !== null && 'type' in schema && schema.type === 'long')

/** A schema may be the bare name of a type. */
function schemaIn(text: string): avsc.Schema {
  try {
    return JSON.parse(text) as avsc.Schema
  } catch (cause) {
    if (/^[\w.]+$/.test(text)) return text
    throw cause
  }
}

function refuse(path: readonly string[], value: unknown, type: avsc.Type): never {
  const where = path.join('.') || 'it'
  const extra = undeclared(value, type)
  if (extra !== undefined) throw new TypeError(`${[...path, extra].join('.')} is not a field of ${String(type.name)}`)
  throw new TypeError(`${where} is ${shown(value)}, which does not match its schema: ${String(type).slice(0, 100)}`)
}

function undeclared(value: unknown, type: avsc.Type): string | undefined {
  if (typeof value !== 'object' || value === null || type.typeName !== 'record') return undefined
  const { fields } = type as unknown as { readonly fields: readonly { readonly name: string }[] }
  return Object.keys(value).find((name) => !fields.some((field) => field.name === name))
}

/** Records are instances of classes that avsc makes, which no state object could hold: objects of their fields. */
function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value
  if (Array.isArray(value)) return value.map(plain)
  const copy: Record<string, unknown> = {}
  for (const [field, one] of Object.entries(value)) copy[field] = plain(one)
  return copy
}
