/**
 * Streams: messages on their way from a topic through steps and computations to sinks. A stream is a value: each step gives
 * a new one and leaves the old one as it was, so that going on twice from one stream branches it, and what lies before the
 * branch runs once for each message.
 *
 * The key lies beside the message. A topic's records bring it, steps and computations keep it, keyBy() alone changes it.
 */
import { PotorooError } from '../errors.js'
import type { Compute, ComputationContext, PassedHeaders, PipelineDefinition, StreamNode } from './definition.js'
import { checkFunction, checkName, invalid, isKey, isPromise, shown, shownKey } from './names.js'
import { stateDefinition, type AnyStateObject, type StateObject } from './state-object.js'
import type { Timer } from './timer.js'
import { originDefinition, topicDefinition, type Origin, type Sink } from './topic.js'

const pipelineKey: unique symbol = Symbol.for('potoroo.pipeline')
/** Registered, so that a stream made with another copy of Potoroo is a stream, too. */
const streamKey: unique symbol = Symbol.for('potoroo.stream')

/** What a computation gets beside state and message. */
export interface Context extends ComputationContext {
  set(timer: Timer, atMs: number, id?: string): void
  clear(timer: Timer, id?: string): void
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
  ): Synchronous<R, [Emitted<R>] extends [never] ? Pipeline : Keyed<Emitted<R>>>
}

type Nothing = ReturnType<() => void> | undefined | null
type Emitted<R> = R extends Nothing ? never : R extends readonly (infer O)[] ? O : R
type Synchronous<R, T> = [Extract<R, PromiseLike<unknown>>] extends [never]
  ? T
  : 'error: computations and steps are synchronous, this one gives a promise'

/**
 * A stream of a topic's messages, or of what time brings: timers that are due, state objects whose time is over. It is named
 * after the topic unless `name` says otherwise; names of what Potoroo keeps in Kafka are made of it. Throws INVALID_DEFINITION.
 */
export function from<M>(origin: Origin<M, 'keyed'>, name?: string): Keyed<M>
export function from<M>(origin: Origin<M, 'unkeyed'>, name?: string): Unkeyed<M>
export function from<M>(origin: Origin<M>, name?: string): Stream<M> {
  const timed = originDefinition(origin)
  if (timed !== undefined && 'kind' in timed)
    return new Flow({ kind: 'timed', origin: timed, name: origin.name }, true) as unknown as Stream<M>
  const topic = topicDefinition(origin, 'What from() was given')
  if (name !== undefined) checkName('a pipeline', name)
  const flow = new Flow({ kind: 'source', topic, name: name ?? topic.name }, topic.key !== undefined)
  return flow as unknown as Stream<M>
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
      throw invalid(`Stream ${String(i + 1)} of merge() is ${shown(stream)}: it has to be a stream.`)
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
    if (node.kind === 'compute') return node
    throw invalid(`Pipeline ${this.name} leads nowhere: end it with a computation, .to(), or with a .sink().`)
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
    return new Flow({ kind: 'keyBy', upstream: this[streamKey], key: checkedKey(this.name, key), name }, true)
  }

  to(state: AnyStateObject, compute: Compute): Flow {
    const { name } = this
    const definition = stateDefinition(state, `What to() of pipeline ${name} was given`)
    checkFunction(`The computation of pipeline ${name}`, compute)
    if (!this.isKeyed)
      throw invalid(`Pipeline ${name} has a computation, but its messages have no key: put keyBy() before to().`)
    const checked = synchronous(name, compute)
    return new Flow({ kind: 'compute', upstream: this[streamKey], state: definition, compute: checked }, true)
  }

  sink(topic: Sink<never>, options: SinkOptions = {}): Pipeline {
    const { name } = this
    const sink = topicDefinition(topic, `The sink of pipeline ${name}`)
    if (sink.partitioner === undefined)
      throw invalid(
        `The sink of pipeline ${name}, topic ${sink.name}, has no known partitioner, so that it can't be said where ` +
          "outputs belong: declare it with 'murmur2' or 'xxh64'.",
      )
    const headers = passedHeaders(name, options)
    return { [pipelineKey]: { kind: 'sink', upstream: this[streamKey], topic: sink, headers } }
  }
}

function passedHeaders(pipeline: string, options: unknown): PassedHeaders {
  if (typeof options !== 'object' || options === null)
    throw invalid(`The sink of pipeline ${pipeline} has options: ${shown(options)}. They have to be an object.`)
  const { headers }: { readonly headers?: unknown } = options
  if (headers === undefined) return 'trace'
  if (headers === 'all' || headers === 'none') return headers
  if (Array.isArray(headers)) {
    const names: readonly unknown[] = headers
    const wrong = names.find((name) => typeof name !== 'string')
    if (wrong === undefined) return new Set(names as readonly string[])
    throw invalid(`The sink of pipeline ${pipeline} passes header ${shown(wrong)} on: a header's name is a string.`)
  }
  throw invalid(
    `The sink of pipeline ${pipeline} has headers: ${shown(headers)}. It has to be a list of names, 'all' or 'none'.`,
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
  (pipeline: string, key: (message: unknown) => unknown) =>
  (message: unknown): string => {
    const value = key(message)
    if (isKey(value)) return value
    throw new PotorooError(
      'OUTPUT_INVALID',
      `The key that keyBy() of pipeline ${pipeline} gives is ${shownKey(value)}.`,
    )
  }

/** Types refuse asynchronous computations, but what has no types, or `any`, comes here. A promise would be lost silently. */
function synchronous(pipeline: string, compute: Compute): Compute {
  return (state, message, context) => {
    const output = compute(state, message, context)
    if (isPromise(output)) refusePromise(pipeline, output)
    return output
  }
}

function refusePromise(pipeline: string, promise: PromiseLike<unknown>): never {
  promise.then(undefined, () => undefined) // its failure would end the process
  throw invalid(`The computation of pipeline ${pipeline} gave a promise. Computations are synchronous.`)
}

/** The definition behind a pipeline. Throws INVALID_DEFINITION for anything else, naming `where` it was found. */
export function pipelineDefinition(value: unknown, where: string): PipelineDefinition {
  if (typeof value === 'object' && value !== null && pipelineKey in value)
    return value[pipelineKey] as PipelineDefinition
  throw invalid(`${where} is ${shown(value)}: it has to be a pipeline, made with from().`)
}
