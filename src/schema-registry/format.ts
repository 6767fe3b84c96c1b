/** What a kind of schema is read and written with. */
import type { SchemaType } from './registry.js'
import type { WholeSchema } from './schemas.js'

/** The message in a value, its header included. Throws what is wrong with the value. */
export type Read = (value: Buffer, topic: string) => unknown
/** The value of a message, its header included. Throws what is wrong with the message. */
export type Write = (message: unknown, topic: string) => Uint8Array

export interface Format {
  readonly type: SchemaType
  /** For messages. */
  readonly name: string
  /** Loads the packages that it needs. Rejects with DEPENDENCY_MISSING. To be awaited before the others are called. */
  load(): Promise<void>
  /** Throws what is wrong with the schema. `declared`: what the application declared, if it did. */
  reader(schema: WholeSchema, declared: WholeSchema | undefined): Read
  /** Throws what is wrong with the schema. */
  writer(id: number, schema: WholeSchema): Write
}
