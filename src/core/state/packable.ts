/** Finds what could be packed, but would not come back as it was, or not at all: with its path, for the error. */
import { classNameOf } from '../../api/names.js'
import { isAccessor, isDense, isStorable, MAX_DEPTH } from './pack-plain.js'

export interface Looked {
  /** Where and why it can't be packed; undefined when it can. */
  readonly unpackable: string | undefined
  /** As far as was looked. */
  readonly hasNaN: boolean
}

/** Of the root, only its own fields count. */
export function lookAt(root: object): Looked {
  const walk = new Walk()
  return { unpackable: walk.fields(root, '', 0), hasNaN: walk.hasNaN }
}

const TYPED_ARRAYS: readonly unknown[] = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  Buffer,
].map((constructor): unknown => constructor.prototype)

class Walk {
  hasNaN = false
  readonly #seen = new Set<object>()

  fields(object: object, path: string, depth: number): string | undefined {
    const [symbol] = Object.getOwnPropertySymbols(object)
    if (symbol !== undefined) return `${at(path)} has a field named by ${String(symbol)}`
    for (const key of Object.getOwnPropertyNames(object)) {
      const inner = path === '' ? key : `${path}.${key}`
      if (key === '__proto__') return `${at(inner)} is a name that an object can't have`
      if (!isStorable(key)) return `${at(inner)} is a name that UTF-8 can't encode`
      const field = Object.getOwnPropertyDescriptor(object, key)
      if (field !== undefined && isAccessor(field)) return accessorAt(inner)
      if (field?.enumerable !== true) return `${at(inner)} is a field that is not enumerable`
      const found = this.#value(field.value, inner, depth)
      if (found !== undefined) return found
    }
    return undefined
  }

  #value(value: unknown, path: string, depth: number): string | undefined {
    switch (typeof value) {
      case 'string':
        if (!value.isWellFormed()) return `${at(path)} is a string with a lone surrogate, which UTF-8 can't encode`
        return isStorable(value) ? undefined : `${at(path)} is a string that begins with a byte order mark`
      case 'number':
        if (Number.isNaN(value)) this.hasNaN = true
        // MessagePack's integers have no -0; states of plain values alone are written by other means
        return Object.is(value, -0)
          ? `${at(path)} is -0 in a state with more than plain values; add 0 to it`
          : undefined
      case 'function':
        return `${at(path)} is a function`
      case 'symbol':
        return `${at(path)} is a symbol`
      case 'object':
        return value === null ? undefined : this.#object(value, path, depth + 1)
      default:
        return undefined
    }
  }

  #object(value: object, path: string, depth: number): string | undefined {
    if (depth > MAX_DEPTH) return `${at(path)} is nested deeper than ${String(MAX_DEPTH)} levels`
    if (this.#seen.has(value)) return undefined
    this.#seen.add(value)
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Object.prototype) return this.fields(value, path, depth)
    if (Array.isArray(value) && prototype === Array.prototype) return this.#array(value, path, depth)
    if (TYPED_ARRAYS.includes(prototype)) return undefined
    if (value instanceof Map && prototype === Map.prototype)
      return this.#bare(value, path) ?? this.#map(value, path, depth)
    if (value instanceof Set && prototype === Set.prototype)
      return this.#bare(value, path) ?? this.#each(value, `${path}.<element>`, depth)
    if (value instanceof Date && prototype === Date.prototype) return this.#bare(value, path)
    if (prototype === null) return `${at(path)} is an object without a prototype: use a Map or an object literal`
    return `${at(path)} is an instance of ${classNameOf(value)}`
  }

  #array(array: readonly unknown[], path: string, depth: number): string | undefined {
    // besides its elements, and its length after them, it may have nothing
    if (!isDense(array) || Object.getOwnPropertyNames(array).length !== array.length + 1)
      return `${at(path)} is an array with holes or extra fields`
    for (const index of array.keys()) {
      const inner = `${path}[${String(index)}]`
      const element = Object.getOwnPropertyDescriptor(array, index)
      if (element !== undefined && isAccessor(element)) return accessorAt(inner)
      const found = this.#value(element?.value, inner, depth)
      if (found !== undefined) return found
    }
    return undefined
  }

  #map(map: ReadonlyMap<unknown, unknown>, path: string, depth: number): string | undefined {
    for (const [key, value] of map) {
      const inner = `${path}.get(${typeof key === 'string' ? JSON.stringify(key.slice(0, 40)) : typeof key})`
      const found = this.#value(key, `${path}.<key>`, depth) ?? this.#value(value, inner, depth)
      if (found !== undefined) return found
    }
    return undefined
  }

  #each(values: Iterable<unknown>, path: string, depth: number): string | undefined {
    for (const value of values) {
      const found = this.#value(value, path, depth)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Maps, sets and dates are stored without fields that were given to them. */
  #bare(value: object, path: string): string | undefined {
    const [field] = Reflect.ownKeys(value)
    return field === undefined
      ? undefined
      : `${at(path)} is a ${classNameOf(value)} with a field of its own, ${String(field)}`
  }
}

const accessorAt = (path: string): string =>
  `${at(path)} is a getter or setter, of which only the current value would be stored: make it a method of a class`

const MAX_PATH_LENGTH = 200

/** A path as messages name it. Of a long one, beginning and end: what was wrong has to fit after it. */
function at(path: string): string {
  if (path === '') return 'it'
  const half = MAX_PATH_LENGTH / 2
  return path.length <= MAX_PATH_LENGTH ? path : `${path.slice(0, half)}…${path.slice(-half)}`
}
