/**
 * Streams: messages on their way from a topic through steps and computations to sinks. A stream is a value: each step gives
 * a new one and leaves the old one as it was, so that going on twice from one stream branches it, and what lies before the
 * branch runs once for each message.
 *
 * The key lies beside the message. A topic's records bring it, steps and computations keep it, keyBy() alone changes it.
 */
import { PotorooError } from '../errors.js'
import { broadcastDefinition, broadcastIn, type AnyBroadcast, type Broadcast } from './broadcast.js'
import { callDefinition, type Call, type CallOptions } from './call.js'
import type {
  BroadcastDefinition,
  Compute,
  ComputationContext,
  JoinNode,
  PassedHeaders,
  PipelineDefinition,
  Side,
  StateDefinition,
  StreamNode,
} from './definition.js'
import { checkFunction, checkName, invalid, isKey, isPromise, shown, shownKey } from './names.js'
import { pairsKey, pairsOf, type IntervalJoinOptions } from './pairs.js'
import { stateDefinition, type AnyStateObject, type StateObject } from './state-object.js'
import { tableOf, type Table } from './table.js'
import type { Timer } from './timer.js'
import { originDefinition, topicDefinition, type Origin, type Sink } from './topic.js'
import { windowsDefinition, type AnyWindowed, type Windowed } from './windows.js'

const pipelineKey: unique symbol = Symbol.for('potoroo.pipeline')
/** Registered, so that a stream made with another copy of Potoroo is a stream, too. */
const streamKey: unique symbol = Symbol.for('potoroo.stream')

/** What a computation gets beside state and message. */
export interface Context extends ComputationContext {
  set(timer: Timer, atMs: number, id?: string): void
  clear(timer: Timer, id?: string): void
  /**
   * The state object or the table's entry of the same key, as it is now, what this message has done so far included;
   * undefined where there is none, or where it is as it would begin. It is a copy: changing it changes nothing. Only of what
   * is kept together with the computation's own state object: what the application joins there, or computes there, or what
   * `reads` of to() names. Else INVALID_DEFINITION, which stops the worker.
   */
  read<S extends object>(state: StateObject<S>): Readonly<S> | undefined
  read<V extends object>(table: Table<V>): Readonly<V> | undefined
  /**
   * What a broadcast has of any key; undefined where it has nothing. It is a copy. Only of broadcasts that the application joins in the same
   * place, or that `reads` of to() names: else INVALID_DEFINITION, which stops the worker.
   */
  lookup<V extends object>(broadcast: Broadcast<V>, key: string): Readonly<V> | undefined
}

/** What a computation of windows gets: it runs once for each window that its message lies in. */
export interface WindowContext extends Omit<Context, 'set' | 'clear'> {
  readonly window: {
    readonly startMs: number
    /** Exclusive. */
    readonly endMs: number
    /** How many have come to it, this one included. */
    readonly messages: number
  }
}

/** What to() may be told. */
export interface ToOptions {
  /**
   * Tables and state objects that the computation reads with `context.read()`: they are then kept where its own state object
   * is, so that their topics have to have as many partitions; and broadcasts that it looks things up in with
   * `context.lookup()`. What is joined or computed there anyway need not be named.
   */
  readonly reads?: readonly (AnyStateObject | AnyBroadcast)[]
}

/** A stream that has come to its end: what application() takes. */
export interface Pipeline {
  readonly [pipelineKey]: PipelineDefinition
}

/** Messages on their way, without a key. */
export interface Stream<out M> {
  /** Goes on with the messages that `keep` is true for. */
  filter<N extends M>(keep: (message: M) => message is N): Stream<N>
  filter(keep: (message: M) => boolean): Stream<M>
  /** Goes on with what `step` gives for each message. */
  map<N>(step: (message: M) => N): Synchronous<N, Stream<N>>
  /** Goes on with each element of the array that `step` gives for a message, in their order. */
  flatMap<N>(step: (message: M) => readonly N[]): Synchronous<N, Stream<N>>
  /**
   * Gives each message a key: a computation behind it gets the state object of that key, wherever it is. Messages travel
   * there through a repartition topic, which Potoroo creates, names `<application>-<from>-<state object>-repartition` after
   * the source or state object before it and the first state object behind it, and empties as messages are processed. What
   * one source key gave arrives in its order. `name` takes the place of `<from>-<state object>`, and keeps the topic's name
   * when one of those is renamed. A keyBy() with nothing but sinks behind it has no effect: a sink's topic has its own key.
   */
  keyBy(key: (message: M) => string, options?: { readonly name?: string }): Keyed<M>
  /** Writes each message to the topic, under the key that the topic declares. */
  sink(topic: Sink<M>, options?: SinkOptions): Pipeline
}

export interface SinkOptions {
  /**
   * Which headers of the record that caused an output go on with it: those of these names, or `'all'`. Default: only
   * `traceparent` and `tracestate` (W3C Trace Context), which go on in any case but with `'none'`. A header that is there several
   * times goes on as often. `'all'` leaves out `potoroo-…` and `__streams.errors.…`, which say why a record was a dead letter: where
   * dead letters are the source, name those that you want. Headers come through keyBy() as they were.
   */
  readonly headers?: readonly string[] | 'all' | 'none'
}

/** In place of a type, for the compiler to say: what is wrong, in words. No value has it. */
export interface Refused<Why extends string> {
  readonly refused: Why
}

/** Messages of a topic without keys. */
export interface Unkeyed<out M> extends Stream<M> {
  filter<N extends M>(keep: (message: M) => message is N): Unkeyed<N>
  filter(keep: (message: M) => boolean): Unkeyed<M>
  map<N>(step: (message: M) => N): Synchronous<N, Unkeyed<N>>
  flatMap<N>(step: (message: M) => readonly N[]): Synchronous<N, Unkeyed<N>>
  readonly to: Refused<'error: these messages have no key, so no state object: put keyBy() before to()'>
  readonly call: Refused<'error: these messages have no key, by which calls are ordered: put keyBy() before call()'>
}

/** Messages with a key beside them. */
export interface Keyed<out M> extends Stream<M> {
  filter<N extends M>(keep: (message: M) => message is N): Keyed<N>
  filter(keep: (message: M) => boolean): Keyed<M>
  map<N>(step: (message: M) => N): Synchronous<N, Keyed<N>>
  flatMap<N>(step: (message: M) => readonly N[]): Synchronous<N, Keyed<N>>
  /**
   * Calls `compute` with the state object of the message's key, which it may change, and the message. It gives nothing,
   * one output or an array of outputs, which go on under the same key. It is synchronous: state and outputs are what they
   * are when it returns. When it throws, the state object is as it was before the message.
   *
   * Computations in a row, without keyBy() between them, run in one transaction: all of their state objects change, or none.
   */
  to<S extends object, R>(
    state: StateObject<S>,
    compute: (state: S, message: M, context: Context) => R,
    options?: ToOptions,
  ): Synchronous<R, [Emitted<R>] extends [never] ? Pipeline : Keyed<Emitted<R>>>
  /**
   * Calls `compute` once for each window that the message lies in, earliest first, with what the window has. What it gives are early
   * results; the final ones are `from(windows.closed)`. A window that has closed takes no message any more: it is late for that.
   */
  to<S extends object, R>(
    windows: Windowed<S>,
    compute: (state: S, message: M, context: WindowContext) => R,
    options?: ToOptions,
  ): Synchronous<R, [Emitted<R>] extends [never] ? Pipeline : Keyed<Emitted<R>>>
  /**
   * Calls `step` with each message and the entry of its key in a table, or the state object of its key; undefined where
   * there is none. Nothing goes on where it gives nothing, which makes an inner join; an array goes on as its elements. The entry is a copy,
   * as of the message's place in the order of all that the task reads: what came to the table with a timestamp up to the message's is in
   * it, also when both were written at the same time and the table's topic is slow to give it (docs/joins.md).
   *
   * The sources of both have to have the same number of partitions: else keyBy() one of them.
   */
  join<V extends object, R>(
    table: Table<V> | StateObject<V>,
    step: (message: M, entry: Readonly<V> | undefined) => R,
  ): Synchronous<R, Keyed<Emitted<R>>>
  /** With what a broadcast has of the key that `key` gives: any key, whatever that of the stream is, which stays what it was. */
  join<V extends object, R>(
    broadcast: Broadcast<V>,
    key: (message: M) => string,
    step: (message: M, entry: Readonly<V> | undefined) => R,
  ): Synchronous<R, Keyed<Emitted<R>>>
  /**
   * Calls something outside for each message, and goes on with what comes of it, where that is not undefined or null. `make` may wait; it
   * has no state object. Calls are made only for messages that are committed, so for none that is taken back. Those of a key are made one after
   * the other, and their results go on in that order; those of other keys overlap. Each result goes on exactly once. The call itself is made at
   * least once: after a failure, a timeout, a crash, or when the task moves. Its id is the same each time (docs/calls.md).
   *
   * `name` is part of the names of topics, and says what to go on with after a restart: a call that is renamed is another one.
   */
  call<N>(
    name: string,
    make: (message: M, call: Call) => Promise<N>,
    options?: CallOptions<M, NoInfer<Awaited<N>>>,
  ): Called<Exclude<Awaited<N>, Nothing>>
}

/** Where a call gives nothing, a pipeline may end with it. */
type Called<N> = [N] extends [never] ? Keyed<N> & Pipeline : Keyed<N>

type Nothing = ReturnType<() => void> | undefined | null
type Emitted<R> = R extends Nothing ? never : R extends readonly (infer O)[] ? O : R
type Synchronous<R, T> = [Extract<R, PromiseLike<unknown>>] extends [never]
  ? T
  : 'error: computations and steps are synchronous, but this one returns a promise: use call() for asynchronous work'

/**
 * A stream of a topic's messages, or of what time brings: timers that are due, state objects whose time is over, windows that have
 * closed. It is named
 * after the topic unless `name` says otherwise; names of what Potoroo keeps in Kafka are made of it. Throws INVALID_DEFINITION.
 */
export function from<M>(origin: Origin<M, 'keyed'>, name?: string): Keyed<M>
export function from<M>(origin: Origin<M, 'unkeyed'>, name?: string): Unkeyed<M>
export function from<M>(origin: Origin<M>, name?: string): Stream<M> {
  const timed = originDefinition(origin)
  if (timed !== undefined && 'kind' in timed)
    return new Flow({ kind: 'timed', origin: timed, name: origin.name }, true) as unknown as Stream<M>
  const topic = topicDefinition(origin, 'The argument of from()')
  if (name !== undefined) checkName('a pipeline', name)
  const flow = new Flow({ kind: 'source', topic, name: name ?? topic.name }, topic.key !== undefined)
  return flow as unknown as Stream<M>
}

/**
 * A table: the last message of each key of a stream. null deletes the entry: a message that a step makes null, and, where the
 * stream is a topic's, a record without a value (a tombstone). What is no object literal, or can't be stored, goes to
 * the dead letters. A table is part of an application that joins it, or that has a computation which `reads` it. Its entries are
 * stored as state objects are, in a changelog, under its name. Throws INVALID_DEFINITION.
 */
export function table<V extends object>(name: string, stream: Keyed<V | null>): Table<V> {
  const flow = flowOf(stream)
  if (flow === undefined) throw invalid(`Table ${shown(name)} was given ${shown(stream)}: it must be a stream.`)
  if (!flow.isKeyed)
    throw invalid(`Table ${shown(name)} is of stream ${flow.name}, which has no key: put keyBy() before table().`)
  return tableOf<V>(name, flow[streamKey])
}

/** What an interval join gives. */
export interface Pairs<out L, out R> {
  /** Each two that have met, once. */
  readonly both: Keyed<{ readonly left: L; readonly right: R }>
  /** Those that have met nothing, each once, when nothing can come any more that they would meet. */
  readonly left: Keyed<L>
  readonly right: Keyed<R>
  readonly [pairsKey]: StateDefinition
}

/**
 * Two streams of the same key: each message with those of the other one whose timestamps are not further away than `withinMs`, and
 * those that have met nothing. `both` carries the later of the two timestamps; `left` and `right`, their message's and `withinMs`, and they
 * come when the task's time has passed that. Messages are kept so long, packed; a key may have 100,000 open (TOO_MANY_OPEN), all in one
 * record of the changelog, under the join's name. One that comes when it is over is a dead letter, code LATE. The sources of both
 * have to have the same number of partitions. Throws INVALID_DEFINITION.
 */
export function intervalJoin<L, R>(
  name: string,
  left: Keyed<L>,
  right: Keyed<R>,
  options: IntervalJoinOptions,
): Pairs<L, R> {
  const sideOf = (side: Side, stream: unknown): StreamNode => {
    const flow = flowOf(stream)
    if (flow === undefined)
      throw invalid(`The ${side} side of interval join ${shown(name)} is ${shown(stream)}: it must be a stream.`)
    if (!flow.isKeyed)
      throw invalid(
        `The ${side} side of interval join ${shown(name)} is stream ${flow.name}, which has no key: put keyBy() before intervalJoin().`,
      )
    return flow[streamKey]
  }
  const state = pairsOf(name, { left: sideOf('left', left), right: sideOf('right', right) }, options)
  const keyed = (node: StreamNode): unknown => new Flow(node, true)
  const alone = (side: Side): unknown =>
    keyed({ kind: 'timed', origin: { kind: 'unmatched', state, side }, name: `${name}-${side}` })
  return {
    both: keyed({ kind: 'merge', upstreams: [state.pairs.left, state.pairs.right] }) as Pairs<L, R>['both'],
    left: alone('left') as Keyed<L>,
    right: alone('right') as Keyed<R>,
    [pairsKey]: state,
  }
}

/** The messages of several streams, in one. Their keys have to mean the same. Throws INVALID_DEFINITION. */
export function merge<const T extends readonly [unknown, ...unknown[]]>(
  ...streams: {
    readonly [I in keyof T]: T[I] extends Keyed<unknown>
      ? T[I]
      : Refused<'error: only streams with a key are merged: put keyBy() before merge()'>
  }
): Keyed<T[number] extends Keyed<infer M> ? M : never> {
  const flows = streams.map((stream: unknown, i): Flow => {
    const flow = flowOf(stream)
    if (flow === undefined)
      throw invalid(`Stream ${String(i + 1)} of merge() is ${shown(stream)}: it must be a stream.`)
    if (!flow.isKeyed)
      throw invalid(`Stream ${String(i + 1)} of merge(), ${flow.name}, has no key: put keyBy() before merge().`)
    return flow
  })
  if (flows.length === 0) throw invalid('merge() was given no stream.')
  const merged = new Flow({ kind: 'merge', upstreams: flows.map((flow) => flow[streamKey]) }, true)
  return merged as unknown as Keyed<T[number] extends Keyed<infer M> ? M : never>
}

/** Stream, Keyed and, after a computation, Pipeline: the types above say which methods are there when. */
class Flow {
  readonly [streamKey]: StreamNode
  constructor(
    node: StreamNode,
    readonly isKeyed: boolean,
  ) {
    this[streamKey] = node
  }

  /** Of the first source, for messages. */
  get name(): string {
    return nameOf(this[streamKey])
  }

  get [pipelineKey](): PipelineDefinition {
    const node = this[streamKey]
    if (node.kind === 'compute' || node.kind === 'call') return node
    throw invalid(
      `Pipeline ${this.name} leads nowhere: end it with a computation, .to(), with a .call(), or with a .sink().`,
    )
  }

  filter(keep: (message: unknown) => boolean): Flow {
    checkFunction(`filter() of pipeline ${this.name}`, keep)
    return new Flow({ kind: 'filter', upstream: this[streamKey], keep }, this.isKeyed)
  }

  map(map: (message: unknown) => unknown): Flow {
    checkFunction(`map() of pipeline ${this.name}`, map)
    return new Flow({ kind: 'map', upstream: this[streamKey], map }, this.isKeyed)
  }

  flatMap(flatMap: (message: unknown) => unknown): Flow {
    checkFunction(`flatMap() of pipeline ${this.name}`, flatMap)
    return new Flow({ kind: 'flatMap', upstream: this[streamKey], flatMap }, this.isKeyed)
  }

  keyBy(key: (message: unknown) => unknown, options: { readonly name?: string } = {}): Flow {
    checkFunction(`keyBy() of pipeline ${this.name}`, key)
    const { name } = options
    if (name !== undefined) checkName('a repartition', name)
    const keyOf = checkedKey(`The key from keyBy() of pipeline ${this.name}`, key)
    return new Flow({ kind: 'keyBy', upstream: this[streamKey], key: keyOf, name }, true)
  }

  to(state: AnyStateObject | AnyWindowed, compute: Compute, { reads = [] }: ToOptions = {}): Flow {
    const { name } = this
    const definition = windowsDefinition(state) ?? stateDefinition(state, `The argument of to() of pipeline ${name}`)
    if (definition.table !== undefined)
      throw invalid(
        `The argument of to() of pipeline ${name} is table ${definition.name}, which its stream alone writes: join() it, or read it in the ` +
          'computation of a state object.',
      )
    checkFunction(`The computation of pipeline ${name}`, compute)
    const others = readsOf(`The reads of the computation of pipeline ${name}`, reads)
    if (!this.isKeyed)
      throw invalid(`Pipeline ${name} has a computation, but its messages have no key: put keyBy() before to().`)
    const checked = synchronous(name, compute)
    const upstream = this[streamKey]
    return new Flow({ kind: 'compute', upstream, state: definition, compute: checked, ...others }, true)
  }

  /** A table or state object, and a step; or a broadcast, a key, and a step. */
  join(target: unknown, ...functions: readonly unknown[]): Flow {
    const { name } = this
    const upstream = this[streamKey]
    if (!this.isKeyed)
      throw invalid(`Pipeline ${name} has a join, but its messages have no key: put keyBy() before join().`)
    const broadcast = broadcastIn(target)
    if (broadcast === undefined) {
      const state = stateDefinition(target, `The argument of join() of pipeline ${name}`)
      return new Flow({ kind: 'join', upstream, state, step: joinStep(name, functions[0]) }, true)
    }
    const [key, step] = functions
    const what = `The key of join() with broadcast ${broadcast.name} of pipeline ${name}`
    checkFunction(what, key)
    const keyOf = checkedKey(what, key as (message: unknown) => unknown)
    return new Flow({ kind: 'lookup', upstream, broadcast, key: keyOf, step: joinStep(name, step) }, true)
  }

  call(name: unknown, make: unknown, options?: unknown): Flow {
    const call = callDefinition(this.name, name, make, options)
    if (!this.isKeyed)
      throw invalid(
        `Pipeline ${this.name} has call ${call.name}, but its messages have no key: put keyBy() before call().`,
      )
    return new Flow({ kind: 'call', upstream: this[streamKey], call }, true)
  }

  sink(topic: Sink<never>, options: SinkOptions = {}): Pipeline {
    const { name } = this
    const sink = topicDefinition(topic, `The sink of pipeline ${name}`)
    if (sink.partitioner === undefined)
      throw invalid(
        `The sink of pipeline ${name}, topic ${sink.name}, has no known partitioner, so Potoroo can't tell which partition ` +
          "an output belongs on: declare it with 'murmur2' or 'xxh64'.",
      )
    const headers = passedHeaders(name, options)
    return { [pipelineKey]: { kind: 'sink', upstream: this[streamKey], topic: sink, headers } }
  }
}

function joinStep(pipeline: string, step: unknown): JoinNode['step'] {
  const what = `The step of join() of pipeline ${pipeline}`
  checkFunction(what, step)
  const given = step as JoinNode['step']
  return (message, entry) => {
    const output = given(message, entry)
    if (isPromise(output)) refusePromise(what, output)
    return output
  }
}

function readsOf(what: string, reads: unknown) {
  if (!Array.isArray(reads)) throw invalid(`${what} is ${shown(reads)}: it must be an array.`)
  const all = reads as readonly unknown[]
  const isBroadcast = (one: unknown): boolean => broadcastIn(one) !== undefined
  return {
    reads: all.filter((one) => !isBroadcast(one)).map((one): StateDefinition => stateDefinition(one, what)),
    broadcasts: all.filter(isBroadcast).map((one): BroadcastDefinition => broadcastDefinition(one, what)),
  }
}

function passedHeaders(pipeline: string, options: unknown): PassedHeaders {
  if (typeof options !== 'object' || options === null)
    throw invalid(`The sink of pipeline ${pipeline} has options: ${shown(options)}. They must be an object.`)
  const { headers }: { readonly headers?: unknown } = options
  if (headers === undefined) return 'trace'
  if (headers === 'all' || headers === 'none') return headers
  if (Array.isArray(headers)) {
    const names: readonly unknown[] = headers
    const wrong = names.find((name) => typeof name !== 'string')
    if (wrong === undefined) return new Set(names as readonly string[])
    throw invalid(
      `The sink of pipeline ${pipeline} passes on header ${shown(wrong)}: the name of a header must be a string.`,
    )
  }
  throw invalid(
    `The sink of pipeline ${pipeline} has headers: ${shown(headers)}. It must be a list of names, 'all' or 'none'.`,
  )
}

function nameOf(node: StreamNode): string {
  if (node.kind === 'source' || node.kind === 'timed') return node.name
  const upstream = node.kind === 'merge' ? node.upstreams[0] : node.upstream
  return upstream === undefined ? 'of nothing' : nameOf(upstream)
}

const flowOf = (value: unknown): Flow | undefined =>
  typeof value === 'object' && value !== null && streamKey in value ? (value as Flow) : undefined

const checkedKey =
  (what: string, key: (message: unknown) => unknown) =>
  (message: unknown): string => {
    const value = key(message)
    if (isKey(value)) return value
    throw new PotorooError('OUTPUT_INVALID', `${what} is ${shownKey(value)}.`)
  }

/** Types refuse asynchronous computations, but what has no types, or `any`, comes here. A promise would be lost silently. */
function synchronous(pipeline: string, compute: Compute): Compute {
  return (state, message, context) => {
    const output = compute(state, message, context)
    if (isPromise(output)) refusePromise(`The computation of pipeline ${pipeline}`, output)
    return output
  }
}

function refusePromise(what: string, promise: PromiseLike<unknown>): never {
  promise.then(undefined, () => undefined) // its failure would end the process
  throw invalid(`${what} returned a promise. Computations and steps are synchronous: use call() for asynchronous work.`)
}

/** The definition behind a pipeline. Throws INVALID_DEFINITION for anything else, naming `where` it was found. */
export function pipelineDefinition(value: unknown, where: string): PipelineDefinition {
  if (typeof value === 'object' && value !== null && pipelineKey in value)
    return value[pipelineKey] as PipelineDefinition
  throw invalid(`${where} is ${shown(value)}: it must be a pipeline, created with from().`)
}
