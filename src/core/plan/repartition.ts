/**
 * Messages on their way to the state object of another key: what a repartition topic holds. A message is packed as state
 * objects are, in an object of its own, so that whatever can be stored can travel, a text as well as a Map:
 *
 *     Record => Key: the new key, UTF-8; Value: Packed { m: message }; Timestamp: that of the record which caused it
 */
import type { PartitionerName, TopicDefinition } from '../../api/definition.js'
import { isPotorooError, messageOf, PotorooError } from '../../errors.js'
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
        `the key that keyBy() gives has ${String(Buffer.byteLength(value))} bytes, more than ${String(MAX_KEY_BYTES)}`,
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
  }
  return {
    name,
    partitions,
    partitioner,
    config: repartitionConfig,
    start: 'earliest',
    key: undefined,
    encode: (message) => {
      try {
        const length = packer.pack(envelope, { m: message })
        // A copy: the packer's memory is used again for the next one.
        return Buffer.from(packer.bytes.subarray(0, length))
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
        const { m } = unpackRange(envelope, bytes, start, end, '') as { readonly m?: unknown }
        return m
      } catch (error) {
        throw new PotorooError('SCHEMA_MISMATCH', `This is no message of repartition ${name}: ${messageOf(error)}`, {
          cause: error,
        })
      }
    },
  }
}
