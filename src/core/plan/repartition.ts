/**
 * Messages on their way to the state object of another key: what a repartition topic holds. A message is packed as state
 * objects are, in an object of its own, so that whatever can be stored can travel, a text as well as a Map:
 *
 *     Record => Key: the new key, UTF-8; Value: Packed { m: message }; Timestamp: that of the record which caused it
 *
 * Invariants
 * 1. A message's bytes are those of `packer`, whichever way they are written.
 */
import type { PartitionerName, TopicDefinition } from '../../api/definition.js'
import { isPotorooError, messageOf, PotorooError } from '../../errors.js'
import { copyBytes } from '../records/copy-bytes.js'
import { packer, unpackRange } from '../state/packing.js'
import { MAX_KEY_BYTES } from '../state/store-key.js'

/** Of a topic that holds messages until they are processed: never removed by age (KAFKA-6535), but behind acknowledged commits. */
export const repartitionConfig = {
  'cleanup.policy': 'delete',
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'segment.bytes': String(32 * 1024 * 1024),
} as const

/** The key that keyBy() gives, where a state object can have it. Throws KEY_TOO_LONG: the message's own record is to blame. */
export const repartitionKey =
  (key: (message: unknown) => string) =>
  (message: unknown): string => {
    const value = key(message)
    // No character takes more than three bytes for each of its code units.
    if (value.length * 3 > MAX_KEY_BYTES && Buffer.byteLength(value) > MAX_KEY_BYTES)
      throw new PotorooError(
        'KEY_TOO_LONG',
        `the key from keyBy() has ${String(Buffer.byteLength(value))} bytes, more than ${String(MAX_KEY_BYTES)}`,
      )
    return value
  }

/** A repartition as its writers and readers see it: a topic whose key lies beside the message. */
export function repartitionTopic(name: string, partitions: number, partitioner: PartitionerName): TopicDefinition {
  const envelope = {
    name: `of repartition ${name}`,
    partitions: undefined,
    beginsAlike: true,
    prototype: Object.prototype,
    initial: () => ({}),
    toPlain: (state: object) => state,
    fromPlain: (plain: unknown) => plain as object,
    upgrades: [],
    ttlMs: undefined,
  }
  return {
    name,
    partitions,
    partitioner,
    config: repartitionConfig,
    start: 'earliest',
    // Nothing that uses time stands behind one (api/time-checks.ts).
    latenessMs: 0,
    ticks: false,
    key: undefined,
    encode: (message) => {
      try {
        if (typeof message === 'string') {
          const bytes = shortText(message)
          if (bytes !== undefined) return bytes
        }
        const length = packer.pack(envelope, { m: message })
        // A copy: the packer's memory is used again for the next one.
        const copy = Buffer.allocUnsafe(length)
        copyBytes(packer.bytes, 0, length, copy, 0)
        return copy
      } catch (error) {
        if (!isPotorooError(error)) throw error
        const what = error.message.replace(/^.*?: /, '')
        throw new PotorooError('OUTPUT_INVALID', `A message for repartition ${name} can't be written: ${what}`, {
          cause: error,
        })
      }
    },
    decode: (bytes, start, end) => {
      try {
        // Objects are read by their shape, as state objects are, where they don't lie in another one.
        if (isObjectInEnvelope(bytes, start, end)) return unpackRange(envelope, bytes, start + HEAD_BYTES, end, '')
        const { m } = unpackRange(envelope, bytes, start, end, '') as { readonly m?: unknown }
        return m
      } catch (error) {
        throw new PotorooError('SCHEMA_MISMATCH', `This is not a message of repartition ${name}: ${messageOf(error)}`, {
          cause: error,
        })
      }
    },
  }
}

/** { m: } in MessagePack, in front of the message: a map of one, and a text of one character. */
const HEAD = Uint8Array.of(0x81, 0xa1, 0x6d)
const HEAD_BYTES = HEAD.length
/** Texts that are shorter have their length in their first byte. */
const FIXSTR = { code: 0xa0, limit: 32 } as const
const FIXMAP = 0x80

/** Messages that are a word, or an id, without an object made for each; undefined for what is no short ASCII. */
function shortText(text: string): Buffer | undefined {
  const { length } = text
  if (length >= FIXSTR.limit) return undefined
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + 1 + length)
  let at = copyBytes(HEAD, 0, HEAD_BYTES, bytes, 0)
  bytes[at++] = FIXSTR.code | length
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f) return undefined
    bytes[at++] = unit
  }
  return bytes
}

const isObjectInEnvelope = (bytes: Buffer, start: number, end: number): boolean =>
  end - start > HEAD_BYTES &&
  bytes[start] === HEAD[0] &&
  bytes[start + 1] === HEAD[1] &&
  bytes[start + 2] === HEAD[2] &&
  ((bytes[start + HEAD_BYTES] ?? 0) & 0xf0) === FIXMAP
