/**
 * Pipelines: from a topic through stateless steps to a computation on the state object that the message's key names, and
 * on to a sink. Each step gives a new stream and leaves the old one as it was.
 */
import { PotorooError } from '../errors.js'
import type { ComputationContext, PipelineDefinition, Step, TopicDefinition } from './definition.js'
import { checkFunction, checkName, invalid, isKey, isPromise, shown, shownKey } from './names.js'
import { stateDefinition, type AnyStateObject, type StateObject } from './state-object.js'
import { topicDefinition, type Sink, type Source } from './topic.js'

const pipelineKey: unique symbol = Symbol.for('potoroo.pipeline')

/** What a computation gets beside state and message. */
export type Context = ComputationContext

/** A whole pipeline: what application() takes. */
export interface Pipeline {
  readonly [pipelineKey]: PipelineDefinition
}

/** Messages on their way, without a key. */
export interface Stream<out M> {
  /** Goes on with the messages that `keep` is true for. */
  filter<N extends M>(keep: (message: M) => message is N): Stream<N>
  filter(keep: (message: M) => boolean): Stream<M>
  /** Goes on with what `step` gives for each message. The stream has no key after it: keyBy() gives it one again. */
  map<N>(step: (message: M) => N): Synchronous<N, Stream<N>>
  /**
   * Names the state object that a message belongs to. It has to be the key of the record that the message came from,
   * because that decided which partition, and so which worker, has it: a record with another key goes to the dead
   * letters (KEY_MISMATCH). To group by something else, write to a topic that has it as its key, and start another
   * pipeline from there.
   */
  keyBy(key: (message: M) => string): Keyed<M>
  /** Writes each message to the topic, under the key that the topic declares. */
  sink(topic: Sink<M>): Pipeline
}

/** Messages with a key. */
export interface Keyed<out M> extends Stream<M> {
  filter<N extends M>(keep: (message: M) => message is N): Keyed<N>
  filter(keep: (message: M) => boolean): Keyed<M>
  /**
   * Calls `compute` with the state object of the message's key, which it may change, and the message. It gives nothing,
   * one output or an array of outputs. It is synchronous: state and outputs are what they are when it returns. When it
   * throws, the state object is as it was before the message.
   */
  to<S extends object, R>(
    state: StateObject<S>,
    compute: (state: S, message: M, context: Context) => R,
  ): Synchronous<R, [Emitted<R>] extends [never] ? Pipeline : Outputs<Emitted<R>>>
}

/** The outputs of a computation. They need a sink. A further computation starts from the topic they are written to. */
export interface Outputs<out M> {
  /** Goes on with the outputs that `keep` is true for. */
  filter<N extends M>(keep: (output: M) => output is N): Outputs<N>
  filter(keep: (output: M) => boolean): Outputs<M>
  /** Goes on with what `step` gives for each output. */
  map<N>(step: (output: M) => N): Synchronous<N, Outputs<N>>
  /** Writes each output to the topic, under the key that the topic declares. */
  sink(topic: Sink<M>): Pipeline
}

type Nothing = ReturnType<() => void> | undefined | null
type Emitted<R> = R extends Nothing ? never : R extends readonly (infer O)[] ? O : R
type Synchronous<R, T> = [Extract<R, PromiseLike<unknown>>] extends [never]
  ? T
  : 'error: computations and steps are synchronous, this one gives a promise'

/** Starts a pipeline from a topic. It is named after the topic unless `name` says otherwise. Throws INVALID_DEFINITION. */
export function from<M>(topic: Source<M>, name?: string): Keyed<M> {
  const source = topicDefinition(topic, 'What from() was given')
  if (name !== undefined) checkName('a pipeline', name)
  const flow = new Flow({
    name: name ?? source.name,
    source,
    before: [],
    key: (message) => source.rawKeyOf(message),
    keyedSteps: 0,
    state: undefined,
    compute: undefined,
    after: [],
  })
  return flow as unknown as Keyed<M>
}

type Compute = (state: object, message: unknown, context: ComputationContext) => unknown
interface Draft extends Omit<PipelineDefinition, 'key' | 'sink'> {
  /** What keyBy() gave, or the source's key. */
  readonly key: (message: unknown) => unknown
  /** So many of the steps `before` lie in front of a map() that took the key away: the key is that of the messages there. */
  readonly keyedSteps: number
}

/** Stream, Keyed, Outputs and, after a computation, Pipeline: the types above say which methods are there when. */
class Flow implements Pipeline {
  readonly #draft: Draft
  constructor(draft: Draft) {
    this.#draft = draft
  }

  /** Absent (undefined) until the pipeline may end here. */
  get [pipelineKey](): PipelineDefinition {
    const { name, state } = this.#draft
    if (state === undefined)
      throw invalid(`Pipeline ${name} leads nowhere: end it with a computation, .to(), or with a .sink().`)
    return this.#ended(undefined)
  }

  filter(keep: (message: unknown) => boolean): Flow {
    checkFunction(`filter() of pipeline ${this.#draft.name}`, keep)
    return this.#with({ kind: 'filter', keep })
  }

  map(map: (message: unknown) => unknown): Flow {
    checkFunction(`map() of pipeline ${this.#draft.name}`, map)
    return this.#with({ kind: 'map', map })
  }

  keyBy(key: (message: unknown) => unknown): Flow {
    this.#refuseSecondComputation('keyBy()')
    checkFunction(`keyBy() of pipeline ${this.#draft.name}`, key)
    return new Flow({ ...this.#draft, key, keyedSteps: this.#draft.before.length })
  }

  to(state: AnyStateObject, compute: Compute): Flow {
    const { name, before, keyedSteps } = this.#draft
    this.#refuseSecondComputation('to()')
    const definition = stateDefinition(state, `What to() of pipeline ${name} was given`)
    checkFunction(`The computation of pipeline ${name}`, compute)
    if (keyedSteps < before.length)
      throw invalid(
        `Pipeline ${name} has a computation after map(), which took the key away: put keyBy() between them.`,
      )
    return new Flow({ ...this.#draft, state: definition, compute })
  }

  sink(topic: Sink<never>): Pipeline {
    const { name } = this.#draft
    const sink = topicDefinition(topic, `The sink of pipeline ${name}`)
    if (sink.partitioner === undefined)
      throw invalid(
        `The sink of pipeline ${name}, topic ${sink.name}, has no known partitioner, so that it can't be said where ` +
          "outputs belong: declare it with 'murmur2' or 'xxh64'.",
      )
    return { [pipelineKey]: this.#ended(sink) }
  }

  #with(step: Step): Flow {
    const { before, keyedSteps, after, compute } = this.#draft
    if (compute !== undefined) return new Flow({ ...this.#draft, after: [...after, step] })
    const keepsKey = step.kind === 'filter' && keyedSteps === before.length
    return new Flow({ ...this.#draft, before: [...before, step], keyedSteps: keyedSteps + (keepsKey ? 1 : 0) })
  }

  #refuseSecondComputation(method: string): void {
    const { name, compute } = this.#draft
    if (compute !== undefined)
      throw invalid(
        `Pipeline ${name} has ${method} after its computation. Outputs of a computation may belong to other keys, on ` +
          'other workers: write them to a topic with sink(), and start another pipeline from that topic.',
      )
  }

  #ended(sink: TopicDefinition | undefined): PipelineDefinition {
    const { name, source, before, keyedSteps, key, state, compute, after } = this.#draft
    return {
      name,
      source,
      before: before.slice(0, keyedSteps),
      key: checkedKey(name, key),
      state,
      compute: compute && (sink === undefined ? withoutOutputs(name, compute) : synchronous(name, compute)),
      after: [...before.slice(keyedSteps), ...after],
      sink,
    }
  }
}

const checkedKey =
  (pipeline: string, key: (message: unknown) => unknown) =>
  (message: unknown): string => {
    const value = key(message)
    if (isKey(value)) return value
    throw new PotorooError('KEY_MISMATCH', `The key that pipeline ${pipeline} gives is ${shownKey(value)}.`)
  }

/** Types refuse asynchronous computations, but what has no types, or `any`, comes here. A promise would be lost silently. */
function synchronous(pipeline: string, compute: Compute): Compute {
  return (state, message, context) => {
    const output = compute(state, message, context)
    if (isPromise(output)) refusePromise(pipeline, output)
    return output
  }
}

/** A function whose type says that it returns nothing may still return something, in TypeScript: it means nothing. */
function withoutOutputs(pipeline: string, compute: Compute): Compute {
  return (state, message, context) => {
    const output = compute(state, message, context)
    if (isPromise(output)) refusePromise(pipeline, output)
    return undefined
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
