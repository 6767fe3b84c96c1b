/**
 * `potoroo/schema-registry`: codecs for topics whose schemas are in a registry.
 *
 * @module potoroo/schema-registry
 */
import type { Codec } from '../api/codec.js'
import { shown } from '../api/names.js'
import { PotorooError } from '../errors.js'
import { AvroFormat, type Longs } from './avro.js'
import { HttpRegistry } from './http-registry.js'
import { JsonSchemaFormat } from './json-schema.js'
import { MemoryRegistry } from './memory-registry.js'
import { ProtobufFormat } from './protobuf.js'
import { RegistryCodec, type Declared } from './registry-codec.js'
import type { Registry, SchemaReference } from './registry.js'
import { Schemas } from './schemas.js'

export type { Longs, SchemaReference }

export interface SchemaRegistryOptions {
  /**
   * Where the registry is, `http://localhost:8081` for example, or several urls of one, which are tried in their order.
   * `memory:` is one within the process, for tests: whatever is looked up in it is registered from then on.
   */
  readonly url: string | readonly string[]
  /** With `password`: sent as basic authentication. */
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** Sent as bearer token. */
  readonly token?: string | undefined
  /** How long an answer may take, ms, 1 to 600,000; default 5,000. */
  readonly timeoutMs?: number | undefined
}

/** What is written, and how: for topics that are sinks. */
export interface WritingOptions {
  /** The subject that the schema is under; default `<topic>-value` (Confluent's TopicNameStrategy). */
  readonly subject?: string | ((topic: string) => string) | undefined
  /** Whether the declared schema is registered where it is not; default false: then the worker does not start (SCHEMA_UNKNOWN). */
  readonly register?: boolean | undefined
  /** Schemas that the declared one refers to. */
  readonly references?: readonly SchemaReference[] | undefined
}
export interface AvroOptions extends WritingOptions {
  /**
   * Read: what was written with another schema is resolved to this one, by Avro's rules. Written: with this one. Default: each
   * record is read as it was written, and written with the subject's latest version.
   */
  readonly schema?: object | string | undefined
  /** What a `long` is: see `Longs`. Default `number`. */
  readonly longs?: Longs | undefined
}
export interface ProtobufOptions extends WritingOptions {
  /** The text of a .proto file, to write with; default: the subject's latest version. Records are read with their own. */
  readonly schema?: string | undefined
  /** The full name of the message to write; default: the first of the file. */
  readonly message?: string | undefined
  /** What 64-bit integers are: see `Longs`. Default `number`. */
  readonly longs?: Longs | undefined
}
export interface JsonSchemaOptions extends WritingOptions {
  /** To write with; default: the subject's latest version. Messages are checked by the topic's `schema`, not by this. */
  readonly schema?: object | string | undefined
  /** As of a topic in JSON: whole numbers that JavaScript can't hold. Default `refuse`. */
  readonly bigIntegers?: 'refuse' | 'text' | 'bigint' | undefined
}

export interface SchemaRegistry {
  /** Needs the package avsc. */
  avro<M = unknown>(options?: AvroOptions): Codec<M>
  /** Needs the package protobufjs. */
  protobuf<M = unknown>(options?: ProtobufOptions): Codec<M>
  json<M = unknown>(options?: JsonSchemaOptions): Codec<M>
}

/**
 * A schema registry with the API of Confluent's, which Karapace, Apicurio and Redpanda have, too. Its codecs read and write
 * values in Confluent's wire format. Nothing is asked before a worker starts. Throws INVALID_CONFIGURATION.
 */
export function schemaRegistry(options: SchemaRegistryOptions): SchemaRegistry {
  const schemas = new Schemas(registryOf(options))
  return {
    avro: <M>({ schema, longs = 'number', ...writing }: AvroOptions = {}) =>
      new RegistryCodec<M>(schemas, new AvroFormat(checkedLongs(longs)), declaredOf(textOf(schema), writing)),
    protobuf: <M>({ schema, message, longs = 'number', ...writing }: ProtobufOptions = {}) =>
      new RegistryCodec<M>(schemas, new ProtobufFormat(checkedLongs(longs), message), declaredOf(schema, writing)),
    json: <M>({ schema, bigIntegers = 'refuse', ...writing }: JsonSchemaOptions = {}) =>
      new RegistryCodec<M>(schemas, new JsonSchemaFormat(bigIntegers), declaredOf(textOf(schema), writing)),
  }
}

const textOf = (schema: object | string | undefined): string | undefined =>
  typeof schema === 'object' ? JSON.stringify(schema) : schema

function declaredOf(
  text: string | undefined,
  { subject, register = false, references = [] }: WritingOptions,
): Declared {
  if (register && text === undefined)
    throw new PotorooError('INVALID_DEFINITION', 'A schema registry codec has register: true, but no schema.')
  const subjectOf = typeof subject === 'function' ? subject : (topic: string) => subject ?? `${topic}-value`
  return { text, references, register, subjectOf }
}

function checkedLongs(longs: Longs): Longs {
  if ((['number', 'bigint', 'text'] as readonly unknown[]).includes(longs)) return longs
  throw new PotorooError('INVALID_DEFINITION', `longs is ${shown(longs)}: it must be 'number', 'bigint' or 'text'.`)
}

const DEFAULT_TIMEOUT_MS = 5_000
const MAX_TIMEOUT_MS = 600_000

function registryOf({
  url,
  username,
  password,
  token,
  timeoutMs = DEFAULT_TIMEOUT_MS,
}: SchemaRegistryOptions): Registry {
  const urls = typeof url === 'string' ? [url] : [...url]
  if (urls.length === 1 && urls[0] === 'memory:') return new MemoryRegistry()
  if (urls.length === 0) throw invalid('url is empty')
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > MAX_TIMEOUT_MS)
    throw invalid(`timeoutMs is ${String(timeoutMs)}: it must be a whole number from 1 to 600,000`)
  if ((username === undefined) !== (password === undefined)) throw invalid('set both username and password, or neither')
  if (username !== undefined && token !== undefined) throw invalid('set either a token or username and password')
  const basic = username === undefined ? undefined : Buffer.from(`${username}:${password ?? ''}`).toString('base64')
  const authorization = basic === undefined ? token && `Bearer ${token}` : `Basic ${basic}`
  return new HttpRegistry({
    urls: urls.map(checkedUrl),
    headers: authorization === undefined ? {} : { authorization },
    timeoutMs,
  })
}

function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw invalid('url is not an http or https URL')
  // it would stand in messages and logs
  if (url.username !== '' || url.password !== '') throw invalid('url has credentials in it: set username and password')
  if (url.search !== '' || url.hash !== '') throw invalid(`url ${url.href} has more than a path`)
  return url.href.replace(/\/+$/, '')
}

const invalid = (what: string): PotorooError => new PotorooError('INVALID_CONFIGURATION', `schema registry: ${what}`)
