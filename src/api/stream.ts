/**
 * Streams: messages on their way from a topic through steps and computations to sinks. A stream is a value: each step
 * returns a new one and leaves the old one unchanged. Continuing twice from one stream branches it, and what comes
 * before the branch runs once per message.
 *
 * Each message has a key. A topic's records bring it, steps and computations keep it, and only keyBy() changes it.
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
/** Registered, so that a stream from another copy of Potoroo is recognized too. */
const streamKey: unique symbol = Symbol.for('potoroo.stream')

/** What a computation gets next to state and message. */
export interface Context extends ComputationContext {
  set(timer: Timer, atMs: number, id?: string): void
  clear(timer: Timer, id?: string): void
  /**
   * The state object or table entry of the same key as it is now, including what this message has done so far;
   * undefined if there is none, or if it still has its initial value. It is a copy: changing it changes nothing. Works
   * only for what is kept together with the computation's own state object: what the application joins or computes
   * there, or what `reads` of to() names. Otherwise INVALID_DEFINITION, which stops the worker.
   */
  read<S extends object>(state: StateObject<S>): Readonly<S> | undefined
  read<V extends object>(table: Table<V>): Readonly<V> | undefined
  /**
   * The entry of any key in a broadcast; undefined if there is none. It is a copy. Works only for broadcasts that the
   * application joins in the same place, or that `reads` of to() names: otherwise INVALID_DEFINITION, which stops the
   * worker.
   */
  lookup<V extends object>(broadcast: Broadcast<V>, key: string): Readonly<V> | undefined
}

/** The context of a computation of windows: it runs once for each window that its message falls into. */
export interface WindowContext extends Omit<Context, 'set' | 'clear'> {
  readonly window: {
    readonly startMs: number
    /** Exclusive. */
    readonly endMs: number
    /** How many messages the window has got, including this one. */
    readonly messages: number
  }
}

/** Options of to(). */
export interface ToOptions {
  /**
   * Tables and state objects that the computation reads with `context.read()`: they are then kept on the same task as
   * its own state object, so their topics need the same number of partitions; and broadcasts that it reads with
   * `context.lookup()`. What is joined or computed there anyway need not be listed.
   */
  readonly reads?: readonly (AnyStateObject | AnyBroadcast)[]
}

/** A stream that has reached its end: what application() takes. */
export interface Pipeline {
  readonly [pipelineKey]: PipelineDefinition
}

/** Messages on their way, without a key. */
export interface Stream<out M> {
  /** Keeps the messages for which `keep` returns true. */
  filter<N extends M>(keep: (message: M) => message is N): Stream<N>
  filter(keep: (message: M) => boolean): Stream<M>
  /** Replaces each message by what `step` returns. */
  map<N>(step: (message: M) => N): Synchronous<N, Stream<N>>
  /** Replaces each message by the elements of the array that `step` returns, in order. */
  flatMap<N>(step: (message: M) => readonly N[]): Synchronous<N, Stream<N>>
  /**
   * Gives each message a key: a computation after it gets the state object of that key, on whichever worker it is.
   * Messages travel there through a repartition topic, which Potoroo creates, names `<application>-<from>-<state
   * object>-repartition` after the source or state object before it and the first state object after it, and truncates
   * as messages are processed. Messages of one source key arrive in order. `name` replaces `<from>-<state object>`, and
   * keeps the topic's name if one of those is renamed. A keyBy() that is followed only by sinks has no effect, because
   * a sink's topic has its own key.
   */
  keyBy(key: (message: M) => string, options?: { readonly name?: string }): Keyed<M>
  /** Writes each message to the topic, with the key that the topic declares. */
  sink(topic: Sink<M>, options?: SinkOptions): Pipeline
}

export interface SinkOptions {
  /**
   * Which headers of the causing record are passed on to an output: those with these names, or `'all'`. Default: only
   * `traceparent` and `tracestate` (W3C Trace Context), which are always passed on except with `'none'`. A header that
   * occurs several times is passed on as often. `'all'` excludes `potoroo-…` and `__streams.errors.…`, which say why a
   * record was a dead letter: where dead letters are the source, name the ones that you want. keyBy() passes all
   * headers on unchanged.
   */
  readonly headers?: readonly string[] | 'all' | 'none'
}

/** Stands in for a type, so that the compiler shows what is wrong. No value has it. */
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

/** Messages that have a key. */
export interface Keyed<out M> extends Stream<M> {
  filter<N extends M>(keep: (message: M) => message is N): Keyed<N>
  filter(keep: (message: M) => boolean): Keyed<M>
  map<N>(step: (message: M) => N): Synchronous<N, Keyed<N>>
  flatMap<N>(step: (message: M) => readonly N[]): Synchronous<N, Keyed<N>>
  /**
   * Calls `compute` with the message and the state object of its key, which it may change. It returns nothing, one
   * output or an array of outputs, which continue with the same key. It is synchronous: state and outputs count as they
   * are when it returns. When it throws, the state object is left as it was before the message.
   *
   * Computations in a row, without keyBy() between them, run in one transaction: all of their state objects change, or
   * none.
   */
  to<S extends object, R>(
    state: StateObject<S>,
    compute: (state: S, message: M, context: Context) => R,
    options?: ToOptions,
  ): Synchronous<R, [Emitted<R>] extends [never] ? Pipeline : Keyed<Emitted<R>>>
  /**
   * Calls `compute` once for each window that the message falls into, earliest first, with the state of the window.
   * What it returns are early results; the final ones come from `from(windows.closed)`. A window that has closed takes
   * no more messages: they are late for it.
   */
  to<S extends object, R>(
    windows: Windowed<S>,
    compute: (state: S, message: M, context: WindowContext) => R,
    options?: ToOptions,
  ): Synchronous<R, [Emitted<R>] extends [never] ? Pipeline : Keyed<Emitted<R>>>
  /**
   * Calls `step` with each message and the entry of its key in a table, or the state object of its key; undefined if
   * there is none. If it returns nothing, nothing continues, which makes an inner join; the elements of an array
   * continue one by one. The entry is a copy, as of the message's place in the order of everything that the task reads:
   * it includes what was written to the table with a timestamp up to the message's, even if both were written at the
   * same time and the table's topic is slow to deliver (docs/joins.md).
   *
   * The sources of both must have the same number of partitions: otherwise use keyBy() on one of them.
   */
  join<V extends object, R>(
    table: Table<V> | StateObject<V>,
    step: (message: M, entry: Readonly<V> | undefined) => R,
  ): Synchronous<R, Keyed<Emitted<R>>>
  /** Joins with a broadcast's entry for the key that `key` returns. It may be any key; the stream keeps its own. */
  join<V extends object, R>(
    broadcast: Broadcast<V>,
    key: (message: M) => string,
    step: (message: M, entry: Readonly<V> | undefined) => R,
  ): Synchronous<R, Keyed<Emitted<R>>>
  /**
   * Calls an external system for each message, and continues with its result unless that is undefined or null. `make`
   * may be asynchronous; it has no state object. Calls are made only for committed messages, so never for one that is
   * rolled back. Calls of one key are made one after the other, and their results continue in that order; calls of
   * other keys overlap. Each result continues exactly once. The call itself is made at least once: it is repeated after
   * a failure, a timeout or a crash, or when the task moves. Its id is the same each time (docs/calls.md).
   *
   * `name` is part of the names of topics, and identifies what to continue after a restart: a renamed call is a new
   * one.
   */
  call<N>(
    name: string,
    make: (message: M, call: Call) => Promise<N>,
    options?: CallOptions<M, NoInfer<Awaited<N>>>,
  ): Called<Exclude<Awaited<N>, Nothing>>
}

/** A pipeline may end with a call that returns nothing. */
type Called<N> = [N] extends [never] ? Keyed<N> & Pipeline : Keyed<N>

type Nothing = ReturnType<() => void> | undefined | null
type Emitted<R> = R extends Nothing ? never : R extends readonly (infer O)[] ? O : R
type Synchronous<R, T> = [Extract<R, PromiseLike<unknown>>] extends [never]
  ? T
  : 'error: computations and steps are synchronous, but this one returns a promise: use call() for asynchronous work'

/**
 * A stream of a topic's messages, or of what time produces: timers that are due, state objects whose ttl has ended,
 * windows that have closed. It is named after the topic unless `name` is given; the names of Potoroo's own topics
 * derive from it. Throws INVALID_DEFINITION.
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
 * A table: the last message of each key of a stream. null deletes the entry: a message that a step makes null or, if
 * the stream comes straight from a topic, a record without a value (a tombstone). Anything that is not an object
 * literal, or can't be stored, goes to the dead letters. A table is part of an application that joins it, or that has a
 * computation which `reads` it. Its entries are stored like state objects, in a changelog with its name. Throws
 * INVALID_DEFINITION.
 */
export function table<V extends object>(name: string, stream: Keyed<V | null>): Table<V> {
  const flow = flowOf(stream)
  if (flow === undefined) throw invalid(`Table ${shown(name)} was given ${shown(stream)}: it must be a stream.`)
  if (!flow.isKeyed)
    throw invalid(`Table ${shown(name)} is of stream ${flow.name}, which has no key: put keyBy() before table().`)
  return tableOf<V>(name, flow[streamKey])
}

/** The result of an interval join. */
export interface Pairs<out L, out R> {
  /** Every two messages that meet, once. */
  readonly both: Keyed<{ readonly left: L; readonly right: R }>
  /** Messages that have met no other, each once, when none that they would meet can come any more. */
  readonly left: Keyed<L>
  readonly right: Keyed<R>
  readonly [pairsKey]: StateDefinition
}

/**
 * Joins two streams of the same key: each message with those of the other stream whose timestamps are no further than
 * `withinMs` away; and the messages that meet no other. `both` has the later of the two timestamps; `left` and `right`
 * have that of their message plus `withinMs`, and come when the task's time has passed that. Messages are kept for so
 * long, packed; a key may have 100,000 open (TOO_MANY_OPEN), all in one record of the changelog, under the join's name.
 * A message that comes after its time is over becomes a dead letter, code LATE. The sources of both must have the same
 * number of partitions. Throws INVALID_DEFINITION.
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

/** The messages of several streams as one stream. Their keys must mean the same. Throws INVALID_DEFINITION. */
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

/** Stream, Keyed and, after a computation, Pipeline: the types above say which methods exist when. */
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
    const others = readsOf(`The option reads of the computation of pipeline ${name}`, reads)
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

/**
 * Types reject asynchronous computations, but a caller without types, or with `any`, gets here. A promise would be lost
 * silently.
 */
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
