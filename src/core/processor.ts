/**
 * What one record does: decode, check, compute, emit. Everything it changes is in memory and belongs to the current
 * commit interval; the task commits that, or takes it back.
 *
 * Invariants
 * 1. A record has all of its effects or none: state objects and outputs.
 * 2. Bad input goes to the dead letters with its bytes as they were; no state object has seen it.
 * 3. What a computation did before it threw is taken back. In normal mode nothing is copied per message: the whole
 *    interval is taken back (Retake), and done again in careful mode, which packs state objects after each message and
 *    so can take back a single one.
 * 4. Outputs carry the timestamp of the record that caused them: the same input gives the same bytes.
 */
import type { ComputationContext, PipelineDefinition, Step, TopicDefinition } from '../api/definition.js'
import { likeness, visible } from '../api/visible.js'
import { isPotorooError, messageOf, PotorooError, type ErrorCode } from '../errors.js'
import { COMMIT_KEY, encodeCommitRecord, type CommitRecord } from './commit-record.js'
import { isUtf8Of, type ByteString } from './byte-string.js'
import type { Changes } from './changes.js'
import type { Input } from './input.js'
import { fits, Outbox, type DeadLetter, type Destination, type OutgoingRecords } from './outbox.js'
import { partitionOf } from './partitioner.js'
import { RecordWriter, type RecordCursor } from './records.js'
import { MAX_AHEAD, NOWHERE, StateTable, type Unstored } from './state-table.js'
import type { SubTopology } from './topology.js'

export interface ProcessorPlan {
  readonly subTopology: SubTopology
  readonly partition: number
  /** Partition count of the sources. */
  readonly partitions: number
  /** By the sink's declared name. */
  readonly sinks: ReadonlyMap<string, Destination>
  readonly deadLetters: Destination
  /** Undefined for a sub-topology without state. */
  readonly changelog: Destination | undefined
  readonly onError: 'dead-letter' | 'stop'
  /** What state objects may take in memory, about, now. */
  readonly maxStateBytes: () => number
  /** Reads a state object's bytes from the store. */
  readonly load: (storeKey: ByteString) => ByteString | undefined
  /** The store has nothing when the processor begins. */
  readonly storeWasEmpty: boolean
  /** What whoever sends messages can't know: keys are hashed with it. */
  readonly secret: string
}

/** Thrown in normal mode: take the interval back (`retake`), rewind the inputs, and go on in careful mode. */
export class Retake extends Error {
  override readonly name = 'Retake'
}

export interface Collected {
  readonly records: readonly OutgoingRecords[]
  /** Of state objects: what `records` says of them. */
  readonly changes: readonly Changes[]
  readonly deadLetters: readonly DeadLetter[]
  readonly messages: number
}

/** The longest key of a state object, in bytes of UTF-8: with the state object's name, what the store's keys take. */
export const MAX_KEY_BYTES = 1800
/** How many intervals without a failure end careful mode. */
const CALM_INTERVALS = 3

export class Processor {
  /** Packs after each message, so that one message can be taken back. */
  careful = false
  /** Messages in the current interval. */
  messages = 0

  readonly #states: StateTable
  readonly #outbox = new Outbox()
  readonly #context = new Context()
  /** Normal mode's, one for all messages. */
  readonly #addOutput: Emit = (to, partition, key, value) => {
    if (!this.#outbox.add(to, partition, this.#context.timestampMs, key, value)) throw tooLarge(to)
  }
  /** Of records that come next. */
  readonly #keys = new Int32Array(2 * MAX_AHEAD)
  #failures = 0
  #calm = 0

  constructor(private readonly plan: ProcessorPlan) {
    const { changelog, subTopology, maxStateBytes, load, storeWasEmpty, secret } = plan
    this.#states = new StateTable(
      subTopology.states,
      maxStateBytes,
      load,
      storeWasEmpty,
      (keyBytes, valueBytes) => changelog === undefined || fits(changelog, keyBytes, valueBytes),
      secret,
    )
  }

  /** Bytes of outputs in the current interval. */
  get outputBytes(): number {
    return this.#outbox.bytes
  }

  /**
   * Does the record under the input's cursor; the caller advances the input afterwards. Throws Retake (normal mode
   * only), or STOPPED_BY_ON_ERROR: then the record has had no effect.
   */
  process(sourceIndex: number, input: Input, nowMs: () => number): void {
    const { cursor } = input
    const source = this.plan.subTopology.sources[sourceIndex]
    if (source === undefined) throw new RangeError(`no source ${String(sourceIndex)}`)
    this.messages++
    if (this.#states.isLarge) this.#prefetch(source.pipelines, input)
    let message: unknown
    try {
      if (cursor.valueStart < 0) throw new PotorooError('VALUE_NULL', 'the value is null')
      message = source.topic.decode(cursor.buffer, cursor.valueStart, cursor.valueEnd)
    } catch (error) {
      if (!(error instanceof PotorooError) || error.code === 'INVALID_DEFINITION') throw error
      this.#toDeadLetters(input, error, nowMs)
      return
    }
    this.#context.begin(cursor)
    if (this.careful) this.#carefully(source.pipelines, input, message, nowMs)
    else this.#briskly(source.pipelines, input, message, nowMs)
  }

  /** Sends the record under the cursor to the dead letters without doing it: it makes commits fail. */
  condemn(input: Input, error: PotorooError, nowMs: () => number): void {
    this.messages++
    this.#failed(input, error, nowMs)
  }

  /** Everything of this interval; what comes after belongs to the next. Throws Retake in normal mode. */
  collect(commit: CommitRecord, nowMs: number): Collected {
    const { changelog, partition } = this.plan
    const writer = new RecordWriter(changelog?.maxMessageBytes ?? 0)
    let changes: readonly Changes[]
    try {
      changes = this.#states.collect(writer, nowMs)
    } catch (error) {
      if (isPotorooError(error) && error.code === 'INTERNAL') throw error
      throw new Retake(messageOf(error), { cause: error })
    }
    const { deadLetters } = this.#outbox
    const records = this.#outbox.take()
    if (changelog !== undefined) {
      // The commit record is the last: the store's position is its position.
      // Without it, the store's position would be that of another record.
      if (!writer.append(nowMs, COMMIT_KEY, encodeCommitRecord(commit))) throw tooNarrowForCommits(changelog)
      const { topic, topicId } = changelog
      records.unshift({ topic, topicId, partition, chunks: writer.take() })
    }
    const messages = this.messages
    this.#calm = this.#failures === 0 ? this.#calm + 1 : 0
    if (this.#calm >= CALM_INTERVALS) this.careful = false
    this.#failures = this.messages = 0
    return { records, changes, deadLetters, messages }
  }

  /** The log has what was collected last. */
  committed(): void {
    this.#states.committed()
  }

  /** Whether something is collected that is not committed yet. */
  get isCommitting(): boolean {
    return this.#states.isCommitting
  }

  /** What is committed and not stored, in bytes. */
  get unstoredBytes(): number {
    return this.#states.unstoredBytes
  }

  /** What the store is to have, as of the last commit; not while one is under way. */
  takeUnstored(): Unstored {
    return this.#states.takeUnstored()
  }

  /** The store has it now, so it may be forgotten. */
  stored(unstored: Unstored): void {
    this.#states.stored(unstored)
  }

  /** Takes the current interval back, and goes on in careful mode: state objects are as after the last `collect`. */
  retake(): void {
    this.#states.retake()
    this.#outbox.discard()
    this.messages = this.#failures = this.#calm = 0
    this.careful = true
  }

  #prefetch(pipelines: readonly PipelineDefinition[], input: Input): void {
    const count = input.lookAhead(this.#keys)
    if (count === 0) return
    for (const { state } of pipelines)
      if (state !== undefined) this.#states.prefetch(state, input.cursor.buffer, this.#keys, count)
  }

  #briskly(pipelines: readonly PipelineDefinition[], input: Input, message: unknown, nowMs: () => number): void {
    let begun = false
    try {
      for (const pipeline of pipelines) {
        this.#run(pipeline, input, message, this.#addOutput)
        begun = true
      }
    } catch (error) {
      if (isBadInput(error) && !begun) this.#toDeadLetters(input, error, nowMs)
      else throw new Retake(messageOf(error), { cause: error })
    }
  }

  #carefully(pipelines: readonly PipelineDefinition[], input: Input, message: unknown, nowMs: () => number): void {
    const outputs: Parameters<Emit>[] = []
    try {
      for (const pipeline of pipelines)
        this.#run(pipeline, input, message, (to, partition, key, value) => {
          if (!fits(to, Buffer.byteLength(key), Buffer.byteLength(value))) throw tooLarge(to)
          outputs.push([to, partition, key, value])
        })
      this.#states.settle()
    } catch (error) {
      this.#states.undo()
      if (isPotorooError(error) && notOfTheMessage.has(error.code)) throw error
      if (isBadInput(error)) this.#toDeadLetters(input, error, nowMs)
      else this.#failed(input, error, nowMs)
      return
    }
    for (const [to, partition, key, value] of outputs)
      this.#outbox.add(to, partition, this.#context.timestampMs, key, value)
  }

  /** One pipeline for one message. Throws bad input before it has changed anything, else whatever went wrong. */
  #run(pipeline: PipelineDefinition, input: Input, message: unknown, emit: Emit): void {
    let current = message
    if (pipeline.before.length > 0) {
      const stepped = applySteps(pipeline.before, message)
      if (stepped === DROPPED) return
      current = stepped
    }
    const { state: definition, compute, key: keyOf } = pipeline
    if (input.cursor.keyStart < 0) throw new PotorooError('KEY_MISSING', 'the record has no key')
    const key = keyOf(current)
    if (definition === undefined || compute === undefined) {
      this.#checkKey(pipeline.source, key, input.cursor)
      this.#emit(pipeline, current, undefined, emit)
      return
    }
    const { cursor } = input
    const { buffer, keyStart, keyEnd } = cursor
    let place = this.#states.find(definition, buffer, keyStart, keyEnd)
    if (place === NOWHERE) {
      this.#checkKey(pipeline.source, key, cursor)
      place = this.#states.bring(definition, buffer, keyStart, keyEnd)
    } else if (!isKeyOf(cursor, key)) throw keyMismatch(key, cursor)
    const state = this.#states.touch(definition, key, place)
    const context = this.#context
    context.beginComputation(key)
    const result = compute(state, current, context)
    if (context.forgotten) this.#states.forget()
    if (result === undefined || result === null) return
    if (Array.isArray(result)) for (const output of result as unknown[]) this.#emit(pipeline, output, key, emit)
    else this.#emit(pipeline, result, key, emit)
  }

  #emit(pipeline: PipelineDefinition, output: unknown, stateKey: string | undefined, emit: Emit): void {
    const { sink, after } = pipeline
    if (sink === undefined) return
    let current = output
    if (after.length > 0) {
      const stepped = applySteps(after, output)
      if (stepped === DROPPED) return
      current = stepped
    }
    const to = this.plan.sinks.get(sink.name)
    if (to === undefined) throw new RangeError(`no destination for sink ${sink.name}`)
    const { partitioner } = sink
    if (partitioner === undefined) throw new RangeError(`sink ${sink.name} has no partitioner`)
    const key = sink.keyOf(current)
    // What has the key of the state object is on the task's own partition, where the topics are alike.
    const same = key === stateKey && to.partitions === this.plan.partitions
    const partition =
      same && partitioner === pipeline.source.partitioner
        ? this.plan.partition
        : partitionOf(partitioner, Buffer.from(key), to.partitions)
    emit(to, partition, key, sink.encode(current))
  }

  /** Throws bad input where the key is not the record's, or the record is not where it belongs. */
  #checkKey(source: TopicDefinition, key: string, cursor: RecordCursor): void {
    if (!isKeyOf(cursor, key)) throw keyMismatch(key, cursor)
    const { buffer, keyStart, keyEnd } = cursor
    if (keyEnd - keyStart > MAX_KEY_BYTES)
      throw new PotorooError(
        'KEY_TOO_LONG',
        `the key has ${String(keyEnd - keyStart)} bytes, more than ${String(MAX_KEY_BYTES)}`,
      )
    const { partitioner } = source
    if (partitioner === undefined) return
    const right = partitionOf(partitioner, buffer.subarray(keyStart, keyEnd), this.plan.partitions)
    if (right !== this.plan.partition)
      throw new PotorooError(
        'WRONG_PARTITION',
        `key '${visible(key.slice(0, 100))}' belongs on partition ${String(right)} by ${partitioner}, but lies on ${String(this.plan.partition)}: ` +
          (partitioner === 'murmur2'
            ? 'producers must use murmur2 as the Java client does (librdkafka: partitioner=murmur2_random; its default, CRC32, is another)'
            : `producers must partition by ${partitioner} of the key`),
      )
  }

  /** A failure of the application's: to the dead letters, or a stop, as it was chosen. */
  #failed(input: Input, error: unknown, nowMs: () => number): void {
    const known =
      error instanceof PotorooError ? error : new PotorooError('COMPUTATION_FAILED', messageOf(error), { cause: error })
    if (this.plan.onError === 'stop')
      throw new PotorooError(
        'STOPPED_BY_ON_ERROR',
        `${input.topic}, partition ${String(this.plan.partition)}, offset ${String(input.cursor.offset)}: ${known.code}: ${known.message}`,
        { cause: known.cause ?? known },
      )
    this.#failures++
    this.#toDeadLetters(input, known, nowMs)
  }

  #toDeadLetters(input: Input, error: PotorooError, nowMs: () => number): void {
    this.#outbox.addDeadLetter(this.plan.deadLetters, input.topic, this.plan.partition, input.cursor, error, nowMs())
  }
}

type Emit = (to: Destination, partition: number, key: string, value: Uint8Array | string) => void

/** Bad input, found before the pipeline has changed anything: dead letters, whatever onError says. */
const badInput: ReadonlySet<ErrorCode> = new Set(['KEY_MISSING', 'KEY_MISMATCH', 'KEY_TOO_LONG', 'WRONG_PARTITION'])
const isBadInput = (error: unknown): error is PotorooError => isPotorooError(error) && badInput.has(error.code)

const keyMismatch = (key: string, { buffer, keyStart, keyEnd }: RecordCursor): PotorooError =>
  new PotorooError(
    'KEY_MISMATCH',
    `the record key is '${visible(buffer.toString('utf8', keyStart, Math.min(keyEnd, keyStart + 100)))}', ` +
      `but the message's is '${visible(key.slice(0, 100))}'${likeness(buffer, keyStart, keyEnd)}`,
  )

const tooLarge = (to: Destination): PotorooError =>
  new PotorooError(
    'RECORD_TOO_LARGE',
    `an output is larger than ${to.topic} takes (max.message.bytes ${String(to.maxMessageBytes)})`,
  )

const isKeyOf = ({ buffer, keyStart, keyEnd }: RecordCursor, key: string): boolean =>
  isUtf8Of(key, buffer, keyStart, keyEnd)

const tooNarrowForCommits = ({ topic, maxMessageBytes }: Destination): PotorooError =>
  new PotorooError(
    'INVALID_CONFIGURATION',
    `changelog ${topic} takes records of ${String(maxMessageBytes)} bytes only, less than what each commit writes: raise its max.message.bytes`,
  )

/** Errors that are not of a message, but of the store or of the application as a whole: they stop the worker. */
const notOfTheMessage: ReadonlySet<ErrorCode> = new Set([
  'STORE_FAILED',
  'STORE_DAMAGED',
  'INTERNAL',
  'INVALID_DEFINITION',
])

const DROPPED = Symbol('dropped')

function applySteps(steps: readonly Step[], message: unknown): unknown {
  let current = message
  for (const step of steps)
    if (step.kind === 'map') current = step.map(current)
    else if (!step.keep(current)) return DROPPED
  return current
}

/** One object for all messages: a computation may use it until it returns. */
class Context implements ComputationContext {
  key = ''
  timestampMs = 0
  forgotten = false
  #cursor: RecordCursor | undefined

  begin(cursor: RecordCursor): void {
    this.timestampMs = cursor.timestampMs
    this.#cursor = cursor
  }
  beginComputation(key: string): void {
    this.key = key
    this.forgotten = false
  }
  header(name: string): Uint8Array | undefined {
    const value = this.#cursor?.header(name)
    // A copy: the record's memory is used again, and who knows how long the computation keeps it.
    return value && Buffer.from(value)
  }
  forget(): void {
    this.forgotten = true
  }
}
