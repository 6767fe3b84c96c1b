/**
 * The dead letters that the page shows: the last of each partition. They are read again when some have come, or when something
 * was done with one.
 */
import type { namesOf } from '../../core/plan/topology.js'
import { letterId, placeOfLetter } from '../../core/processing/dead-letter-marks.js'
import { isRecord, isTexts } from '../../core/json-shape.js'
import { PotorooError } from '../../errors.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Log, TopicInfo } from '../../ports/log.js'
import { finishLetters } from '../../runtime/dead-letters/finish.js'
import { describeLetters, letterIn, lettersOf, readMarks } from '../../runtime/dead-letters/letters.js'
import { recordsIn } from '../../runtime/dead-letters/records-in.js'
import { letterJson } from '../dead-letters/text.js'
import type { LetterList } from './wire.js'

const LOOK_MS = 5_000
/** Of a partition, in offsets. */
const LOOK_BACK = 2_000
const MOST_SHOWN = 200
const MOST_AT_ONCE = 200

export class LetterBook {
  readonly #ended = new AbortController()
  #list: LetterList | undefined
  /** What was there when it was read last: it is read again when that is another. */
  #seen = ''
  #timer: Timer | undefined
  #reading: Promise<void> = Promise.resolve()

  constructor(
    private readonly log: Log,
    private readonly names: ReturnType<typeof namesOf>,
    private readonly clock: Clock,
  ) {
    this.#again(0)
  }

  /** How many are open, as far as it looks back; null: not known yet. */
  get open(): number | null {
    return this.#list?.open ?? null
  }

  /** As of now. Rejects with what keeps it from being read. */
  async list(): Promise<LetterList> {
    await this.#read()
    return this.#list ?? { open: 0, isCut: false, letters: [] }
  }

  /** All of one. */
  async show(body: unknown): Promise<object> {
    const [place] = placesIn(body)
    const { signal } = this.#ended
    const topic = await describeLetters(this.log, this.names)
    const marks = await readMarks(this.log, this.names, topic, signal)
    for await (const letter of lettersOf(this.log, topic, { places: place === undefined ? [] : [place] }, signal))
      return letterJson({ letter, mark: marks.of(letter) }, true)
    throw new PotorooError('QUERY_INVALID', 'there is no such dead letter')
  }

  /** Writes them to where they came from, or marks them as done, each once. */
  async finish(how: 'replay' | 'drop', body: unknown): Promise<object> {
    // Whoever asks has asked a person, with what it would do.
    if (!isRecord(body) || body['confirmed'] !== true)
      throw new PotorooError('QUERY_INVALID', `a ${how} has to be confirmed`)
    const refusals: string[] = []
    const { done, before, refused } = await finishLetters({ log: this.log, clock: this.clock }, this.names, {
      how,
      choice: { places: placesIn(body) },
      refused: (letter, reason) => refusals.push(`${letterId(letter)}: ${reason}`),
      signal: this.#ended.signal,
    })
    await this.#read()
    return { done, before, refused, refusals }
  }

  async close(): Promise<void> {
    this.#ended.abort(new Error('the page is served no more'))
    this.#timer?.cancel()
    await this.#reading.catch(() => undefined)
  }

  #again(ms: number): void {
    this.#timer = this.clock.after(ms, () => {
      // What is wrong with Kafka, others say; what was read stays.
      this.#read()
        .catch(() => undefined)
        .finally(() => {
          if (!this.#ended.signal.aborted) this.#again(LOOK_MS)
        })
    })
  }

  /** One after the other. */
  #read(): Promise<void> {
    const next = this.#reading.catch(() => undefined).then(() => this.#readOnce())
    this.#reading = next
    return next
  }

  async #readOnce(): Promise<void> {
    const { log, names } = this
    const { deadLetters, deadLetterMarks } = names
    const found = await log.describeTopics([deadLetters, deadLetterMarks])
    const topic = found.get(deadLetters)
    if (topic === undefined) {
      this.#list = { open: 0, isCut: false, letters: [] }
      return
    }
    const partitions = Array.from({ length: topic.partitions }, (_, partition) => ({ topic: deadLetters, partition }))
    const marks = found.has(deadLetterMarks) ? [{ topic: deadLetterMarks, partition: 0 }] : []
    const ends = await log.listOffsets([...partitions, ...marks], 'end')
    const seen = [topic.id, ...ends].join(' ')
    if (seen === this.#seen) return
    this.#list = await this.#listOf(topic, partitions, ends)
    this.#seen = seen
  }

  async #listOf(
    topic: TopicInfo,
    partitions: readonly { readonly topic: string; readonly partition: number }[],
    ends: readonly number[],
  ): Promise<LetterList> {
    const { signal } = this.#ended
    const starts = await this.log.listOffsets(partitions, 'earliest')
    const marks = await readMarks(this.log, this.names, topic, signal)
    const ranges = partitions.map((partition, i) => {
      const end = ends[i] ?? 0
      return { ...partition, end, start: Math.max(starts[i] ?? 0, end - LOOK_BACK) }
    })
    const letters: { readonly writtenMs: number; readonly json: object }[] = []
    let open = 0
    for await (const record of recordsIn(this.log, ranges, signal)) {
      const letter = letterIn(record)
      if (letter === undefined) continue
      const mark = marks.of(letter)
      if (mark === undefined) open++
      letters.push({ writtenMs: letter.timestampMs, json: letterJson({ letter, mark }, false) })
    }
    return {
      open,
      isCut: ranges.some(({ start }, i) => start > (starts[i] ?? 0)),
      letters: letters
        .sort((a, b) => b.writtenMs - a.writtenMs)
        .slice(0, MOST_SHOWN)
        .map(({ json }) => json as LetterList['letters'][number]),
    }
  }
}

/** The only one that is named, as `<partition>:<offset>`. Throws QUERY_INVALID. */
export function namedLetter(body: unknown): string {
  const [place, ...others] = placesIn(body)
  if (place === undefined || others.length > 0) throw new PotorooError('QUERY_INVALID', 'letters: one, as 0:17')
  return `${String(place.partition)}:${String(place.offset)}`
}

function placesIn(body: unknown): { readonly partition: number; readonly offset: number }[] {
  const letters = isRecord(body) ? body['letters'] : undefined
  if (!isTexts(letters) || letters.length === 0 || letters.length > MOST_AT_ONCE)
    throw new PotorooError('QUERY_INVALID', `letters: 1 to ${String(MOST_AT_ONCE)} of them, as 0:17`)
  return letters.map((id) => {
    const place = placeOfLetter(id)
    if (place === undefined) throw new PotorooError('QUERY_INVALID', `'${id.slice(0, 100)}' is no dead letter: 0:17 is`)
    return place
  })
}
