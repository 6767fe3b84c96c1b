/**
 * State objects: one object per key, and the boundary of atomicity. One message changes one of them, completely or not
 * at all.
 *
 * A state object is an object literal or an instance of the user's class. An instance comes back from storage with its
 * methods: it is created with its class's prototype and given its own fields, and the constructor does not run again.
 * What is not an own field doesn't come back: `#private` fields and `accessor` fields can't be read from outside. A
 * class with such fields provides `pack(): unknown` and `static unpack(plain: unknown, key: string)`.
 */
import { PotorooError } from '../errors.js'
import type { StateDefinition, Upgrade } from './definition.js'
import { checkFunction, checkName, invalid, shown } from './names.js'
import { isDurationMs, originKey, type Origin } from './topic.js'

export const stateKey: unique symbol = Symbol.for('potoroo.state-object')
export declare const state: unique symbol

export interface AnyStateObject {
  readonly name: string
  readonly [stateKey]: StateDefinition
}
export interface StateObject<in out S extends object> extends AnyStateObject {
  /** Those that `ttlMs` has ended, each once, as they were. */
  readonly expired: Origin<Expired<S>, 'keyed'>
  /** Exists only for the type checker. */
  readonly [state]?: (state: S) => S
}

/** The messages of `from(state.expired)`. */
export interface Expired<S> {
  readonly key: string
  /** As it was. */
  readonly state: S
}

/** A class of state objects. `pack` of its instances and its static `unpack` are given together or not at all. */
export interface StateClass<S extends object> {
  new (key: string): S
  unpack?(plain: unknown, key: string): S
}

/** How a state object is stored, if not as its own fields. */
export interface Packing<S extends object> {
  /**
   * Returns plain values: objects, arrays, strings, numbers, booleans, null, undefined, BigInt, Date, Map, Set, typed
   * arrays.
   */
  readonly pack: (state: S) => unknown
  /** Restores the state object. */
  readonly unpack: (plain: unknown, key: string) => S
}

export type StateOptions<S extends object> = (Packing<S> | { readonly pack?: never; readonly unpack?: never }) & {
  /**
   * How many partitions a repartition topic that leads here gets, if no other topic of the sub-topology determines it;
   * default: the most that any of its sources has. Fixed once the topic exists.
   */
  readonly partitions?: number
  /**
   * For state objects whose shape has changed: upgrades[n] turns what version n stored into what version n + 1 stores.
   * The version of a state object is the number of upgrades that it has been through; a new one has the newest version.
   * It is upgraded when a message reads it, and stored in the new shape with that message. A step gets plain data, the
   * fields without their class, or what `pack` returned, and returns an object literal; it must always return the same
   * for the same input, and change nothing else. Never change or remove a step that has run; only add steps at the end.
   * A step that throws, or returns something other than an object literal that can be stored, stops the worker:
   * STATE_UPGRADE_FAILED. What a newer version stored stops a worker that does not know that version: STATE_NEWER.
   * Default: none, version 0.
   */
  readonly upgrades?: readonly ((stored: never) => object & NoPromise)[]
  /**
   * How long a state object lives if nothing changes it, ms, 64 or more; default: forever. It counts from the timestamp
   * of the last message that changed it, or of the last timer that fired, and is extended by a 64th at most. A message
   * with a timestamp after the end finds no state object; otherwise it ends when the task's time has passed the end,
   * unless a timer of it is set. `from(state.expired)` produces each one that has ended, once.
   */
  readonly ttlMs?: number
}

/**
 * Declares a kind of state object; `name` is part of the name of its changelog topic. A key without a state object gets
 * one from `initial`: a function that returns an object literal, or a class, whose constructor is called with the key.
 * A function without parameters must return the same for every key. Throws INVALID_DEFINITION.
 */
export function stateObject<S extends object>(
  name: string,
  initial: (StateClass<S> | ((key: string) => S)) & NotPromised<S>,
  options?: StateOptions<S>,
): StateObject<S> {
  checkName('a state object', name)
  const { packing, partitions, upgrades, ttlMs } = checkOptions(name, options)
  const shape = isClass(initial)
    ? ofClass(name, initial as StateClass<S>, packing)
    : ofFactory(name, initial as (key: string) => S, packing)
  const definition: StateDefinition = { ...shape, partitions, upgrades, ttlMs }
  const expired = { name: `${name}-expired`, [originKey]: { kind: 'expired', state: definition } as const }
  return { name, expired, [stateKey]: definition }
}

/**
 * For state objects that are object literals, or whatever `pack` takes; with their options, checked. Throws
 * INVALID_DEFINITION.
 */
export function literalShapeOf<S extends object>(
  name: string,
  initial: (key: string) => S,
  options: StateOptions<S>,
): Pick<StateDefinition, 'partitions' | 'upgrades' | 'ttlMs'> & { readonly shape: Shape } {
  const { packing, ...own } = checkOptions(name, options)
  if (isClass(initial))
    throw invalid(
      `The initial value of ${name} is a class: it must be a function that returns an object literal or, with pack and unpack, ` +
        'an instance.',
    )
  return { ...own, shape: ofFactory(name, initial, packing) }
}

/** A time to live is rounded up to this fraction of itself. */
const LEAST_TTL_MS = 64

type Shape = Omit<StateDefinition, 'partitions' | 'upgrades' | 'ttlMs'>
interface NoPromise {
  readonly then?: never
}
type NotPromised<S> = S extends PromiseLike<unknown> ? 'error: a state object must be created synchronously' : unknown

/** A class's `prototype` can't be written; a function's can, and arrow functions and methods have none. */
const isClass = (value: unknown): boolean =>
  typeof value === 'function' && Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false

function ofFactory<S extends object>(
  name: string,
  initial: (key: string) => S,
  options: Packing<S> | undefined,
): Shape {
  checkFunction(`The initial value of state object ${name}`, initial)
  const beginsAlike = initial.length === 0
  let wasChecked = false
  return {
    name,
    beginsAlike,
    initial: (key) => {
      const made: unknown = initial(key)
      if (options !== undefined && typeof made === 'object' && made !== null) return made
      if (!isPlain(made))
        throw invalid(
          `The initial value of state object ${name} is ${shown(made)}: it must be an object literal. ` +
            'For an instance of a class, give stateObject() the class itself, or pack and unpack.',
        )
      if (!wasChecked || !beginsAlike) refuseAccessors(name, made)
      wasChecked = true
      return made
    },
    prototype: options === undefined ? Object.prototype : undefined,
    toPlain: options === undefined ? (object) => object : (object) => options.pack(object as S),
    fromPlain:
      options === undefined
        ? (plain) => asObject(name, plain)
        : (plain, key) => asObject(name, options.unpack(plain, key)),
  }
}

function ofClass<S extends object>(name: string, constructor: StateClass<S>, options: Packing<S> | undefined): Shape {
  const prototype = constructor.prototype as object
  const ancestor = BUILT_IN.find((builtIn) => (constructor as unknown) === builtIn || prototype instanceof builtIn)
  const brings = 'pack' in prototype && typeof prototype.pack === 'function'
  const takes = typeof constructor.unpack === 'function'
  if (options === undefined && brings !== takes)
    throw invalid(
      `The class of state object ${name} has ${brings ? 'pack() but no static unpack()' : 'static unpack() but no pack()'}: ` +
        'it must have both or neither.',
    )
  const initial = (key: string): object => new constructor(key)
  const beginsAlike = takesNothing(constructor)
  if (options !== undefined)
    return {
      name,
      initial,
      beginsAlike,
      prototype: undefined,
      toPlain: (object) => options.pack(object as S),
      fromPlain: (plain, key) => asObject(name, options.unpack(plain, key)),
    }
  if (ancestor !== undefined && !brings)
    throw invalid(
      `State object ${name} can't be a ${ancestor.name}: its contents are not fields, so they would not be stored. ` +
        'Keep it in a field of the state object, or provide pack and unpack.',
    )
  if (brings)
    return {
      name,
      initial,
      beginsAlike,
      prototype: undefined,
      toPlain: (object) => (object as { pack(): unknown }).pack(),
      fromPlain: (plain, key) => asObject(name, constructor.unpack?.(plain, key)),
    }
  return {
    name,
    initial,
    beginsAlike,
    prototype,
    // packing looks at own fields, whatever the prototype
    toPlain: (object) => object,
    fromPlain: (plain) => withFields(Object.create(prototype) as object, asObject(name, plain)),
  }
}

/** Whether no constructor takes the key; a class without a constructor passes it on to its ancestor's. */
function takesNothing(constructor: object): boolean {
  for (
    let at: unknown = constructor;
    typeof at === 'function' && at !== Function.prototype;
    at = Object.getPrototypeOf(at)
  )
    if (at.length > 0) return false
  return true
}

/**
 * Sets fields as own fields of the class, even those that its ancestors have accessors for, which must neither run nor
 * refuse.
 */
function withFields(object: object, fields: object): object {
  const target = object as Record<string, unknown>
  for (const [name, value] of Object.entries(fields))
    if (name in object)
      Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
    else target[name] = value
  return object
}

/** Their contents are not own fields. */
const BUILT_IN = [
  Map,
  Set,
  WeakMap,
  WeakSet,
  WeakRef,
  Array,
  Date,
  RegExp,
  Promise,
  Function,
  ArrayBuffer,
  SharedArrayBuffer,
  DataView,
  Object.getPrototypeOf(Uint8Array) as typeof Uint8Array,
  Error,
  String,
  Number,
  Boolean,
] as const

interface CheckedOptions<S extends object> extends Pick<StateDefinition, 'partitions' | 'upgrades' | 'ttlMs'> {
  readonly packing: Packing<S> | undefined
}

function checkOptions<S extends object>(name: string, options: StateOptions<S> = {}): CheckedOptions<S> {
  if (typeof options !== 'object' || (options as unknown) === null)
    throw invalid(`The options of state object ${name} are ${shown(options)}: they must be an object.`)
  const { pack, unpack, partitions, upgrades: steps = [], ttlMs }: GivenOptions<S> = options
  if (partitions !== undefined && (!Number.isInteger(partitions) || partitions < 1))
    throw invalid(`State object ${name} has partitions: ${shown(partitions)}. It must be a whole number, 1 or more.`)
  if (ttlMs !== undefined && (!isDurationMs(ttlMs) || ttlMs < LEAST_TTL_MS))
    throw invalid(`State object ${name} has ttlMs: ${shown(ttlMs)}. It must be whole milliseconds, 64 or more.`)
  if (!Array.isArray(steps))
    throw invalid(`State object ${name} has upgrades: ${shown(steps)}. It must be an array of functions.`)
  // Not forEach(), which skips holes.
  for (const [version, step] of [...(steps as readonly unknown[])].entries())
    checkFunction(`upgrades[${String(version)}] of state object ${name}`, step)
  // A copy: its length is the version, so no one may change it later.
  const own = { partitions, upgrades: [...(steps as readonly Upgrade[])], ttlMs }
  if (pack === undefined && unpack === undefined) return { ...own, packing: undefined }
  if (pack === undefined || unpack === undefined)
    throw invalid(`State object ${name} has one of pack and unpack: it must have both or neither.`)
  checkFunction(`pack of state object ${name}`, pack)
  checkFunction(`unpack of state object ${name}`, unpack)
  return { ...own, packing: { pack, unpack } }
}

type GivenOptions<S extends object> = Partial<Packing<S>> & Pick<StateOptions<S>, 'partitions' | 'upgrades' | 'ttlMs'>

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

/** A getter would come back from storage as the value that it had. */
function refuseAccessors(name: string, made: object): void {
  for (const field of Object.keys(made))
    if (Object.getOwnPropertyDescriptor(made, field)?.get !== undefined)
      throw invalid(`State object ${name} has getter ${field}, which can't be stored: make it a class.`)
}

function asObject(name: string, value: unknown): object {
  if (typeof value === 'object' && value !== null) return value
  throw new PotorooError('STATE_NOT_PACKABLE', `State object ${name} is unpacked as ${shown(value)}.`)
}

/** The definition behind a state object. Throws INVALID_DEFINITION for anything else, naming `where` it was found. */
export function stateDefinition(value: unknown, where: string): StateDefinition {
  if (typeof value === 'object' && value !== null && stateKey in value) return value[stateKey] as StateDefinition
  const isWindows = typeof value === 'object' && value !== null && Symbol.for('potoroo.windows') in value
  throw invalid(
    isWindows
      ? `${where} is a windowed state: only to() accepts it, and from(windows.closed) reads the windows that have closed.`
      : `${where} is ${shown(value)}: it must be a state object, created with stateObject().`,
  )
}
