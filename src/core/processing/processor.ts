/**
 * What one record does: decode, check, compute, emit. Everything it changes is in memory and belongs to the current
 * commit interval; the task commits that, or takes it back.
 *
 * Invariants
 * 1. A record has all of its effects or none: state objects and outputs.
 * 2. Bad input goes to the dead letters with its bytes as they were; no state object has seen it.
 * 3. What a computation did before it threw is rolled back. In normal mode nothing is copied per message: the whole
 *    interval is rolled back (Rollback), and done again in careful mode, which packs state objects after each message and
 *    so can roll back a single one.
 * 4. Outputs carry the timestamp of the record that caused them, or when that was due which did (firings.ts): the same input gives
 *    the same bytes.
 * 5. A record without a value deletes the entries of the tables that its topic goes into directly. Nobody else sees it; where
 *    there is no such table, it is bad input.
 */
import type { BroadcastDefinition, StateDefinition, TopicDefinition } from '../../api/definition.js'
import { isHex, shown } from '../../api/names.js'
import { isPotorooError, messageOf, PotorooError } from '../../errors.js'
import { DEFAULT_MAX_MESSAGE_BYTES, setConfig } from '../plan/topic-cures.js'
import { COMMIT_KEY, encodeCommitRecord, type CommitRecord } from '../commit/commit-record.js'
import type { ByteString } from '../records/byte-string.js'
import type { Changes } from '../state/changes.js'
import { DueIndex } from '../state/due-index.js'
import { Closings, type WindowCounts } from './closings.js'
import { Context } from './context.js'
import { CurrentRecord } from './current-record.js'
import { collecting, type Emit, type Output } from './emit.js'
import { asPotorooError, isBadInput, isNotOfTheMessage, noKey, Rollback, tooLarge } from './failures.js'
import { Firings, type ProcessorTime } from './firings.js'
import type { Input } from './input.js'
import { fits, Outbox, type DeadLetter, type Destination, type OutgoingRecords } from './outbox.js'
import { isMark, withBound } from './marks.js'
import { passedHeaders } from './passed-headers.js'
import { partitionOf, TextPartitioner } from '../plan/partitioner.js'
import { RecordWriter } from '../records/records.js'
import type { StoredNaN } from '../state/nan-fields.js'
import {
  MAX_AHEAD,
  NOWHERE,
  StateTable,
  type CollectedState,
  type MetState,
  type Unstored,
} from '../state/state-table.js'
import { MAX_KEY_BYTES } from '../state/store-key.js'
import { upgradesIn, type Operator, type SourceInput, type SubTopology } from '../plan/topology.js'
import { Pairing } from './pairing.js'
import { requirePlace } from './record-key.js'
import type { Watermark } from './watermark.js'
import { Windowing } from './windowing.js'

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
  /** Whether dead letters of failed computations carry the state objects that the message met; default true. */
  readonly deadLetterState?: boolean
  /** What state objects may take in memory, about, now. */
  readonly maxStateBytes: () => number
  /** Reads a state object's bytes from the store. */
  readonly load: (storeKey: ByteString) => ByteString | undefined
  /** The store has nothing when the processor begins. */
  readonly storeWasEmpty: boolean
  /** What whoever sends messages can't know: keys are hashed with it. */
  readonly secret: string
  /** What the worker's broadcasts have; undefined where it has none. */
  readonly lookUp?: ((broadcast: BroadcastDefinition, key: string) => object | undefined) | undefined
  /** Undefined where nothing falls due. */
  readonly time?: ProcessorTime | undefined
}

export interface Collected {
  readonly records: readonly OutgoingRecords[]
  /** Of state objects: what `records` says of them. */
  readonly changes: readonly Changes[]
  readonly deadLetters: readonly DeadLetter[]
  /** How many of `records` are marks, by topic. */
  readonly marks: ReadonlyMap<string, number>
  /** Fields of state objects that hold NaN from now on, as has not been told before. */
  readonly nans: readonly StoredNaN[]
  readonly messages: number
  /** Undefined where there are no windows. */
  readonly windows?: readonly WindowCounts[] | undefined
}

const NO_MARKS: ReadonlyMap<string, number> = new Map()
/** How many intervals without a failure end careful mode. */
const CALM_INTERVALS = 3

export class Processor {
  /** Packs after each message, so that one message can be rolled back. */
  careful = false
  /** Messages in the current interval, what was due among them. */
  messages = 0
  /** What falls due; undefined where nothing does. */
  readonly firings: Firings | undefined

  readonly #states: StateTable
  readonly #outbox = new Outbox()
  readonly #context: Context
  readonly #record: CurrentRecord
  readonly #closings: Closings
  /** Undefined where the sub-topology has no windows. */
  readonly #windowing: Windowing | undefined
  /** Undefined where it has no interval joins. */
  readonly #pairing: Pairing | undefined
  readonly #partitioner = new TextPartitioner()
  /** Normal mode's, one for all messages. */
  readonly #addOutput: Emit = (to, partition, key, value, headers) => {
    if (!this.#outbox.add(to, partition, this.#context.timestampMs, key, value, headers)) throw tooLarge(to)
  }
  /** Of records that come next. */
  readonly #keys = new Int32Array(2 * MAX_AHEAD)
  /** For the commit record. */
  readonly #upgrades: number
  #failures = 0
  #calm = 0

  constructor(private readonly plan: ProcessorPlan) {
    const { changelog, subTopology, maxStateBytes, load, storeWasEmpty, secret } = plan
    const dues = plan.time && new DueIndex(plan.time.load)
    this.#states = new StateTable(
      subTopology.states,
      maxStateBytes,
      load,
      storeWasEmpty,
      (keyBytes, valueBytes) => changelog === undefined || fits(changelog, keyBytes, valueBytes),
      secret,
      dues,
    )
    this.#upgrades = upgradesIn(subTopology)
    this.#record = new CurrentRecord(subTopology.sources)
    this.#context = new Context(
      this.#states,
      subTopology,
      plan.time?.watermark,
      (definition) => this.#read(definition),
      (broadcast, key) => this.#find(broadcast, key),
    )
    const { time } = plan
    const isCareful = (): boolean => this.careful
    const closings = (this.#closings = new Closings(subTopology, time?.watermark, {
      isCareful,
      late: (error) => {
        this.#late(error)
      },
    }))
    const parts = {
      states: this.#states,
      outbox: this.#outbox,
      context: this.#context,
      record: this.#record,
      isCareful,
      begins: () => {
        this.messages++
      },
      failed: () => {
        this.#failures++
      },
      run: (operators: readonly Operator[], message: unknown, emit: Emit) => {
        this.#run(operators, message, emit)
      },
      put: this.#addOutput,
      placeOf: (definition: StateDefinition) => this.#placeOf(definition),
      goOn: (next: readonly Operator[], result: unknown, emit: Emit) => {
        this.#goOn(next, result, emit)
      },
    }
    const hasWindows = subTopology.states.some(({ windows }) => windows !== undefined)
    const windowing = hasWindows ? new Windowing(subTopology, { ...parts, closings }) : undefined
    this.#windowing = windowing
    const hasPairs = subTopology.states.some(({ pairs }) => pairs !== undefined)
    const pairing = hasPairs ? new Pairing(subTopology, { ...parts, closings }) : undefined
    this.#pairing = pairing
    const firingParts = { ...parts, closings, windowing, pairing }
    this.firings = time && dues && new Firings(plan, time.watermark, dues, firingParts, time.nowMs)
  }

  /** The task's time; undefined where nothing falls due. */
  get time(): Watermark | undefined {
    return this.plan.time?.watermark
  }

  /** What the last commit that was collected has of a key in UTF-8: see StateTable. */
  collectedOf(definition: StateDefinition, key: Buffer): CollectedState {
    return this.#states.collectedOf(definition, key, 0, key.length)
  }

  /** Bytes of outputs in the current interval. */
  get outputBytes(): number {
    return this.#outbox.bytes
  }

  /**
   * Does the record under the input's cursor; the caller advances the input afterwards. Throws Rollback (normal mode
   * only), or STOPPED_BY_ON_ERROR: then the record has had no effect.
   */
  process(sourceIndex: number, input: Input, nowMs: () => number): void {
    const { cursor } = input
    const source = this.plan.subTopology.sources[sourceIndex]
    if (source === undefined) throw new RangeError(`no source ${String(sourceIndex)}`)
    this.messages++
    if (this.#states.isLarge) this.#prefetch(source.states, input)
    if (cursor.valueStart < 0) {
      this.#processNull(source, input, nowMs)
      return
    }
    let message: unknown
    try {
      message = source.topic.decode(cursor.buffer, cursor.valueStart, cursor.valueEnd)
    } catch (error) {
      // A mark says nothing in a version of the application that uses no time behind that repartition.
      if (!source.isRepartition || !isMark(cursor)) this.#notDecoded(input, error, nowMs)
      return
    }
    this.#do(source, source.operators, input, message, nowMs)
  }

  /** A record without a value: null for tables, or as a message where the topic says so; else bad input. */
  #processNull(source: SourceInput, input: Input, nowMs: () => number): void {
    let operators: readonly Operator[]
    try {
      operators = source.topic.nullIsMessage === true ? source.operators : tablesOf(source.operators)
    } catch (error) {
      this.#notDecoded(input, error, nowMs)
      return
    }
    this.#do(source, operators, input, null, nowMs)
  }

  #notDecoded(input: Input, error: unknown, nowMs: () => number): void {
    if (!(error instanceof PotorooError) || error.code === 'INVALID_DEFINITION') throw error
    this.#toDeadLetters(input, error, nowMs)
  }

  #do(source: SourceInput, operators: readonly Operator[], input: Input, message: unknown, nowMs: () => number): void {
    const { cursor } = input
    this.#context.begin(cursor)
    this.#record.begin(source, cursor, message)
    if (this.careful) this.#inCarefulMode(operators, input, message, nowMs)
    else this.#inNormalMode(operators, input, message, nowMs)
  }

  /** Runs what has come of the record under the cursor, of the first source, elsewhere. Throws as `process`. */
  give(input: Input, result: unknown, nowMs: () => number): void {
    const [source] = this.plan.subTopology.sources
    if (source === undefined) throw new RangeError('no source')
    this.messages++
    this.#do(source, source.operators, input, result, nowMs)
  }

  /** Sends the record under the cursor to the dead letters, whatever `onError` says. */
  refuse(input: Input, error: PotorooError, nowMs: () => number): void {
    this.messages++
    this.#toDeadLetters(input, error, nowMs)
  }

  /** Sends the record under the cursor to the dead letters without doing it: it makes commits fail. */
  condemn(input: Input, error: PotorooError, nowMs: () => number): void {
    this.messages++
    this.#failed(input, error, nowMs, this.#wouldMeet(input))
  }

  /** Everything of this interval; what comes after belongs to the next. Throws Rollback in normal mode. */
  collect(commit: CommitRecord, nowMs: number): Collected {
    const { changelog, partition } = this.plan
    const writer = new RecordWriter(changelog?.maxMessageBytes ?? 0)
    let changes: readonly Changes[]
    try {
      changes = this.#states.collect(writer, nowMs)
    } catch (error) {
      if (isPotorooError(error) && error.code === 'INTERNAL') throw error
      throw new Rollback(messageOf(error), { cause: error })
    }
    this.time?.mark()
    const marks = this.plan.time?.marks?.write(this.#outbox, nowMs) ?? NO_MARKS
    const { deadLetters } = this.#outbox
    const records = this.#outbox.take()
    if (changelog !== undefined) {
      // The commit record is the last: the store's position is its position.
      // Without it, the store's position would be that of another record.
      const written = changes.length === 0 ? commit : { ...commit, upgrades: this.#upgrades }
      if (!writer.append(nowMs, COMMIT_KEY, encodeCommitRecord(written))) throw tooNarrowForCommits(changelog)
      const { topic, topicId } = changelog
      records.unshift({ topic, topicId, partition, chunks: writer.take() })
    }
    const messages = this.messages
    this.#calm = this.#failures === 0 ? this.#calm + 1 : 0
    if (this.#calm >= CALM_INTERVALS) this.careful = false
    this.#failures = this.messages = 0
    const [nans, windows] = [this.#states.takeNaNs(), this.#closings.takeCounts()]
    return { records, changes, deadLetters, marks, nans, messages, windows }
  }

  /** The log has what was collected last. */
  committed(): void {
    this.#states.committed()
  }

  /** Whether something is collected that is not committed yet. */
  get isCommitting(): boolean {
    return this.#states.isCommitting
  }

  /** Keys of state objects in memory, about, and what they take. */
  get inMemory(): { readonly objects: number; readonly bytes: number } {
    return { objects: this.#states.recordsInMemory, bytes: this.#states.bytesInMemory }
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

  /** Takes the current interval back, and continues in careful mode: state objects are as after the last `collect`. */
  rollBack(): void {
    this.#states.rollBack()
    this.time?.rollBack()
    this.#closings.rollBack()
    this.#outbox.discard()
    this.messages = this.#failures = this.#calm = 0
    this.careful = true
  }

  #prefetch(states: readonly StateDefinition[], input: Input): void {
    const count = states.length === 0 ? 0 : input.lookAhead(this.#keys)
    if (count === 0) return
    for (const state of states) this.#states.prefetch(state, input.cursor.buffer, this.#keys, count)
  }

  #inNormalMode(operators: readonly Operator[], input: Input, message: unknown, nowMs: () => number): void {
    try {
      this.#run(operators, message, this.#addOutput)
    } catch (error) {
      if (isBadInput(error) && !this.#record.hasEffects) this.#toDeadLetters(input, error, nowMs)
      else throw new Rollback(messageOf(error), { cause: error })
    }
  }

  #inCarefulMode(operators: readonly Operator[], input: Input, message: unknown, nowMs: () => number): void {
    const outputs: Output[] = []
    try {
      this.#run(operators, message, collecting(outputs, this.#context))
      this.#states.settle()
    } catch (error) {
      const met = this.plan.deadLetterState === false ? [] : this.#states.met()
      this.#states.undo()
      this.#closings.undo()
      if (isNotOfTheMessage(error)) throw error
      if (isBadInput(error)) this.#toDeadLetters(input, error, nowMs)
      else this.#failed(input, error, nowMs, met)
      return
    }
    this.#closings.settle()
    for (const [timestampMs, to, partition, key, value, headers] of outputs)
      this.#outbox.add(to, partition, timestampMs, key, value, headers)
  }

  /** Depth first: what one operator gives has gone all its way before the next one's turn. */
  #run(operators: readonly Operator[], message: unknown, emit: Emit): void {
    // What messages mostly come to stands alone, and is compiled as one with what it calls.
    for (const operator of operators)
      if (operator.kind === 'compute') this.#compute(operator, message, emit)
      else this.#step(operator, message, emit)
  }

  #step(operator: Exclude<Operator, { readonly kind: 'compute' }>, message: unknown, emit: Emit): void {
    switch (operator.kind) {
      case 'filter':
        if (operator.keep(message)) this.#run(operator.next, message, emit)
        break
      case 'map':
        this.#run(operator.next, operator.map(message), emit)
        break
      case 'flatMap': {
        const several = operator.flatMap(message)
        if (!Array.isArray(several))
          throw new TypeError(`flatMap() must return an array, not ${several === null ? 'null' : typeof several}`)
        for (const one of several as readonly unknown[]) this.#run(operator.next, one, emit)
        break
      }
      case 'window':
        this.#windowing?.take(operator, message, emit)
        break
      case 'pair':
        this.#pairing?.take(operator, message, emit)
        break
      case 'join':
        this.#join(operator, message, emit)
        break
      case 'table':
        this.#keep(operator, message)
        break
      case 'lookup':
        this.#lookUp(operator, message, emit)
        break
      case 'sink':
        this.#emit(operator, message, emit)
    }
  }

  #compute({ state: definition, compute, next }: OperatorOf<'compute'>, message: unknown, emit: Emit): void {
    const record = this.#record
    const place = this.#placeOf(definition)
    const key = record.key()
    const context = this.#context
    if (definition.ttlMs !== undefined) this.#states.beforeChange(definition, place, context.timestampMs)
    const state = this.#states.touch(definition, key, place)
    record.hasEffects = true
    context.beginComputation(key, definition)
    const result = compute(state, message, context)
    if (context.forgotten) this.#states.forget()
    // Whoever read in between has touched nothing.
    if (definition.ttlMs !== undefined) this.#states.changed(context.timestampMs)
    if (result !== undefined && result !== null) this.#goOn(next, result, emit)
  }

  #join({ state, step, next }: OperatorOf<'join'>, message: unknown, emit: Emit): void {
    const entry = this.#read(state)
    // What is in memory was checked before.
    this.#record.wasChecked = true
    this.#goOn(next, step(message, entry), emit)
  }

  #lookUp({ broadcast, key, step, next }: OperatorOf<'lookup'>, message: unknown, emit: Emit): void {
    this.#goOn(next, step(message, this.#find(broadcast, key(message))), emit)
  }

  #keep({ state }: OperatorOf<'table'>, message: unknown): void {
    const record = this.#record
    if (message !== null && (typeof message !== 'object' || Object.getPrototypeOf(message) !== Object.prototype))
      throw new PotorooError(
        'STATE_NOT_PACKABLE',
        `Table ${state.name} was given ${shown(message)}: it takes object literals, and null, which deletes.`,
      )
    const place = this.#placeOf(state)
    this.#states.replace(state, record.key(), place, message ?? undefined)
    record.hasEffects = true
  }

  /** With what a computation or a step gave: nothing, one output, or several. */
  #goOn(next: readonly Operator[], result: unknown, emit: Emit): void {
    if (result === undefined || result === null || next.length === 0) return
    if (Array.isArray(result)) for (const output of result as unknown[]) this.#run(next, output, emit)
    else this.#run(next, result, emit)
  }

  /** Where the state object of the record's key is in memory now. Throws bad input. */
  #placeOf(definition: StateDefinition): number {
    const record = this.#record
    if (record.source.topic.hexKeys === true) return this.#placeOfHex(definition)
    const { buffer, keyStart, keyEnd } = record.cursor
    if (keyStart < 0) throw noKey()
    const place = this.#states.find(definition, buffer, keyStart, keyEnd)
    record.key()
    return place === NOWHERE ? this.#bring(definition, buffer, keyStart, keyEnd) : place
  }

  /** What is kept is kept under the key that the application has. */
  #placeOfHex(definition: StateDefinition): number {
    const record = this.#record
    if (record.cursor.keyStart < 0) throw noKey()
    const key = Buffer.from(record.key())
    const place = this.#states.find(definition, key, 0, key.length)
    return place === NOWHERE ? this.#bring(definition, key, 0, key.length) : place
  }

  #bring(definition: StateDefinition, key: Buffer, start: number, end: number): number {
    this.#checkPlace()
    return this.#states.bring(definition, key, start, end)
  }

  /** What the record's key has of a state object or a table: a copy. */
  #read(definition: StateDefinition): object | undefined {
    if (!this.plan.subTopology.states.includes(definition))
      throw new PotorooError(
        'INVALID_DEFINITION',
        `A computation of sub-topology ${this.plan.subTopology.name} reads ${definition.name}, which is not kept there: declare it, as in ` +
          `.to(state, compute, { reads: [${definition.name}] }).`,
      )
    const place = this.#placeOf(definition)
    return this.#states.read(definition, this.#record.key(), place)
  }

  /** What a broadcast has, of any key: a copy. */
  #find(broadcast: BroadcastDefinition, key: string): object | undefined {
    const { lookUp, subTopology } = this.plan
    // The worker may have it for others: but then this task's messages do not wait for it.
    if (lookUp === undefined || !subTopology.broadcasts.includes(broadcast))
      throw new PotorooError(
        'INVALID_DEFINITION',
        `A computation of sub-topology ${subTopology.name} looks something up in broadcast ${broadcast.name}, which is not read there: declare ` +
          `it, as in .to(state, compute, { reads: [${broadcast.name}] }).`,
      )
    return lookUp(broadcast, key)
  }

  #emit({ topic, key: keyOf, headers: passed }: OperatorOf<'sink'>, message: unknown, emit: Emit): void {
    const { plan } = this
    const record = this.#record
    if (!record.hasEffects) this.#checkPlace()
    const to = plan.sinks.get(topic.name)
    if (to === undefined) throw new RangeError(`no destination for sink ${topic.name}`)
    const { partitioner } = topic
    if (partitioner === undefined) throw new RangeError(`sink ${topic.name} has no partitioner`)
    if (keyOf === undefined) {
      const headers = passedHeaders(record.cursor, passed)
      emit(to, plan.partition % to.partitions, null, topic.encode(message), headers)
      record.hasEffects = true
      return
    }
    const isNull = message === null && topic.key !== undefined
    const key = isNull ? this.#keyOfNull(topic) : keyOf === 'own' ? record.key() : keyOf(message)
    const value = isNull ? null : topic.encode(message)
    let headers = passedHeaders(record.cursor, passed)
    const { time } = plan
    // Into a repartition.
    if (passed === 'every' && time?.marks !== undefined) headers = withBound(headers, time.watermark.lateBoundMs)
    if (topic.hexKeys === true) {
      const bytes = Buffer.from(key, 'hex')
      emit(to, partitionOf(partitioner, bytes, to.partitions), bytes, value, headers)
    } else {
      // What keeps its key is on the task's own partition, where the topics are alike.
      const { topic: source } = record.source
      const same =
        record.isKey(key) &&
        to.partitions === plan.partitions &&
        partitioner === source.partitioner &&
        source.hexKeys !== true
      const partition = same ? plan.partition : this.#partitioner.partitionOf(partitioner, key, to.partitions)
      emit(to, partition, key, value, headers)
    }
    record.hasEffects = true
  }

  /** The key that a null is written under: that of the record which caused it, for in null there is nothing to read. */
  #keyOfNull({ name, nullIsMessage, hexKeys }: TopicDefinition): string {
    if (nullIsMessage !== true)
      throw new PotorooError(
        'OUTPUT_INVALID',
        `An output can't be written to topic ${name}: it is null, which only a topic with tombstones: 'message' takes.`,
      )
    const { topic: source, isRepartition } = this.#record.source
    if (source.key === undefined && !isRepartition)
      throw new PotorooError(
        'OUTPUT_INVALID',
        `A null can't be written to topic ${name}: its stream comes from topic ${source.name}, which has no key.`,
      )
    const key = this.#record.key()
    if (hexKeys === true && !isHex(key))
      throw new PotorooError(
        'OUTPUT_INVALID',
        `A null can't be written to topic ${name}: its key is ${shown(key)}, not hex text.`,
      )
    return key
  }

  /** Throws bad input where the record's key is not its message's, or the record is not where it belongs. */
  #checkPlace(): void {
    const record = this.#record
    const { topic, isRepartition } = record.source
    if (record.wasChecked || (topic.key === undefined && !isRepartition)) return
    const key = record.key()
    requirePlace(topic, record.cursor, key, this.plan)
    record.wasChecked = true
  }

  /** A failure of the application's: to the dead letters, or a stop, as it was chosen. */
  #failed(input: Input, error: unknown, nowMs: () => number, met: readonly MetState[]): void {
    const known = asPotorooError(error)
    if (this.plan.onError === 'stop')
      throw new PotorooError(
        'STOPPED_BY_ON_ERROR',
        `${input.topic}, partition ${String(this.plan.partition)}, offset ${String(input.cursor.offset)}: ${known.code}: ${known.message}`,
        { cause: known.cause ?? known },
      )
    this.#failures++
    this.#toDeadLetters(input, known, nowMs, met)
  }

  #toDeadLetters(input: Input, error: PotorooError, nowMs: () => number, met?: readonly MetState[]): void {
    const { deadLetters, partition } = this.plan
    this.#outbox.addDeadLetter(deadLetters, input.topic, partition, input.cursor, error, nowMs(), met)
  }

  /** A message is late for windows: to the dead letters, beside what it does else. */
  #late(error: PotorooError): void {
    const { time, deadLetters, partition } = this.plan
    if (time === undefined || this.firings?.addLetter(error) === true) return
    const { cursor, inputIndex } = this.#record
    this.#outbox.addDeadLetter(deadLetters, time.watermark.topicOf(inputIndex), partition, cursor, error, time.nowMs())
  }

  /** The state objects of the record's key that its computations work on. */
  #wouldMeet({ index, cursor }: Input): readonly MetState[] {
    const { buffer, keyStart, keyEnd } = cursor
    if (this.plan.deadLetterState === false || keyStart < 0 || keyEnd - keyStart > MAX_KEY_BYTES) return []
    const states = this.plan.subTopology.sources[index]?.states ?? []
    return states.flatMap((state) => this.#states.wouldMeet(state, buffer, keyStart, keyEnd) ?? [])
  }
}

/** Invariant 5. Throws VALUE_NULL where there are none. */
function tablesOf(operators: readonly Operator[]): readonly Operator[] {
  const tables = operators.filter(({ kind }) => kind === 'table')
  if (tables.length === 0) throw new PotorooError('VALUE_NULL', 'the value is null')
  return tables
}

type OperatorOf<K extends Operator['kind']> = Extract<Operator, { readonly kind: K }>

const tooNarrowForCommits = ({ topic, maxMessageBytes }: Destination): PotorooError =>
  new PotorooError(
    'INVALID_CONFIGURATION',
    `changelog ${topic} takes records of ${String(maxMessageBytes)} bytes only, less than what each commit writes`,
    { cure: `Raise the limit, and restart: ${setConfig(topic, 'max.message.bytes', DEFAULT_MAX_MESSAGE_BYTES)}` },
  )
