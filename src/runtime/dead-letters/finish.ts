/**
 * Dead letters are finished: replayed to the partitions that they came from, or dropped. Over the port `Log`, beside workers
 * that run.
 *
 *   R1. InitProducerId, under one transactional id for the application: fences whoever else is at it, and ends what that had
 *       begun.
 *   R2. The marks of what is done are read, up to their end as listed after R1.
 *   R3. Dead letters that are chosen, and not marked, are gathered: some hundred at a time.
 *   R4. One transaction: their records, as they were, and a mark for each. Then R3 goes on.
 *
 * Invariants
 * 1. A record is written in the transaction that marks its dead letter, and in no other. Readers of the source that read
 *    committed see both or neither, wherever this dies.
 * 2. What is written was not marked, and whoever could have marked it since R2 has fenced this: then R4 fails. So two
 *    operators at once write each dead letter once.
 * 3. The marks have to land where R2 found their end, else nothing is committed: an end that a leader gave which had been
 *    replaced is found out (core/commit/landing.ts).
 * 4. After R4 failed, what became of it is unknown: it goes on at R1, and asks the marks again.
 */
import { MARKER_RECORDS } from '../../core/commit/landing.js'
import { encodeMark, letterId, type LetterMarks } from '../../core/processing/dead-letter-marks.js'
import { RecordWriter } from '../../core/records/records.js'
import { isPotorooError, messageOf, PotorooError } from '../../errors.js'
import { RecordsRefused, type TopicInfo, type Transaction, type TransactionalProducer } from '../../ports/log.js'
import { abortable } from '../abortable.js'
import { isInDoubt } from '../in-doubt.js'
import { describeNew } from '../new-topics.js'
import { sleep, type Ports } from '../options.js'
import { NO_TIME } from '../record-time.js'
import { describeLetters, lettersOf, marksIn, type Letter, type LetterChoice, type Names } from './letters.js'
import { Targets, timestampFor, type Timestamps } from './targets.js'

export interface FinishOptions {
  readonly how: 'replay' | 'drop'
  readonly choice: LetterChoice
  /** Timestamp of replayed records: the record's own, or the time of writing. Default 'original'. */
  readonly timestamps?: Timestamps | undefined
  /** For the topic of marks, if it must be created; default: the broker's. */
  readonly replicationFactor?: number | undefined
  /** Dead letters per transaction; default 500. */
  readonly atOnce?: number
  /** This many are done. */
  readonly said?: (done: number) => void
  /** This one stays open. */
  readonly refused?: (letter: Letter, reason: string) => void
  /** When aborted, it ends between two transactions. */
  readonly signal: AbortSignal
}

export interface Finished {
  readonly done: number
  /** Selected, and already done. */
  readonly before: number
  readonly refused: number
  /** Whether it was told to stop before it had finished. */
  readonly stopped: boolean
}

type Environment = Pick<Ports, 'log' | 'clock'>

const AT_ONCE = 500
const MAX_BYTES = 1024 * 1024
/** How many transactions may fail in a row, with a pause between them. */
const MOST_FAILURES = 10
const PAUSE_MS = 500
/** How many marks of dead letters that are gone are removed along with others. */
const MAX_STALE = 1_000

/**
 * Rejects with FENCED if another process took over; TOPIC_MISSING, INVALID_CONFIGURATION for an invalid selection; and
 * with what the log throws. What was done until then is done, and marked: it can be run again.
 */
export async function finishLetters(env: Environment, names: Names, options: FinishOptions): Promise<Finished> {
  const letters = await describeLetters(env.log, names)
  const { deadLetterMarks: name } = names
  const { replicationFactor, signal, choice } = options
  const there = (await env.log.describeTopics([name])).get(name)
  if (there === undefined)
    await env.log.createTopics([{ name, partitions: 1, replicationFactor, config: { 'cleanup.policy': 'compact' } }])
  const marks = there ?? (await describeNew([name], env, signal)).get(name)
  if (marks === undefined) throw new PotorooError('TOPIC_MISSING', `topic ${name} was created, and is gone again`)
  const finishing = new Finishing(env, names, letters, marks, options)
  try {
    await finishing.begin()
    for await (const letter of lettersOf(env.log, letters, choice, signal)) await finishing.take(letter)
    await finishing.flush()
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await finishing.close()
  }
  return { ...finishing.counts, stopped: signal.aborted }
}

/** From R1 to the first failure. */
interface Era {
  readonly producer: TransactionalProducer
  readonly marks: LetterMarks
  /** Of the partition of the marks. */
  end: number
  /** Marks to remove. */
  stale: readonly string[]
}

class Finishing {
  readonly counts = { done: 0, before: 0, refused: 0 }
  readonly #targets: Targets
  #era: Era | undefined
  #batch: Letter[] = []
  #batchBytes = 0

  constructor(
    private readonly env: Environment,
    private readonly names: Names,
    private readonly letters: TopicInfo,
    private readonly marks: TopicInfo,
    private readonly options: FinishOptions,
  ) {
    this.#targets = new Targets(env.log)
  }

  /** R1 and R2. */
  async begin(): Promise<Era> {
    const { log } = this.env
    const { signal } = this.options
    const producer = await this.#unfenced(log.producer(this.names.deadLetterMarks, signal))
    try {
      const { marks, end } = await marksIn(log, this.marks.name, this.letters, signal, { refresh: true })
      const all = Array.from({ length: this.letters.partitions }, (_, partition) => ({
        topic: this.letters.name,
        partition,
      }))
      const starts = await log.listOffsets(all, 'earliest')
      return (this.#era = { producer, marks, end, stale: marks.stale((partition) => starts[partition] ?? Infinity) })
    } catch (error) {
      await producer.close()
      throw error
    }
  }

  /** R3. */
  async take(letter: Letter): Promise<void> {
    const { how, atOnce = AT_ONCE, timestamps = 'original' } = this.options
    const era = this.#era ?? (await this.begin())
    if (era.marks.of(letter) !== undefined) {
      this.counts.before++
      return
    }
    const nowMs = this.env.clock.now()
    const atMs = timestampFor(letter, timestamps, nowMs)
    const refusal = how === 'replay' ? await this.#targets.refusal(letter, atMs, nowMs) : undefined
    if (refusal !== undefined) {
      this.#refuse(letter, refusal)
      return
    }
    this.#batch.push(letter)
    this.#batchBytes += letter.bytes
    if (this.#batch.length >= atOnce || this.#batchBytes >= MAX_BYTES) await this.flush()
  }

  async flush(): Promise<void> {
    const batch = this.#batch
    this.#batch = []
    this.#batchBytes = 0
    await this.#finish(batch)
    if (batch.length > 0) this.options.said?.(this.counts.done)
  }

  async close(): Promise<void> {
    const era = this.#era
    this.#era = undefined
    await era?.producer.close()
  }

  /** When it resolves, all of them are done or refused. */
  async #finish(batch: readonly Letter[]): Promise<void> {
    for (let failures = 0; ; failures++) {
      const era = this.#era ?? (await this.begin())
      // Invariant 4: a transaction whose end was not answered may have done some of them.
      const open = batch.filter((letter) => era.marks.of(letter) === undefined)
      try {
        if (open.length > 0) await this.#unfenced(this.#commit(era, open))
        this.counts.done += batch.length
        return
      } catch (error) {
        await this.close()
        if (isOfRecords(error, this.marks.name)) {
          await this.#finishApart(open, error)
          this.counts.done += batch.length - open.length
          return
        }
        if (!isInDoubt(error) || failures >= MOST_FAILURES) throw error
        await abortable(this.options.signal, sleep(this.env.clock, PAUSE_MS))
      }
    }
  }

  /** A broker rejects one of them: bisection finds which. */
  async #finishApart(open: readonly Letter[], error: unknown): Promise<void> {
    const [only, ...others] = open
    if (only === undefined) return
    if (others.length === 0) {
      this.#refuse(only, messageOf(error))
      return
    }
    const half = open.length >> 1
    await this.#finish(open.slice(0, half))
    await this.#finish(open.slice(half))
  }

  #refuse(letter: Letter, reason: string): void {
    this.counts.refused++
    this.options.refused?.(letter, reason)
  }

  /** R4. */
  async #commit(era: Era, open: readonly Letter[]): Promise<void> {
    const { how } = this.options
    const writer = new RecordWriter(this.marks.maxMessageBytes)
    const done = how === 'replay' ? 'replayed' : 'dropped'
    const mark = encodeMark({ done, atMs: this.env.clock.now(), topicId: this.letters.id })
    const stale = era.stale.slice(0, MAX_STALE)
    for (const id of stale) writer.append(NO_TIME, id, null)
    for (const letter of open) writer.append(NO_TIME, letterId(letter), mark)
    const { name: topic, id: topicId } = this.marks
    const marks = { topic, topicId, partition: 0, chunks: writer.take(), end: era.end }
    const records = how === 'replay' ? await this.#recordsOf(open) : []
    const [end] = await era.producer.commit({ records: [marks, ...records], group: this.names.group, positions: [] })
    era.end = (end ?? era.end) + MARKER_RECORDS
    era.stale = era.stale.slice(stale.length)
  }

  /** As they were: key, value, headers and partition. */
  async #recordsOf(open: readonly Letter[]): Promise<Transaction['records']> {
    const writers = new Map<
      string,
      { readonly to: TopicInfo; readonly partition: number; readonly writer: RecordWriter }
    >()
    const { timestamps = 'original' } = this.options
    for (const letter of open) {
      const { key, value, block } = letter
      const { topic, partition } = block.origin
      const to = await this.#targets.topic(topic)
      if (to === undefined) throw new PotorooError('TOPIC_MISSING', `there is no topic ${topic}`)
      const place = `${topic}-${String(partition)}`
      const entry = writers.get(place) ?? { to, partition, writer: new RecordWriter(to.maxMessageBytes) }
      writers.set(place, entry)
      const atMs = timestampFor(letter, timestamps, this.env.clock.now())
      entry.writer.append(Number.isSafeInteger(atMs) ? atMs : NO_TIME, key, value, block.headers)
    }
    return [...writers.values()].map(({ to, partition, writer }) => {
      return { topic: to.name, topicId: to.id, partition, chunks: writer.take() }
    })
  }

  async #unfenced<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      if (!isPotorooError(error, 'FENCED')) throw error
      throw new PotorooError(
        'FENCED',
        `another process replays or drops dead letters of this application, and took over after ${String(this.counts.done)}`,
        {
          cause: error,
          cure: 'Nothing was done twice. Run it again when the other process has finished: it continues with what is still open.',
        },
      )
    }
  }
}

/** A source's broker refuses one of the records. */
const isOfRecords = (error: unknown, marks: string): boolean =>
  isPotorooError(error) && error.cause instanceof RecordsRefused && error.cause.topic !== marks
