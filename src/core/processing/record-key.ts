/**
 * The key of a record, as the application has it: the text of its UTF-8, or where the topic says so (`hexKeys`) the hex text
 * of its bytes.
 *
 * Invariants
 * 1. Two records have the same key if and only if their bytes are the same: no byte is read as U+FFFD.
 * 2. A key that the message has, too, is the same there; a record without a value has none.
 */
import { isUtf8 } from 'node:buffer'
import type { TopicDefinition } from '../../api/definition.js'
import { isHex, isKey, shownKey } from '../../api/names.js'
import { likeness, visible } from '../../api/visible.js'
import { PotorooError } from '../../errors.js'
import { isUtf8Of, utf8Text } from '../records/byte-string.js'
import { partitionOf } from '../plan/partitioner.js'
import type { RecordCursor } from '../records/records.js'
import { MAX_KEY_BYTES } from '../state/store-key.js'

const SHOWN_BYTES = 100

/** Throws KEY_MISSING, KEY_NOT_TEXT or KEY_MISMATCH. */
export function recordKey(topic: TopicDefinition, cursor: RecordCursor, message: unknown): string {
  if (cursor.keyStart < 0) throw new PotorooError('KEY_MISSING', 'the record has no key')
  if (topic.key === undefined) return utf8Text(cursor.buffer, cursor.keyStart, cursor.keyEnd)
  if (topic.hexKeys === true) return hexKey(topic, cursor, message)
  if (cursor.valueStart < 0) return textKey(cursor)
  const key = topic.key.raw(message)
  if (typeof key === 'string' && isUtf8Of(key, cursor.buffer, cursor.keyStart, cursor.keyEnd)) return key
  if (!isKey(key)) throw new PotorooError('KEY_MISMATCH', `The key that topic ${topic.name} gives is ${shownKey(key)}.`)
  throw mismatch(key, cursor)
}

/**
 * Throws KEY_TOO_LONG, or WRONG_PARTITION where a record is not where its key belongs, by its topic's partitioner. `partitions`: of
 * the topic.
 */
export function requirePlace(
  { hexKeys, partitioner }: TopicDefinition,
  { buffer, keyStart, keyEnd }: RecordCursor,
  key: string,
  { partition, partitions }: { readonly partition: number; readonly partitions: number },
): void {
  // as the application has it
  const keyBytes = hexKeys === true ? 2 * (keyEnd - keyStart) : keyEnd - keyStart
  if (keyBytes > MAX_KEY_BYTES)
    throw new PotorooError('KEY_TOO_LONG', `the key has ${String(keyBytes)} bytes, more than ${String(MAX_KEY_BYTES)}`)
  if (partitioner === undefined) return
  const right = partitionOf(partitioner, buffer, partitions, keyStart, keyEnd)
  if (right !== partition)
    throw new PotorooError(
      'WRONG_PARTITION',
      `key '${visible(key.slice(0, SHOWN_BYTES))}' belongs on partition ${String(right)} by ${partitioner}, but lies on ${String(partition)}: ` +
        (partitioner === 'murmur2'
          ? 'producers must use murmur2 as the Java client does (librdkafka: partitioner=murmur2_random; its default, CRC32, is another)'
          : `producers must partition by ${partitioner} of the key`),
    )
}

function textKey(cursor: RecordCursor): string {
  const { buffer, keyStart, keyEnd } = cursor
  if (!isUtf8(buffer.subarray(keyStart, keyEnd))) throw notText(cursor)
  return utf8Text(buffer, keyStart, keyEnd)
}

function hexKey(
  topic: TopicDefinition,
  { buffer, keyStart, keyEnd, valueStart }: RecordCursor,
  message: unknown,
): string {
  const text = buffer.toString('hex', keyStart, keyEnd)
  if (valueStart < 0) return text
  const key = topic.key?.raw(message)
  if (key === text) return text
  const what = isKey(key) ? `'${visible(key.slice(0, SHOWN_BYTES))}'` : shownKey(key)
  const why = isKey(key) && isHex(key) ? '' : ': it has to be hex text, two digits of 0-9 and a-f for each byte'
  throw new PotorooError(
    'KEY_MISMATCH',
    `the record key is ${text.slice(0, 2 * SHOWN_BYTES)} in hex, but the message's is ${what}${why}`,
  )
}

function mismatch(key: string, cursor: RecordCursor): PotorooError {
  const { buffer, keyStart, keyEnd } = cursor
  if (!isUtf8(buffer.subarray(keyStart, keyEnd))) return notText(cursor)
  return new PotorooError(
    'KEY_MISMATCH',
    `the record key is '${visible(buffer.toString('utf8', keyStart, Math.min(keyEnd, keyStart + SHOWN_BYTES)))}', ` +
      `but the message's is '${visible(key.slice(0, SHOWN_BYTES))}'${likeness(buffer, keyStart, keyEnd, 'key')}`,
  )
}

const notText = ({ buffer, keyStart, keyEnd }: RecordCursor): PotorooError =>
  new PotorooError(
    'KEY_NOT_TEXT',
    `the record key is not UTF-8: its ${String(keyEnd - keyStart)} bytes are ` +
      `${buffer.toString('hex', keyStart, Math.min(keyEnd, keyStart + SHOWN_BYTES))} in hex${likeness(buffer, keyStart, keyEnd, 'key')}`,
  )
