/**
 * What an application consists of once it is defined, as the layers below see it. Users never meet these types: they
 * write with those in `application.ts`, `stream.ts`, `topic.ts` and `state-object.ts`, which make these.
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
  /** How much later than its timestamp a record may be written, at most, ms. */
  readonly latenessMs: number
  /** Whether the clock moves time where the topic is proven to have nothing left. */
  readonly ticks: boolean
  /**
   * The message in bytes[start, end), validated. Throws NOT_JSON, NUMBER_NOT_EXACT, NOT_DECODABLE, SCHEMA_UNKNOWN or SCHEMA_MISMATCH,
   * which condemn the record, or INVALID_DEFINITION when the schema turns out to be asynchronous, which must stop the worker; never anything else.
   */
  decode(bytes: Buffer, start: number, end: number): unknown
  /** Throws OUTPUT_INVALID, for what can't be written. */
  encode(message: unknown): string | Uint8Array
  /** Undefined for a topic that was declared without a key: its records need none, and get none. */
  readonly key: KeyDefinition | undefined
  /** Whether a null value is a message, null, under the record's key; else it is no value. */
  readonly nullIsMessage?: boolean
  /** Whether a record's key may be any bytes, and the topic's keys are their hex text; else it is UTF-8. */
  readonly hexKeys?: boolean
  /** Undefined for JSON. */
  readonly codec?: CodecSteps | undefined
}

/** What of a codec is asynchronous, and so done before its records come to `decode` and `encode`. */
export interface CodecSteps {
  /** Resolves when messages can be read, or written. May be called again, also after it rejected. */
  open(use: CodecUse): Promise<void>
  /**
   * What decoding the value in bytes[start, end) needs and is not there yet; undefined: nothing. The bytes are looked at
   * before it returns. Rejects with a PotorooError; where that is retriable, `prepare` is to be called again later.
   */
  readonly prepare: ((bytes: Buffer, start: number, end: number) => Promise<void> | undefined) | undefined
}
export type CodecUse = 'read' | 'write'

export interface KeyDefinition {
  /** What the user's function gives: whatever that is. */
  readonly raw: (message: unknown) => unknown
  /** Throws OUTPUT_INVALID when it isn't a string, or one that UTF-8 can't hold. */
  readonly of: (message: unknown) => string
}

export interface StateDefinition {
  readonly name: string
  /** How many partitions a repartition topic gets that leads here, where no other topic says it. */
  readonly partitions: number | undefined
  initial(key: string): object
  /** Whether the initial value is the same for every key: what makes it takes no parameter. */
  readonly beginsAlike: boolean
  /** What states have as their prototype where their own fields are packed; undefined where a `pack` takes care of that. */
  readonly prototype: object | undefined
  /** What packing takes: what a `pack` gives, else the state itself, whose own fields are then packed. */
  toPlain(state: object): unknown
  /** The state object again, with its class's methods. */
  fromPlain(plain: unknown, key: string): object
  /** upgrades[n] makes of what version n stored what version n + 1 stores: there are as many as the version. */
  readonly upgrades: readonly Upgrade[]
  /** How long one lives that nothing changes, ms; undefined: for ever. */
  readonly ttlMs?: number | undefined
  /** Of a table: what writes it. Undefined for a state object, which computations write. */
  readonly table?: TableNode | undefined
  /** Of windows: then the state objects are OpenWindows, all of a key's in one, and `initial` gives none. */
  readonly windows?: WindowsDefinition | undefined
  /** Of an interval join: then the state objects are OpenPairs, all open messages of a key. */
  readonly pairs?: PairsDefinition | undefined
}

/** A side of an interval join. */
export type Side = 'left' | 'right'
export interface PairsDefinition {
  /** How far the timestamps of two messages may be from each other, ms. */
  readonly withinMs: number
  readonly left: PairNode
  readonly right: PairNode
}

/** Which stretches of time, or of messages, the state objects of a key are for. Times are ms. */
export type WindowShape =
  | { readonly kind: 'tumbling'; readonly sizeMs: number }
  | { readonly kind: 'hopping'; readonly sizeMs: number; readonly everyMs: number }
  | { readonly kind: 'session'; readonly gapMs: number }
  | { readonly kind: 'counting'; readonly messages: number }

export interface WindowsDefinition {
  readonly shape: WindowShape
  /** What becomes of a message that some of its windows are closed for. */
  readonly late: 'dead-letter' | 'drop'
  /** What a window begins with. */
  initial(key: string): object
  /** Of the state of one window, as `toPlain` and `fromPlain` of a state object. */
  readonly toPlain: (state: object) => unknown
  readonly fromPlain: (plain: unknown, key: string) => object
  /** Of sessions: the earlier of two takes over what the later one has. */
  readonly merge: ((earlier: object, later: object) => void) | undefined
}

/** A window that messages may still come to. */
export interface OpenWindow {
  /** Of counting windows, the least timestamp of its messages. */
  startMs: number
  /** Exclusive; of counting windows, behind the greatest timestamp of its messages. */
  endMs: number
  messages: number
  state: object
}

export interface BroadcastDefinition {
  readonly name: string
  readonly topic: TopicDefinition
  /** How many bytes it may take in memory. */
  readonly maxBytes: number
}

/** Takes plain data, and may give anything: whoever runs it checks that. */
export type Upgrade = (stored: object) => unknown

export interface ComputationContext {
  readonly key: string
  /** The record's timestamp, ms since the epoch; of what a timer gives, when it was due. */
  readonly timestampMs: number
  /**
   * The task's time, ms since the epoch: nothing older comes any more but what is late; -Infinity while there is none.
   * Throws INVALID_DEFINITION where nothing uses time: no timer, no windows and no state object with `ttlMs` are in the sub-topology.
   */
  readonly timeMs: number
  header(name: string): Uint8Array | undefined
  /** The state object does not exist any more when the computation returns, nor do its timers. */
  forget(): void
  /**
   * Sets the timer of this key with this id, or sets it anew. `atMs`: ms since the epoch; what lies before the message's
   * timestamp is due at that. Throws where it is no timer of the state object at hand, and with more than 10,000 of a key.
   */
  set(timer: { readonly name: string }, atMs: number, id?: string): void
  /** Clears it, where it is set. */
  clear(timer: { readonly name: string }, id?: string): void
  /** Takes a StateObject or a Table. */
  read(state: object): object | undefined
  /** Takes a Broadcast. */
  lookup(broadcast: object, key: string): object | undefined
}

/**
 * Gives undefined or null, one output, or an array of outputs. Throws what the user's computation throws,
 * INVALID_DEFINITION when it gives a promise.
 */
export type Compute = (state: object, message: unknown, context: ComputationContext) => unknown

/**
 * A stream, as the step that gives it, with the streams that the step goes on from. A stream that several others go on from
 * is one node: the graph of an application is made of these, from its ends upwards.
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
  /** The topic's, unless from() was given another. */
  readonly name: string
}
/** What time brings, of the keys of one state object. */
export type TimedDefinition = TimerDefinition | ExpiredDefinition | ClosedDefinition | UnmatchedDefinition
export interface TimerDefinition {
  readonly kind: 'timer'
  readonly name: string
  readonly state: StateDefinition
  readonly clock: 'time' | 'wall'
}
/** State objects whose time to live is over. */
export interface ExpiredDefinition {
  readonly kind: 'expired'
  readonly state: StateDefinition
}
/** Windows that are over. */
export interface ClosedDefinition {
  readonly kind: 'closed'
  readonly state: StateDefinition
}
/** Messages of a side of an interval join that have met nothing. */
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
  /** Throws OUTPUT_INVALID when the key is no string, or one that UTF-8 can't hold. */
  readonly key: (message: unknown) => string
  readonly name: string | undefined
}
export interface ComputeNode {
  readonly kind: 'compute'
  readonly upstream: StreamNode
  readonly state: StateDefinition
  readonly compute: Compute
  /** What the computation reads beside its state object: tables among it are part of the application for that. */
  readonly reads: readonly StateDefinition[]
  /** And what it looks up. */
  readonly broadcasts: readonly BroadcastDefinition[]
}
export interface JoinNode {
  readonly kind: 'join'
  readonly upstream: StreamNode
  /** Of a table or a state object: what is read. */
  readonly state: StateDefinition
  /** Gives what a computation may give. */
  readonly step: (message: unknown, entry: object | undefined) => unknown
}
/** A join with a broadcast, which needs no state object, for the key is any. */
export interface LookupNode {
  readonly kind: 'lookup'
  readonly upstream: StreamNode
  readonly broadcast: BroadcastDefinition
  /** Throws OUTPUT_INVALID when the key is no string, or one that UTF-8 can't hold. */
  readonly key: (message: unknown) => string
  /** Gives what a computation may give. */
  readonly step: (message: unknown, entry: object | undefined) => unknown
}
/** Where a stream goes into an interval join: it gives what its messages meet, { left, right }. */
export interface PairNode {
  readonly kind: 'pair'
  readonly upstream: StreamNode
  readonly state: StateDefinition
  readonly side: Side
}
/** Something outside that is waited for. What goes on behind it are results, under the keys of the messages. */
export interface CallNode {
  readonly kind: 'call'
  readonly upstream: StreamNode
  readonly call: CallDefinition
}
export interface CallDefinition {
  readonly name: string
  /** One attempt. What it gives may be anything, and it may throw. */
  readonly make: (message: unknown, call: CallContext) => unknown
  /** How many may be under way in a task at once. */
  readonly overlap: number
  /** How long an attempt may take, ms. */
  readonly timeoutMs: number
  /** How many are made; Infinity: until one succeeds. */
  readonly attempts: number
  /** When the last one has failed; `as-on-error`: what becomes of it is what becomes of a message whose computation throws. */
  readonly failed: 'as-on-error' | 'dead-letter' | 'stop' | ((message: unknown, error: unknown) => unknown)
}
/** What a call gets beside its message. */
export interface CallContext {
  readonly id: string
  readonly key: string
  /** 1 for the first. */
  readonly attempt: number
  readonly signal: AbortSignal
}
/** Where a stream goes into a table. Not a pipeline: a table is part of an application that reads it. */
export interface TableNode {
  readonly kind: 'table'
  readonly upstream: StreamNode
  readonly state: StateDefinition
}

/**
 * Which headers an output gets of the record that caused it: none; the trace context; that and all of these names; all but
 * those that say why something was a dead letter; or every one, as through a repartition.
 */
export type PassedHeaders = 'none' | 'trace' | ReadonlySet<string> | 'all' | 'every'

export interface SinkNode {
  readonly kind: 'sink'
  readonly upstream: StreamNode
  readonly topic: TopicDefinition
  readonly headers: PassedHeaders
}

/** Where a stream ends: in a sink, or in a computation or a call whose outputs, if any, nobody wants. */
export type PipelineDefinition = ComputeNode | CallNode | SinkNode

export interface ApplicationDefinition {
  readonly name: string
  /** In the order of their declaration. */
  readonly pipelines: readonly PipelineDefinition[]
}
