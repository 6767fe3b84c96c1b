/** Messages for protobufjs to encode, checked in full: see protobuf.ts. */
import type * as protobufjs from 'protobufjs'
import { isRecord } from '../core/json-shape.js'
import { shown } from '../api/names.js'
import { bigIntOf, isLongType, type Longs } from './longs.js'

type Protobuf = Omit<typeof protobufjs, 'default'>
type Fields = Record<string, unknown>

/** Throws what is wrong with it, with its path. */
export const writable = (protobuf: Protobuf, type: protobufjs.Type, message: unknown, longs: Longs): Fields =>
  new Writing(protobuf, longs).message(type, message, '')

class Writing {
  constructor(
    private readonly protobuf: Protobuf,
    private readonly longs: Longs,
  ) {}

  message(type: protobufjs.Type, value: unknown, path: string): Fields {
    if (!isRecord(value) || value instanceof Map) throw wrong(path, value, `a message ${type.name}`)
    for (const name of Object.keys(value))
      if (!Object.hasOwn(type.fields, name))
        throw new TypeError(`${inner(path, name)} is not a field of message ${type.name}`)
    const fields: Fields = {}
    for (const field of type.fieldsArray) {
      const { name } = field
      const given = value[name]
      const at = inner(path, name)
      if (given === undefined || given === null) {
        if (field.required) throw new TypeError(`${at} is missing`)
      } else fields[name] = this.#field(field, given, at)
    }
    for (const { oneof } of type.oneofsArray) {
      const [first, second] = oneof.filter((name) => name in fields)
      if (second !== undefined)
        throw new TypeError(`${inner(path, second)} is set together with ${first ?? ''}, of which only one may be set`)
    }
    return fields
  }

  #field(field: protobufjs.Field, value: unknown, path: string): unknown {
    if (field instanceof this.protobuf.MapField) {
      // a Map has no fields, and would be written as empty
      if (!isRecord(value) || value instanceof Map) throw wrong(path, value, 'an object')
      for (const key of Object.keys(value)) this.#mapKey(field.keyType, key, path)
      return Object.fromEntries(
        Object.entries(value).map(([key, one]) => [key, this.#value(field, one, inner(path, key))]),
      )
    }
    if (!field.repeated) return this.#value(field, value, path)
    if (!Array.isArray(value)) throw wrong(path, value, 'an array')
    return value.map((one: unknown, i) => this.#value(field, one, `${path}[${String(i)}]`))
  }

  #mapKey(type: string, key: string, path: string): void {
    if (type === 'string') requireText(key, path)
    else if (type === 'bool') {
      if (key !== 'true' && key !== 'false') throw wrong(path, key, 'a key true or false')
    } else if (!/^-?\d{1,20}$/.test(key) || !isWithin(BigInt(key), type)) throw wrong(path, key, `a key of ${type}`)
  }

  #value(field: protobufjs.Field, value: unknown, path: string): unknown {
    const { resolvedType, type } = field
    const { Type, Enum, util } = this.protobuf
    if (resolvedType instanceof Type) return this.message(resolvedType, value, path)
    if (resolvedType instanceof Enum) {
      const number = typeof value === 'string' ? resolvedType.values[value] : value
      if (typeof number === 'number' && isWithin32(number)) return number
      throw wrong(path, value, `one of ${Object.keys(resolvedType.values).join(', ').slice(0, 100)}`)
    }
    switch (type) {
      case 'string':
        return requireText(value, path)
      case 'bool':
        if (typeof value === 'boolean') return value
        throw wrong(path, value, 'a boolean')
      case 'bytes':
        if (value instanceof Uint8Array) return value
        throw wrong(path, value, 'a Uint8Array')
      case 'double':
      case 'float':
        if (typeof value === 'number') return value
        throw wrong(path, value, 'a number')
      default: {
        const is64 = isLongType(type)
        const whole = bigIntOf(value, is64 ? this.longs : 'number')
        if (whole === undefined || !isWithin(whole, type))
          throw wrong(path, value, is64 ? `a ${type} as longs: '${this.longs}' has them` : `a whole number of ${type}`)
        return is64 ? longClass(util.Long).fromString(String(whole), isUnsigned(type)) : Number(whole)
      }
    }
  }
}

/** Of the package long: protobufjs declares it as a constructor alone. */
const longClass = (of: unknown) => of as { fromString(digits: string, unsigned: boolean): unknown }

const isUnsigned = (type: string): boolean => type.startsWith('uint') || type.startsWith('fixed')

function isWithin(value: bigint, type: string): boolean {
  const bits = type.endsWith('64') ? 64n : 32n
  const [least, most] = isUnsigned(type) ? [0n, 2n ** bits - 1n] : [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n]
  return value >= least && value <= most
}

const isWithin32 = (value: number): boolean => (value | 0) === value

function requireText(value: unknown, path: string): string {
  if (typeof value !== 'string') throw wrong(path, value, 'a string')
  if (!value.isWellFormed()) throw new TypeError(`${path} has a lone surrogate, which UTF-8 can't encode`)
  return value
}

const inner = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`)
const wrong = (path: string, value: unknown, what: string): TypeError =>
  new TypeError(`${path === '' ? 'it' : path} is ${shown(value)}, not ${what}`)
