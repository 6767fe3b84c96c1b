/**
 * What an application consists of once it is defined, as the layers below see it. Users never meet these types: they
 * use those in `application.ts`, `stream.ts`, `topic.ts` and `state-object.ts`, which create these.
 */

export type PartitionerName = 'murmur2' | 'xxh64'

export interface TopicDefinition {
  readonly name: string
  /** How many partitions the topic gets when Potoroo creates it. A topic that exists is taken as it is. */
  readonly partitions: number
  /** Undefined if not known: then a source's records are not checked, and the topic can't be a sink. */
  readonly partitioner: PartitionerName | undefined
  /** Topic configuration used when it is created, including `cleanup.policy`. */
  readonly config: Readonly<Record<string, string>>
  /** Where a group without positions starts to read. */
  readonly start: 'earliest' | 'latest'
  /** The longest time after its timestamp at which a record may be written, ms. */
  readonly latenessMs: number
  /** Whether the clock advances time where the topic is proven to have nothing left. */
  readonly ticks: boolean
  /**
   * The message in bytes[start, end), validated. Throws NOT_JSON, NUMBER_NOT_EXACT, NOT_DECODABLE, SCHEMA_UNKNOWN or SCHEMA_MISMATCH,
   * which condemn the record, or INVALID_DEFINITION when the schema turns out to be asynchronous, which must stop the worker; never anything else.
   */
  decode(bytes: Buffer, start: number, end: number): unknown
  /** Throws OUTPUT_INVALID for what can't be written. */
  encode(message: unknown): string | Uint8Array
  /** Undefined for a topic that was declared without a key: its records need none, and get none. */
  readonly key: KeyDefinition | undefined
  /** Whether a null value is a message, null, with the record's key; otherwise it is a record without a value. */
  readonly nullIsMessage?: boolean
  /** Whether a record's key may be any bytes, with the topic's keys as their hex text; otherwise it is UTF-8. */
  readonly hexKeys?: boolean
  /** Undefined for JSON. */
  readonly codec?: CodecSteps | undefined
}

/** The asynchronous part of a codec, done before records reach `decode` and `encode`. */
export interface CodecSteps {
  /** Resolves when messages can be read or written. May be called again, even after it rejected. */
  open(use: CodecUse): Promise<void>
  /**
   * Resolves when the value in bytes[start, end) can be decoded; undefined if nothing is missing. Looks at the bytes
   * before it returns. Rejects with a PotorooError; if that is retriable, call `prepare` again later.
   */
  readonly prepare: ((bytes: Buffer, start: number, end: number) => Promise<void> | undefined) | undefined
}
export type CodecUse = 'read' | 'write'

export interface KeyDefinition {
  /** Whatever the user's function returns. */
  readonly raw: (message: unknown) => unknown
  /** Throws OUTPUT_INVALID if it isn't a string, or is one that UTF-8 can't encode. */
  readonly of: (message: unknown) => string
}

export interface StateDefinition {
  readonly name: string
  /** How many partitions a repartition topic that leads here gets, unless another topic determines it. */
  readonly partitions: number | undefined
  initial(key: string): object
  /** Whether the initial value is the same for every key, because the function takes no parameter. */
  readonly beginsAlike: boolean
  /** The prototype of states whose own fields are packed; undefined if a `pack` takes care of that. */
  readonly prototype: object | undefined
  /** What is packed: the result of `pack`, else the state itself, of which the own fields are packed. */
  toPlain(state: object): unknown
  /** Restores the state object, with its class's methods. */
  fromPlain(plain: unknown, key: string): object
  /**
   * upgrades[n] turns what version n stored into what version n + 1 stores: there are as many as the version number.
   */
  readonly upgrades: readonly Upgrade[]
  /** How long one lives if nothing changes it, ms; undefined: forever. */
  readonly ttlMs?: number | undefined
  /** Of a table: the stream that writes it. Undefined for a state object, which computations write. */
  readonly table?: TableNode | undefined
  /** Of windows: the state objects are then OpenWindows, all of a key in one, and `initial` is not used. */
  readonly windows?: WindowsDefinition | undefined
  /** Of an interval join: the state objects are then OpenPairs, all open messages of a key. */
  readonly pairs?: PairsDefinition | undefined
}

/** A side of an interval join. */
export type Side = 'left' | 'right'
export interface PairsDefinition {
  /** How far apart the timestamps of two messages may be, ms. */
  readonly withinMs: number
  readonly left: PairNode
  readonly right: PairNode
}

/** Which stretches of time, or how many messages, the state objects of a key cover. Times are ms. */
export type WindowShape =
  | { readonly kind: 'tumbling'; readonly sizeMs: number }
  | { readonly kind: 'hopping'; readonly sizeMs: number; readonly everyMs: number }
  | { readonly kind: 'session'; readonly gapMs: number }
  | { readonly kind: 'counting'; readonly messages: number }

export interface WindowsDefinition {
  readonly shape: WindowShape
  /** What happens to a message for which some of its windows have closed. */
  readonly late: 'dead-letter' | 'drop'
  /** The initial state of a window. */
  initial(key: string): object
  /** Of the state of one window, as `toPlain` and `fromPlain` of a state object. */
  readonly toPlain: (state: object) => unknown
  readonly fromPlain: (plain: unknown, key: string) => object
  /** Of sessions: the earlier of two takes over what the later one has. */
  readonly merge: ((earlier: object, later: object) => void) | undefined
}

/** A window that can still get messages. */
export interface OpenWindow {
  /** Of counting windows, the smallest timestamp of its messages. */
  startMs: number
  /** Exclusive; of counting windows, just after the greatest timestamp of its messages. */
  endMs: number
  messages: number
  state: object
}

export interface BroadcastDefinition {
  readonly name: string
  readonly topic: TopicDefinition
  /** How many bytes of memory it may take. */
  readonly maxBytes: number
}

/** Takes plain data. What it returns is checked by the caller. */
export type Upgrade = (stored: object) => unknown

export interface ComputationContext {
  readonly key: string
  /** The record's timestamp, ms since the epoch; for a timer, the time at which it was due. */
  readonly timestampMs: number
  /**
   * The task's time, ms since the epoch: nothing older arrives any more, except late messages; -Infinity while there is
   * none. Throws INVALID_DEFINITION where nothing uses time, that is if the sub-topology has no timer, no windows and
   * no state object with `ttlMs`.
   */
  readonly timeMs: number
  header(name: string): Uint8Array | undefined
  /** Deletes the state object, and its timers, when the computation returns. */
  forget(): void
  /**
   * Sets the timer of this key with this id, or sets it again. `atMs`: ms since the epoch; if it is before the
   * message's timestamp, the timer is due at that timestamp. Throws if the timer does not belong to the computation's
   * state object, and with more than 10,000 per key.
   */
  set(timer: { readonly name: string }, atMs: number, id?: string): void
  /** Clears it if it is set. */
  clear(timer: { readonly name: string }, id?: string): void
  /** Takes a StateObject or a Table. */
  read(state: object): object | undefined
  /** Takes a Broadcast. */
  lookup(broadcast: object, key: string): object | undefined
}

/**
 * Returns undefined or null, one output, or an array of outputs. Throws what the user's computation throws, and
 * INVALID_DEFINITION when it returns a promise.
 */
export type Compute = (state: object, message: unknown, context: ComputationContext) => unknown

/**
 * A stream, represented by the step that produces it and the streams that the step continues from. A stream that
 * several others continue from is one node: the graph of an application consists of these, from its ends upwards.
 */
export type StreamNode =
  | SourceNode
  | TimedNode
  | { readonly kind: 'filter'; readonly upstream: StreamNode; readonly keep: (message: unknown) => boolean }
  | { readonly kind: 'map'; readonly upstream: StreamNode; readonly map: (message: unknown) => unknown }
  | { readonly kind: 'flatMap'; readonly upstream: StreamNode; readonly flatMap: (message: unknown) => unknown }
  | KeyByNode
  | { readonly kind: 'merge'; readonly upstreams: readonly StreamNode[] }
  | ComputeNode
  | JoinNode
  | LookupNode
  | PairNode
  | CallNode

export interface SourceNode {
  readonly kind: 'source'
  readonly topic: TopicDefinition
  /** The topic's name, unless from() was given another. */
  readonly name: string
}
/** What time produces for the keys of one state object. */
export type TimedDefinition = TimerDefinition | ExpiredDefinition | ClosedDefinition | UnmatchedDefinition
export interface TimerDefinition {
  readonly kind: 'timer'
  readonly name: string
  readonly state: StateDefinition
  readonly clock: 'time' | 'wall'
}
/** State objects whose time to live has ended. */
export interface ExpiredDefinition {
  readonly kind: 'expired'
  readonly state: StateDefinition
}
/** Windows that have closed. */
export interface ClosedDefinition {
  readonly kind: 'closed'
  readonly state: StateDefinition
}
/** Messages of one side of an interval join that have met no other. */
export interface UnmatchedDefinition {
  readonly kind: 'unmatched'
  readonly state: StateDefinition
  readonly side: Side
}
export interface TimedNode {
  readonly kind: 'timed'
  readonly origin: TimedDefinition
  readonly name: string
}
export interface KeyByNode {
  readonly kind: 'keyBy'
  readonly upstream: StreamNode
  /** Throws OUTPUT_INVALID when the key is not a string, or one that UTF-8 can't encode. */
  readonly key: (message: unknown) => string
  readonly name: string | undefined
}
export interface ComputeNode {
  readonly kind: 'compute'
  readonly upstream: StreamNode
  readonly state: StateDefinition
  readonly compute: Compute
  /** What the computation reads next to its state object; tables among these become part of the application. */
  readonly reads: readonly StateDefinition[]
  /** The broadcasts that it looks things up in. */
  readonly broadcasts: readonly BroadcastDefinition[]
}
export interface JoinNode {
  readonly kind: 'join'
  readonly upstream: StreamNode
  /** The table or state object that is read. */
  readonly state: StateDefinition
  /** Returns what a computation may return. */
  readonly step: (message: unknown, entry: object | undefined) => unknown
}
/** A join with a broadcast. It needs no state object, because the key may be any. */
export interface LookupNode {
  readonly kind: 'lookup'
  readonly upstream: StreamNode
  readonly broadcast: BroadcastDefinition
  /** Throws OUTPUT_INVALID when the key is not a string, or one that UTF-8 can't encode. */
  readonly key: (message: unknown) => string
  /** Returns what a computation may return. */
  readonly step: (message: unknown, entry: object | undefined) => unknown
}
/** Where a stream enters an interval join: it produces the pairs of its messages, { left, right }. */
export interface PairNode {
  readonly kind: 'pair'
  readonly upstream: StreamNode
  readonly state: StateDefinition
  readonly side: Side
}
/** A call to an external system. Its results continue with the keys of the messages. */
export interface CallNode {
  readonly kind: 'call'
  readonly upstream: StreamNode
  readonly call: CallDefinition
}
export interface CallDefinition {
  readonly name: string
  /** One attempt. It may return anything, and it may throw. */
  readonly make: (message: unknown, call: CallContext) => unknown
  /** How many calls of a task may be in flight at once. */
  readonly overlap: number
  /** How long an attempt may take, ms. */
  readonly timeoutMs: number
  /** How many attempts are made; Infinity: until one succeeds. */
  readonly attempts: number
  /** What happens when the last one has failed; `as-on-error`: the same as for a message whose computation throws. */
  readonly failed: 'as-on-error' | 'dead-letter' | 'stop' | ((message: unknown, error: unknown) => unknown)
}
/** What the function of a call gets next to its message. */
export interface CallContext {
  readonly id: string
  readonly key: string
  /** 1 for the first. */
  readonly attempt: number
  readonly signal: AbortSignal
}
/** Where a stream ends in a table. Not a pipeline: a table is part of an application that reads it. */
export interface TableNode {
  readonly kind: 'table'
  readonly upstream: StreamNode
  readonly state: StateDefinition
}

/**
 * Which headers of the causing record an output gets: none; the trace context; that and all of these names; all except
 * those that explain a dead letter; or every one, as through a repartition.
 */
export type PassedHeaders = 'none' | 'trace' | ReadonlySet<string> | 'all' | 'every'

export interface SinkNode {
  readonly kind: 'sink'
  readonly upstream: StreamNode
  readonly topic: TopicDefinition
  readonly headers: PassedHeaders
}

/** Where a stream ends: in a sink, or in a computation or a call whose outputs, if any, are not used. */
export type PipelineDefinition = ComputeNode | CallNode | SinkNode

export interface ApplicationDefinition {
  readonly name: string
  /** In the order of their declaration. */
  readonly pipelines: readonly PipelineDefinition[]
}
