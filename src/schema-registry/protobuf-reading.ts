/** Messages of protobufjs as plain objects: see protobuf.ts. */
import type * as protobufjs from 'protobufjs'
import { isLongType, longOf, type Longs } from './longs.js'

type Protobuf = Omit<typeof protobufjs, 'default'>
type Fields = Record<string, unknown>

/** Throws NUMBER_NOT_EXACT. */
export function plainOf(protobuf: Protobuf, type: protobufjs.Type, message: object, longs: Longs): Fields {
  const fields = message as Fields
  const plain: Fields = {}
  for (const field of type.fieldsArray) {
    const { name } = field
    const value = fields[name]
    const isThere = Object.hasOwn(fields, name) && value !== undefined && value !== null
    const one = (of: unknown): unknown => valueOf(protobuf, field, of, longs)
    if (field instanceof protobuf.MapField) plain[name] = isThere ? mapOf(protobuf, field, value as Fields, one) : {}
    else if (field.repeated) plain[name] = isThere ? (value as unknown[]).map(one) : []
    else if (isThere) plain[name] = one(value)
    else if (field.partOf === null && !(field.resolvedType instanceof protobuf.Type))
      plain[name] = one(field.typeDefault)
  }
  return plain
}

function valueOf(protobuf: Protobuf, field: protobufjs.Field, value: unknown, longs: Longs): unknown {
  const { resolvedType } = field
  if (resolvedType instanceof protobuf.Type) return plainOf(protobuf, resolvedType, value as object, longs)
  // one that a later version of the schema has
  if (resolvedType instanceof protobuf.Enum) return resolvedType.valuesById[value as number] ?? value
  if (isLongType(field.type)) return longOf(bigIntIn(value as Long), longs)
  return field.type === 'bytes' ? Buffer.from(value as Uint8Array) : value
}

/** protobufjs keeps keys of 64 bits as hashes. */
function mapOf(
  protobuf: Protobuf,
  { keyType }: protobufjs.MapField,
  entries: Fields,
  one: (of: unknown) => unknown,
): Fields {
  const isLong = isLongType(keyType)
  const isUnsigned = keyType === 'uint64' || keyType === 'fixed64'
  const keyOf = (key: string): string =>
    isLong ? String(bigIntIn(protobuf.util.longFromHash(key, isUnsigned) as Long)) : key
  return Object.fromEntries(Object.entries(entries).map(([key, value]) => [keyOf(key), one(value)]))
}

interface Long {
  readonly low: number
  readonly high: number
  readonly unsigned: boolean
}

const bigIntIn = ({ low, high, unsigned }: Long): bigint =>
  (BigInt(unsigned ? high >>> 0 : high) << 32n) | BigInt(low >>> 0)
