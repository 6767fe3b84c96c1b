/** What becomes of records that a broker refuses: an error that names the record where the broker does. */
import { PotorooError } from '../errors.js'
import { BATCH_HEADER_BYTES, RecordCursor, type RecordChunk } from '../core/records/records.js'
import { RecordsRefused } from '../ports/log.js'
import { BrokerError, codes, errorName } from './errors.js'
import type { Produced, RecordError } from './produce-request.js'

const KEY_CHARACTERS = 100
/** Of the broker's own words. */
const MESSAGE_CHARACTERS = 300

const tooLarge: ReadonlySet<number> = new Set([codes.MESSAGE_TOO_LARGE, codes.RECORD_LIST_TOO_LARGE])

/** The chunk is the one that was refused. */
export function refusalOf(answer: Produced, chunk: RecordChunk | undefined): PotorooError {
  const { topic, partition, errorCode, recordErrors, message } = answer
  const where = `topic ${topic}, partition ${String(partition)}`
  const isTooLarge = tooLarge.has(errorCode)
  const what = isTooLarge ? 'size' : errorCode === codes.INVALID_TIMESTAMP ? 'timestamp' : 'content'
  const [first, ...others] = recordErrors
  const key = first === undefined || chunk === undefined ? undefined : keyOf(chunk, first)
  const words = cut(first?.message ?? message ?? '')
  const broker = new BrokerError(errorCode, `writing to ${where}`, 'Produce')
  const refused = new RecordsRefused(topic, partition, what, words || broker.message, { cause: broker })
  if (isTooLarge) {
    const sized = `the broker refuses a batch of this size (${errorName(errorCode)})`
    return new PotorooError('RECORD_TOO_LARGE', `${where}: ${sized}`, { cause: refused })
  }
  const said = `${errorName(errorCode)}${words === '' ? '' : `: ${words}`}`
  const more = others.length === 0 ? '' : ` (and so with ${String(others.length)} more of this batch)`
  return new PotorooError('RECORD_REFUSED', `${where}${key === undefined ? '' : `, key ${key}`}: ${said}${more}`, {
    cause: refused,
  })
}

/** Undefined where the batch has no such record. */
function keyOf(chunk: RecordChunk, { index }: RecordError): string | undefined {
  const { bytes, end, count, baseTimestampMs } = chunk
  const cursor = new RecordCursor()
  cursor.open({ baseOffset: 0, baseTimestampMs, appendTimeMs: -1, count, bytes, start: BATCH_HEADER_BYTES, end })
  for (let i = 0; cursor.next(); i++) {
    if (i !== index) continue
    if (cursor.keyStart < 0) return 'null'
    return `'${printable(cursor.buffer.toString('utf8', cursor.keyStart, cursor.keyEnd)).slice(0, KEY_CHARACTERS)}'`
  }
  return undefined
}

/** Keys of changelogs have a zero byte between state object and key, and a key may be anything. */
const printable = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}]/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

const cut = (text: string): string =>
  text.length <= MESSAGE_CHARACTERS ? text : `${text.slice(0, MESSAGE_CHARACTERS)} …`
