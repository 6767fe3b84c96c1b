/**
 * A codec whose schemas are in a registry. Of each record the schema that it was written with is fetched ahead (`prepare`);
 * of each topic that is written, the id is known before the first message (`open`).
 */
import type { Codec } from '../api/codec.js'
import { messageOf, PotorooError } from '../errors.js'
import type { Format, Read, Write } from './format.js'
import type { Schema } from './registry.js'
import { UNKNOWN, type Schemas, type WholeSchema } from './schemas.js'
import { schemaIdOf } from './wire-format.js'

/** What the application says of the schema. */
export interface Declared {
  readonly text: string | undefined
  readonly references: Schema['references']
  readonly register: boolean
  readonly subjectOf: (topic: string) => string
}

export class RegistryCodec<M> implements Codec<M> {
  readonly name: string
  /** What was declared, once it is known with all that it refers to. */
  #declared: WholeSchema | undefined
  /** By id. */
  readonly #readers = new Map<number, Read>()
  /** By topic. */
  readonly #writers = new Map<string, Write>()

  constructor(
    private readonly schemas: Schemas,
    private readonly format: Format,
    private readonly declared: Declared,
  ) {
    this.name = `${format.name} of a schema registry`
  }

  decode(bytes: Buffer, topic: string): M {
    const id = schemaIdOf(bytes)
    if (id === undefined) throw notInFormat(bytes)
    return (this.#readers.get(id) ?? this.#readerOf(id))(bytes, topic) as M
  }

  encode(message: M, topic: string): Uint8Array {
    const write = this.#writers.get(topic)
    if (write === undefined) throw new Error(`its codec was not opened to write topic ${topic}`)
    return write(message, topic)
  }

  async open(topic: string, use: 'read' | 'write'): Promise<void> {
    await this.format.load()
    const declared = (this.#declared ??= await this.#wholeDeclared())
    if (use === 'write' && !this.#writers.has(topic)) this.#writers.set(topic, await this.#writerOf(topic, declared))
  }

  prepare(bytes: Buffer): Promise<void> | undefined {
    const id = schemaIdOf(bytes)
    return id === undefined ? undefined : this.schemas.missing(id)
  }

  #readerOf(id: number): Read {
    const schema = this.schemas.get(id)
    const { name: registry } = this.schemas.registry
    if (schema === undefined)
      throw new Error(`schema ${String(id)} was not asked for: \`prepare\` has to be called first`)
    if (schema === UNKNOWN)
      throw new PotorooError(
        'SCHEMA_UNKNOWN',
        `A record was written with schema ${String(id)}, which ${registry} does not have.`,
      )
    const read = this.#reader(id, schema)
    this.#readers.set(id, read)
    return read
  }

  /** Where the schema is of no use, one that throws why. */
  #reader(id: number, schema: Exclude<ReturnType<Schemas['get']>, undefined | typeof UNKNOWN>): Read {
    const { type, name } = this.format
    const why = (reason: string): Read => {
      const message = `schema ${String(id)} ${reason}`
      return () => {
        throw new Error(message)
      }
    }
    if ('unusable' in schema) return why(`can't be used: ${schema.unusable}`)
    if (schema.type !== type) return why(`is of type ${schema.type}, and the codec reads ${name}`)
    try {
      return this.format.reader(schema, this.#declared)
    } catch (error) {
      return why(`can't be used: ${messageOf(error)}`)
    }
  }

  async #wholeDeclared(): Promise<WholeSchema | undefined> {
    const { text, references } = this.declared
    if (text === undefined) return undefined
    const schema = await this.schemas.whole({ type: this.format.type, text, references })
    if ('unusable' in schema) throw new PotorooError('SCHEMA_UNKNOWN', `The declared schema: ${schema.unusable}.`)
    return schema
  }

  async #writerOf(topic: string, declared: WholeSchema | undefined): Promise<Write> {
    const subject = this.declared.subjectOf(topic)
    const { id, schema } = declared === undefined ? await this.#latest(subject) : await this.#idOf(subject, declared)
    const what = `The schema that topic ${topic} is written with, ${String(id)} of subject ${subject},`
    if (schema.type !== this.format.type)
      throw new PotorooError(
        'INVALID_DEFINITION',
        `${what} is of type ${schema.type}, and the codec ${this.format.name}.`,
      )
    try {
      const write = this.format.writer(id, schema)
      // what is written can be read
      this.schemas.add(id, schema)
      return write
    } catch (cause) {
      throw new PotorooError('INVALID_DEFINITION', `${what} can't be used: ${messageOf(cause)}`, { cause })
    }
  }

  async #latest(subject: string): Promise<{ readonly id: number; readonly schema: WholeSchema }> {
    const { registry } = this.schemas
    const latest = await registry.version(subject, 'latest')
    if (latest === undefined)
      throw new PotorooError('SCHEMA_UNKNOWN', `${registry.name} has no schema under subject ${subject}.`, {
        cure: `Register one under ${subject}, or declare the schema with register: true.`,
      })
    const schema = await this.schemas.whole(latest)
    if ('unusable' in schema) throw new PotorooError('SCHEMA_UNKNOWN', `Subject ${subject}: ${schema.unusable}.`)
    return { id: latest.id, schema }
  }

  async #idOf(subject: string, schema: WholeSchema): Promise<{ readonly id: number; readonly schema: WholeSchema }> {
    const { registry } = this.schemas
    const id = this.declared.register
      ? await registry.register(subject, schema)
      : await registry.lookUp(subject, schema)
    if (id !== undefined) return { id, schema }
    throw new PotorooError(
      'SCHEMA_UNKNOWN',
      `${registry.name} does not have the declared schema under subject ${subject}.`,
      {
        cure: `Register it under ${subject}; or set register: true on the codec.`,
      },
    )
  }
}

const TEXT_BEGINS = /^[[{"\s]/

function notInFormat(bytes: Buffer): Error {
  const begin = bytes.subarray(0, 8)
  const like = TEXT_BEGINS.test(begin.toString('latin1')) ? ', and looks like JSON: then the topic needs no codec' : ''
  return new Error(
    bytes.length === 0
      ? 'the value is empty'
      : `it is not in Confluent's wire format, a zero byte and a 4-byte schema id: it begins with ${begin.toString('hex')} in hex${like}`,
  )
}
