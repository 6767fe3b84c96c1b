/**
 * A dead letter's message once more, here: through the application's own steps and computations, on the state objects that it
 * met, as a worker does it. Nothing is written anywhere, and nobody is asked.
 */
import type { ApplicationDefinition, StateDefinition } from '../../api/definition.js'
import { Input } from '../../core/processing/input.js'
import { dueText } from '../../core/processing/dead-letter.js'
import { letterId } from '../../core/processing/dead-letter-marks.js'
import { Processor } from '../../core/processing/processor.js'
import { topologyOf, type namesOf, type SourceInput, type SubTopology } from '../../core/plan/topology.js'
import { byteString, bytesOf, type ByteString } from '../../core/records/byte-string.js'
import {
  BATCH_HEADER_BYTES,
  RecordCursor,
  RecordWriter,
  type RecordBatch,
  type RecordChunk,
  type RecordHeader,
} from '../../core/records/records.js'
import { isPotorooError, PotorooError } from '../../errors.js'
import type { Letter } from '../../runtime/dead-letters/letters.js'

export interface TriedOutput {
  readonly topic: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

export interface TriedState {
  readonly name: string
  readonly before: Uint8Array | undefined
  /** Undefined: it does not exist any more, or still not. */
  readonly after: Uint8Array | undefined
}

export interface Tried {
  /** What was thrown, be it by the application or by what looks at messages before. */
  readonly failure: { readonly code: string; readonly message: string; readonly cause: unknown } | undefined
  readonly outputs: readonly TriedOutput[]
  /** All that the message may meet. */
  readonly states: readonly TriedState[]
}

const MEMORY_BYTES = 64 * 1024 * 1024
const NO_BOUND = 1024 * 1024 * 1024

/** Where the application reads what the letter came from. Throws INVALID_CONFIGURATION where it does not. */
export function readerOf(
  definition: ApplicationDefinition,
  names: ReturnType<typeof namesOf>,
  topic: string,
): { readonly sub: SubTopology; readonly index: number; readonly source: SourceInput } {
  const { subTopologies } = topologyOf(definition)
  for (const sub of subTopologies) {
    const index = sub.sources.findIndex((source) => names.topic(source.topic.name) === topic)
    const source = sub.sources[index]
    if (source !== undefined) return { sub, index, source }
  }
  const known = subTopologies.flatMap(({ sources }) => sources.map((source) => names.topic(source.topic.name)))
  throw new PotorooError(
    'INVALID_CONFIGURATION',
    `the dead letter came from ${topic}, which application ${definition.name} does not read: it reads ${known.join(', ')}`,
    { cure: 'Name the module that has it, as it was or corrected, with the same --topic-prefix as its workers.' },
  )
}

/**
 * `partitions`: of the topic that it came from. Partitioners have to be loaded. Throws what is neither of the message nor of
 * a computation, such as STATE_UPGRADE_FAILED.
 */
export function tryLetter(
  definition: ApplicationDefinition,
  names: ReturnType<typeof namesOf>,
  letter: Letter,
  partitions: number,
  nowMs: number,
): Tried {
  const { origin, due, code } = letter.block
  if (due !== undefined)
    throw new PotorooError(
      'INVALID_CONFIGURATION',
      `dead letter ${letterId(letter)} did not come from a record but from ${dueText(due)}: only records can be tried here`,
    )
  if (code === 'LATE')
    throw new PotorooError(
      'INVALID_CONFIGURATION',
      `dead letter ${letterId(letter)} has not failed: ${letter.block.message}. Everything else that the message does is done`,
      { cure: 'Raise latenessMs of its topic for messages still to come; drop this one when you have dealt with it.' },
    )
  const { sub, index, source } = readerOf(definition, names, origin.topic)
  if (sub.call !== undefined)
    throw new PotorooError(
      'INVALID_CONFIGURATION',
      `dead letter ${letterId(letter)} is of call ${sub.call.name}, which calls an outside system: try does not do that`,
      {
        cure: `To let a worker make the call again: npx potoroo dead-letters <application> replay ${letterId(letter)}`,
      },
    )
  const stored = new Map(
    letter.block.states.flatMap(({ name, packed }) =>
      packed === undefined ? [] : [[storeKey(name, letter), byteString(Buffer.from(packed))]],
    ),
  )
  const to = (topic: string) => ({ topic, partitions: 1, maxMessageBytes: NO_BOUND })
  const changelog = names.changelog(sub.name)
  const processor = new Processor({
    subTopology: sub,
    partition: origin.partition,
    partitions,
    sinks: new Map(sub.sinks.map(({ name }) => [name, to(names.topic(name))])),
    deadLetters: to(names.deadLetters),
    changelog: sub.states.length === 0 ? undefined : to(changelog),
    onError: 'stop',
    maxStateBytes: () => MEMORY_BYTES,
    load: (key) => stored.get(key),
    storeWasEmpty: false,
    secret: '',
  })
  // As a worker does it once something has failed: so what is thrown comes here as it was.
  processor.careful = true
  const input = inputOf(letter, index)
  const before = (name: string): Uint8Array | undefined => letter.block.states.find((one) => one.name === name)?.packed
  const untouched = source.states.map(({ name }) => ({ name, before: before(name), after: before(name) }))
  try {
    processor.process(index, input, () => nowMs)
  } catch (error) {
    if (!isPotorooError(error, 'STOPPED_BY_ON_ERROR')) throw error
    const { cause } = error
    const code = isPotorooError(cause) ? cause.code : 'COMPUTATION_FAILED'
    return { failure: { code, message: error.message, cause }, outputs: [], states: untouched }
  }
  const collected = processor.collect({ identity: '', positions: {}, by: 'try', atMs: nowMs }, nowMs)
  const [refused] = collected.deadLetters
  if (refused !== undefined) {
    const { code, message } = refused
    return { failure: { code, message, cause: undefined }, outputs: [], states: untouched }
  }
  const changes = new Map<ByteString, ByteString | undefined>()
  for (const part of collected.changes) for (const { key, value } of part) changes.set(key, value)
  const after = ({ name }: StateDefinition): Uint8Array | undefined => {
    const key = storeKey(name, letter)
    if (!changes.has(key)) return before(name)
    const value = changes.get(key)
    return value === undefined ? undefined : bytesOf(value)
  }
  return {
    failure: undefined,
    outputs: collected.records
      .filter(({ topic }) => topic !== changelog)
      .flatMap(({ topic, chunks }) => chunks.flatMap((chunk) => recordsOf(topic, chunk))),
    states: source.states.map((state) => ({ name: state.name, before: before(state.name), after: after(state) })),
  }
}

const storeKey = (name: string, { key }: Letter): ByteString => `${name}\0${byteString(key ?? Buffer.alloc(0))}`

/** One that has the record as it was, and nothing else. */
function inputOf({ key, value, block }: Letter, index: number): Input {
  const { topic, partition, offset, timestampMs } = block.origin
  const writer = new RecordWriter(Infinity)
  writer.append(timestampMs, key, value, block.headers)
  const batches = writer.take().map((chunk) => batchOf(chunk, offset))
  const input = new Input(index, topic, offset)
  input.accept({
    topic,
    partition,
    position: offset,
    nextPosition: offset + 1,
    highWatermark: offset + 1,
    lastStableOffset: offset + 1,
    batches,
    bytes: 0,
    release: () => undefined,
    asked: 0,
    arrived: 0,
  })
  return input
}

const batchOf = ({ bytes, end, count, baseTimestampMs }: RecordChunk, baseOffset: number): RecordBatch => {
  return { baseOffset, baseTimestampMs, appendTimeMs: -1, count, bytes, start: BATCH_HEADER_BYTES, end }
}

function recordsOf(topic: string, chunk: RecordChunk): TriedOutput[] {
  const cursor = new RecordCursor()
  cursor.open(batchOf(chunk, 0))
  const outputs: TriedOutput[] = []
  while (cursor.next()) {
    const { buffer, keyStart, keyEnd, valueStart, valueEnd } = cursor
    outputs.push({
      topic,
      key: keyStart < 0 ? null : buffer.subarray(keyStart, keyEnd),
      value: valueStart < 0 ? null : buffer.subarray(valueStart, valueEnd),
      headers: cursor.headers(),
    })
  }
  return outputs
}
