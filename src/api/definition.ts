/**
 * What an application consists of once it is defined, as the layers below see it. Users never meet these types: they
 * write with those in `application.ts`, `pipeline.ts`, `topic.ts` and `state-object.ts`, which make these.
 */

export type PartitionerName = 'murmur2' | 'xxh64'

export interface TopicDefinition {
  readonly name: string
  /** How many partitions the topic gets when Potoroo creates it. A topic that exists is taken as it is. */
  readonly partitions: number
  /** Undefined: not known; then a source's records are not checked, and the topic can't be a sink. */
  readonly partitioner: PartitionerName | undefined
  /** Topic configuration for its creation, `cleanup.policy` among it. */
  readonly config: Readonly<Record<string, string>>
  /** Where a group without positions starts to read. */
  readonly start: 'earliest' | 'latest'
  /**
   * The message in bytes[start, end), validated. Throws NOT_JSON, NUMBER_NOT_EXACT or SCHEMA_MISMATCH, which condemn the record,
   * or INVALID_DEFINITION when the schema turns out to be asynchronous, which must stop the worker; never anything else.
   */
  decode(bytes: Buffer, start: number, end: number): unknown
  /** Throws OUTPUT_INVALID, for what can't be written as JSON. */
  encode(message: unknown): string | Uint8Array
  /** What the user's function gives: whatever that is. */
  rawKeyOf(message: unknown): unknown
  /** Throws OUTPUT_INVALID when it isn't a string, or one that UTF-8 can't hold. */
  keyOf(message: unknown): string
}

export interface StateDefinition {
  readonly name: string
  initial(key: string): object
  /** Whether the initial value is the same for every key: what makes it takes no parameter. */
  readonly beginsAlike: boolean
  /** What states have as their prototype where their own fields are packed; undefined where a `pack` takes care of that. */
  readonly prototype: object | undefined
  /** What packing takes: what a `pack` gives, else the state itself, whose own fields are then packed. */
  toPlain(state: object): unknown
  /** The state object again, with its class's methods. */
  fromPlain(plain: unknown, key: string): object
}

export type Step =
  | { readonly kind: 'filter'; readonly keep: (message: unknown) => boolean }
  | { readonly kind: 'map'; readonly map: (message: unknown) => unknown }

export interface ComputationContext {
  readonly key: string
  /** The record's timestamp, ms since the epoch. */
  readonly timestampMs: number
  header(name: string): Uint8Array | undefined
  forget(): void
}

export interface PipelineDefinition {
  readonly name: string
  readonly source: TopicDefinition
  /** Steps between source and computation; where there is no computation, those up to where a key is known. */
  readonly before: readonly Step[]
  /** The key of what `before` gives. It has to be the record's key. Throws KEY_MISMATCH when it can't be a key. */
  readonly key: (message: unknown) => string
  readonly state: StateDefinition | undefined
  /**
   * Undefined where the pipeline has no computation. Gives undefined, one output, or an array of outputs; always undefined
   * where there is no sink. Throws what the user's computation throws, INVALID_DEFINITION when it gives a promise.
   */
  readonly compute: ((state: object, message: unknown, context: ComputationContext) => unknown) | undefined
  /** Steps between the computation and the sink, for each output; where there is no computation, the other steps. */
  readonly after: readonly Step[]
  readonly sink: TopicDefinition | undefined
}

export interface ApplicationDefinition {
  readonly name: string
  /** In the order of their declaration. */
  readonly pipelines: readonly PipelineDefinition[]
}
