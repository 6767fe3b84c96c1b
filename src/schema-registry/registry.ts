/** What is asked of a schema registry, whatever it is. */

export type SchemaType = 'AVRO' | 'PROTOBUF' | 'JSON'

/** A schema that another one uses, as registries have it. */
export interface SchemaReference {
  /** What the other schema calls it: a full name in Avro, an import in Protobuf, a URL in JSON Schema. */
  readonly name: string
  readonly subject: string
  readonly version: number
}
export interface Schema {
  readonly type: SchemaType
  /** As it is registered. */
  readonly text: string
  readonly references: readonly SchemaReference[]
}

/** There is something by that id, but no schema that can be read here. */
export interface Unusable {
  readonly unusable: string
}

/**
 * Every call may reject with REGISTRY_UNREACHABLE (to be tried again later) or REGISTRY_REFUSED. Undefined says that the
 * registry has answered, and has no such thing.
 */
export interface Registry {
  /** For messages. */
  readonly name: string
  byId(id: number): Promise<Schema | Unusable | undefined>
  version(subject: string, version: number | 'latest'): Promise<RegisteredSchema | undefined>
  /** The id of a schema that is registered under the subject. */
  lookUp(subject: string, schema: Schema): Promise<number | undefined>
  /** The id that it has, or gets. */
  register(subject: string, schema: Schema): Promise<number>
}
export interface RegisteredSchema extends Schema {
  readonly id: number
}
