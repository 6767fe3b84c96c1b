/**
 * What an operator has done with dead letters: a record of a compacted topic for each, `<application>-dead-letters-done`.
 *
 *     Record => Key: `<partition>:<offset>` of the dead letter; Value: JSON { done, atMs, topicId }
 *
 * Invariants
 * 1. A mark is of one dead letter of one topic: where the dead letters were recreated, marks of the topic before count for nothing.
 * 2. Fields that are not known are passed over: what a later version marks as done is done.
 */
export interface LetterPlace {
  readonly partition: number
  readonly offset: number
}

export interface LetterMark {
  readonly done: 'replayed' | 'dropped'
  /** ms since the epoch */
  readonly atMs: number
  /** Of the dead letters; undefined where brokers have no ids. */
  readonly topicId?: string | undefined
}

/** As an operator writes it. */
export const letterId = ({ partition, offset }: LetterPlace): string => `${String(partition)}:${String(offset)}`

/** Undefined for anything that is not a such id. */
export function placeOfLetter(id: string): LetterPlace | undefined {
  const [, partition, offset] = /^(\d{1,9}):(\d{1,15})$/.exec(id) ?? []
  return partition === undefined || offset === undefined
    ? undefined
    : { partition: Number(partition), offset: Number(offset) }
}

export const encodeMark = ({ done, atMs, topicId }: LetterMark): string => JSON.stringify({ done, atMs, topicId })

/** Undefined for anything that is not a mark. */
export function decodeMark(value: Uint8Array): LetterMark | undefined {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(value).toString())
    if (typeof parsed !== 'object' || parsed === null) return undefined
    const { done, atMs, topicId } = parsed as Record<string, unknown>
    if (done !== 'replayed' && done !== 'dropped') return undefined
    if (typeof atMs !== 'number' || !(topicId === undefined || typeof topicId === 'string')) return undefined
    return { done, atMs, topicId }
  } catch {
    return undefined
  }
}

/** The marks that count, by the ids of their dead letters. */
export class LetterMarks {
  readonly #marks = new Map<string, LetterMark>()

  /** `topicId`: of the dead letters that are there now. */
  constructor(private readonly topicId: string | undefined) {}

  /** A record of the topic, in its order; null: the mark was taken away. */
  take(id: string, value: Uint8Array | null): void {
    const mark = value === null ? undefined : decodeMark(value)
    if (mark === undefined) this.#marks.delete(id)
    else this.#marks.set(id, mark)
  }

  /** Undefined: it is open. */
  of(place: LetterPlace): LetterMark | undefined {
    const mark = this.#marks.get(letterId(place))
    return mark !== undefined && this.#counts(mark) ? mark : undefined
  }

  /** Of dead letters that are not there any more: below where their partition begins, or of another topic. */
  stale(startOf: (partition: number) => number): readonly string[] {
    return [...this.#marks].flatMap(([id, mark]) => {
      const place = placeOfLetter(id)
      const isThere = place !== undefined && this.#counts(mark) && place.offset >= startOf(place.partition)
      return isThere ? [] : [id]
    })
  }

  /** Invariant 1. Without ids, whatever is there counts. */
  #counts({ topicId }: LetterMark): boolean {
    return topicId === undefined || this.topicId === undefined || topicId === this.topicId
  }
}
