/** The dead letters of an application as they are in Kafka, and which of them are done. Reads only. */
import { letterId, LetterMarks, type LetterPlace } from '../../core/processing/dead-letter-marks.js'
import { readDeadLetter, type DeadLetterBlock } from '../../core/processing/dead-letter.js'
import type { namesOf } from '../../core/plan/topology.js'
import { PotorooError } from '../../errors.js'
import type { Log, TopicInfo } from '../../ports/log.js'
import { recordsIn, type PartitionRange, type ReadRecord } from './records-in.js'

export type Names = Pick<ReturnType<typeof namesOf>, 'deadLetters' | 'deadLetterMarks' | 'group'>
export type LettersLog = Pick<Log, 'describeTopics' | 'listOffsets' | 'offsetsAt' | 'fetcher'>

export interface Letter extends LetterPlace {
  /** When it was written, ms since the epoch; -1: not known. */
  readonly timestampMs: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly block: DeadLetterBlock
  readonly bytes: number
}

/** Which dead letters are selected; all if nothing is given. */
export interface LetterChoice {
  /** Only these. */
  readonly places?: readonly LetterPlace[] | undefined
  readonly codes?: readonly string[] | undefined
  /** Where they came from, by the topic's name in Kafka. */
  readonly topic?: string | undefined
  readonly partition?: number | undefined
  /** When they were written: from the first time on, before the second, ms since the epoch. */
  readonly sinceMs?: number | undefined
  readonly untilMs?: number | undefined
  readonly isKey?: ((key: Buffer | null) => boolean) | undefined
}

/** Where the dead letters are. Rejects with TOPIC_MISSING. */
export async function describeLetters(log: LettersLog, { deadLetters }: Names): Promise<TopicInfo> {
  const info = (await log.describeTopics([deadLetters])).get(deadLetters)
  if (info !== undefined) return info
  throw new PotorooError('TOPIC_MISSING', `there is no topic ${deadLetters}`, {
    cure: "Check the application's name and --topic-prefix. A worker creates the topic when it starts.",
  })
}

/** Which of them are done, as of now. */
export async function readMarks(
  log: LettersLog,
  { deadLetterMarks }: Names,
  letters: TopicInfo,
  signal: AbortSignal,
): Promise<LetterMarks> {
  // It is created when the first dead letter is replayed or dropped.
  if (!(await log.describeTopics([deadLetterMarks])).has(deadLetterMarks)) return new LetterMarks(letters.id)
  return (await marksIn(log, deadLetterMarks, letters, signal)).marks
}

/** The marks in that topic, up to its end, and that end. `refresh`: from the leader that brokers name now. */
export async function marksIn(
  log: LettersLog,
  topic: string,
  letters: TopicInfo,
  signal: AbortSignal,
  options: { readonly refresh?: boolean } = {},
): Promise<{ readonly marks: LetterMarks; readonly end: number }> {
  const marks = new LetterMarks(letters.id)
  const partition = { topic, partition: 0 }
  const [end = 0] = await log.listOffsets([partition], 'end', options)
  const [start = 0] = await log.listOffsets([partition], 'earliest')
  for await (const { key, value } of recordsIn(log, [{ ...partition, start, end }], signal))
    if (key !== null) marks.take(key.toString(), value)
  return { marks, end }
}

/**
 * The selected ones among those there now, each partition's in order. `other` is called for records that are not dead
 * letters. Rejects with INVALID_CONFIGURATION if a named one does not exist.
 */
export async function* lettersOf(
  log: LettersLog,
  topic: TopicInfo,
  choice: LetterChoice,
  signal: AbortSignal,
  other: () => void = () => undefined,
): AsyncGenerator<Letter, void, undefined> {
  const wanted = choice.places && new Set(choice.places.map(letterId))
  for await (const record of recordsIn(log, await rangesOf(log, topic, choice), signal)) {
    if (wanted !== undefined && !wanted.delete(letterId(record))) continue
    const letter = letterIn(record)
    if (letter === undefined) other()
    else if (isChosen(letter, choice)) yield letter
  }
  const [missing] = wanted ?? []
  if (missing !== undefined)
    throw new PotorooError('INVALID_CONFIGURATION', `there is no dead letter ${missing} in ${topic.name}`, {
      cure: 'It may have been deleted by age (retention.ms): `list --all` shows those that are left.',
    })
}

/** Undefined for anything that is not a dead letter. */
export function letterIn({ headers, ...record }: ReadRecord): Letter | undefined {
  const block = readDeadLetter(headers)
  return block && { ...record, block }
}

function isChosen({ block, timestampMs, key }: Letter, choice: LetterChoice): boolean {
  const { codes, topic, partition, sinceMs = -Infinity, untilMs = Infinity, isKey } = choice
  return (
    (codes === undefined || codes.includes(block.code)) &&
    (topic === undefined || topic === block.origin.topic) &&
    (partition === undefined || partition === block.origin.partition) &&
    timestampMs >= sinceMs &&
    timestampMs < untilMs &&
    (isKey === undefined || isKey(key))
  )
}

async function rangesOf(
  log: LettersLog,
  { name, partitions }: TopicInfo,
  { places, sinceMs }: LetterChoice,
): Promise<readonly PartitionRange[]> {
  const all = Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition }))
  const ends = await log.listOffsets(all, 'end')
  const starts = await log.listOffsets(all, 'earliest')
  // All before it were written earlier.
  const since = sinceMs === undefined ? starts : await log.offsetsAt(all, sinceMs)
  return all.map(({ topic, partition }) => {
    const [start, end] = [Math.max(starts[partition] ?? 0, since[partition] ?? 0), ends[partition] ?? 0]
    if (places === undefined) return { topic, partition, start, end }
    const offsets = places.filter((place) => place.partition === partition).map(({ offset }) => offset)
    return {
      topic,
      partition,
      start: Math.max(start, Math.min(...offsets)),
      end: Math.min(end, Math.max(-1, ...offsets) + 1),
    }
  })
}
