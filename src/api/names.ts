/** What names may look like, and how a wrong definition is refused. */
import { PotorooError } from '../errors.js'

export const invalid = (message: string): PotorooError => new PotorooError('INVALID_DEFINITION', message)

/** Kafka's own rule for topics; changelogs, transactional ids and directories are made of the other names, so they follow it. */
const LEGAL = /^[a-zA-Z0-9._-]+$/
/** `<application>-<state object>-changelog` must fit into Kafka's 249 characters for a topic. */
const MAX_NAME_LENGTH = 100
const MAX_TOPIC_NAME_LENGTH = 249

export const checkName = (what: string, name: unknown): string => checkNameUpTo(MAX_NAME_LENGTH, what, name)
export const checkTopicName = (what: string, name: unknown): string => checkNameUpTo(MAX_TOPIC_NAME_LENGTH, what, name)

function checkNameUpTo(maxLength: number, what: string, name: unknown): string {
  if (typeof name !== 'string') throw invalid(`The name of ${what} is ${shown(name)}: it must be a string.`)
  if (name.length > maxLength)
    throw invalid(
      `The name of ${what} has ${String(name.length)} characters: at most ${String(maxLength)} are allowed.`,
    )
  if (!LEGAL.test(name) || name === '.' || name === '..')
    throw invalid(`${JSON.stringify(name)} can't be the name of ${what}: use letters, digits, '.', '_' and '-'.`)
  return name
}

/** A function from a definition. An async one is rejected here, because its promise would be taken for its result. */
export function checkFunction(what: string, value: unknown): void {
  if (typeof value !== 'function') throw invalid(`${what} is ${shown(value)}: it must be a function.`)
  const kind = Object.prototype.toString.call(value)
  if (kind === '[object Function]') return
  // async functions, generators and async generators
  const advice = kind === '[object AsyncFunction]' ? ' Use call() for asynchronous work.' : ''
  throw invalid(
    `${what} is ${kind.slice('[object '.length, -1)}: it must be an ordinary function, without async or *.${advice}`,
  )
}

export const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'

/** Describes whatever a caller without types passed, in a few words. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(shortened(value, 40))
  if (typeof value === 'object' && value !== null) {
    if (Array.isArray(value)) return 'an array'
    const name = classNameOf(value)
    return name === 'Object' ? 'an object' : `an object of ${name}`
  }
  return typeof value === 'function' ? 'a function' : String(value)
}

/**
 * Whether a key can be written. UTF-8 has no lone surrogates: they would all become the same bytes, and keys that the
 * application tells apart would share one record in the store.
 */
export const isKey = (value: unknown): value is string => typeof value === 'string' && value.isWellFormed()

/** Whether it is the hex text of some bytes, as Buffer.toString('hex') writes it. */
export const isHex = (text: string): boolean => /^(?:[0-9a-f]{2})*$/.test(text)

/** What is wrong with something that is not a key. */
export const shownKey = (value: unknown): string =>
  `${shown(value)}, ${typeof value === 'string' ? "with a lone surrogate, which UTF-8 can't encode" : 'not a string'}`

/** The name of an object's class, which may have none. */
export function classNameOf(value: object): string {
  const { constructor }: { readonly constructor?: unknown } = value
  return typeof constructor === 'function' && constructor.name !== '' ? constructor.name : 'a class without a name'
}

export const shortened = (text: string, maxLength: number): string =>
  text.length <= maxLength ? text : `${text.slice(0, maxLength - 1)}…`
