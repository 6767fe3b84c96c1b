/** Which dead letters a command line means. */
import { InvalidArgumentError } from 'commander'
import { placeOfLetter, type LetterPlace } from '../../core/processing/dead-letter-marks.js'
import { errorKinds, PotorooError } from '../../errors.js'
import type { LetterChoice } from '../../runtime/dead-letters/letters.js'
import { printableBytes } from '../printable.js'

export interface ChoiceFlags {
  readonly code?: readonly string[]
  readonly topic?: string
  readonly partition?: number
  readonly since?: number
  readonly until?: number
  readonly key?: string
  readonly topicPrefix: string
}

/** What a message can fail with. */
const USUAL_CODES =
  'NOT_JSON, SCHEMA_MISMATCH, NUMBER_NOT_EXACT, VALUE_NULL, KEY_MISSING, KEY_MISMATCH, KEY_TOO_LONG, WRONG_PARTITION, ' +
  'COMPUTATION_FAILED, COMPUTATION_TOO_LONG, OUTPUT_INVALID, STATE_NOT_PACKABLE, RECORD_TOO_LARGE, RECORD_REFUSED, LATE, TOO_MANY_WINDOWS'

/** Collected over several uses of the option. */
export function letterCode(text: string, before: readonly string[] = []): readonly string[] {
  const code = text.toUpperCase()
  if (Object.hasOwn(errorKinds, code)) return [...before, code]
  throw new InvalidArgumentError(`It must be an error code: ${USUAL_CODES}.`)
}

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** ISO 8601 with its zone, or how long ago: 30m, 2h, 3d. Gives ms since the epoch. */
export const time =
  (nowMs: () => number) =>
  (text: string): number => {
    const [, number, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
    if (unit !== undefined) return nowMs() - Number(number) * UNITS[unit as keyof typeof UNITS]
    const ms = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : NaN
    if (ms >= 0) return ms
    throw new InvalidArgumentError(
      'It must be a time with its zone, 2026-01-31T12:00:00Z, or how long ago: 30m, 2h, 3d.',
    )
  }

/** Throws INVALID_CONFIGURATION. */
export function choiceOf(letters: readonly string[], flags: ChoiceFlags): LetterChoice {
  const { code, topic, partition, since, until, key, topicPrefix } = flags
  return {
    places: letters.length === 0 ? undefined : letters.map(placeOf),
    codes: code,
    topic: topic === undefined || topic.startsWith(topicPrefix) ? topic : `${topicPrefix}${topic}`,
    partition,
    sinceMs: since,
    untilMs: until,
    // As `list` shows it, too.
    isKey:
      key === undefined
        ? undefined
        : (bytes) => bytes !== null && [bytes.toString(), printableBytes(bytes)].includes(key),
  }
}

export const isEmpty = (choice: LetterChoice): boolean => Object.values(choice).every((value) => value === undefined)

function placeOf(id: string): LetterPlace {
  const place = placeOfLetter(id)
  if (place !== undefined) return place
  throw new PotorooError(
    'INVALID_CONFIGURATION',
    `'${id}' is not the id of a dead letter: write <partition>:<offset>, such as 0:17`,
    {
      cure: '`list` shows them.',
    },
  )
}
