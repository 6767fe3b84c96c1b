/** Which partition a key belongs on: what every producer of a topic has to agree on. */
import xxhash, { type XXHashAPI } from 'xxhash-wasm'
import type { PartitionerName } from '../../api/definition.js'
import { PotorooError } from '../../errors.js'

/** XXH64 is WebAssembly, which loads asynchronously: once in a process, and it stays the same. */
let xxh64: XXHashAPI | undefined

/** To be awaited before partitionOf() is called with one of these names. */
export async function loadPartitioners(names: Iterable<PartitionerName | undefined>): Promise<void> {
  for (const name of names) if (name === 'xxh64') xxh64 ??= await xxhash()
}

/** Of the key in bytes[start, end). */
export function partitionOf(
  name: PartitionerName,
  bytes: Uint8Array,
  partitions: number,
  start = 0,
  end = bytes.length,
): number {
  if (name === 'murmur2') return (murmur2(bytes, start, end) & 0x7fffffff) % partitions
  if (xxh64 === undefined)
    throw new PotorooError('INTERNAL', 'Partitioner xxh64 was used before loadPartitioners() was awaited.')
  return Number(xxh64.h64Raw(bytes.subarray(start, end)) % BigInt(partitions))
}

/** Up to here a loop is faster than a Buffer for each key. */
const SHORT_TEXT = 64

/** partitionOf() of keys that are texts: of their UTF-8. */
export class TextPartitioner {
  readonly #bytes = new Uint8Array(SHORT_TEXT)

  partitionOf(name: PartitionerName, key: string, partitions: number): number {
    const { length } = key
    if (length > SHORT_TEXT) return partitionOf(name, Buffer.from(key), partitions)
    for (let i = 0; i < length; i++) {
      const unit = key.charCodeAt(i)
      if (unit > 0x7f) return partitionOf(name, Buffer.from(key), partitions)
      this.#bytes[i] = unit
    }
    return partitionOf(name, this.#bytes, partitions, 0, length)
  }
}

/** As in Kafka's Java client (org.apache.kafka.common.utils.Utils.murmur2): a signed 32-bit integer. */
export function murmur2(bytes: Uint8Array, start = 0, end = bytes.length): number {
  const m = 0x5bd1e995
  const length = end - start
  const whole = start + (length & ~3)
  let h = 0x9747b28c ^ length
  for (let i = start; i < whole; i += 4) {
    let k = at(bytes, i) | (at(bytes, i + 1) << 8) | (at(bytes, i + 2) << 16) | (at(bytes, i + 3) << 24)
    k = Math.imul(k, m)
    k ^= k >>> 24
    h = Math.imul(h, m) ^ Math.imul(k, m)
  }
  const rest = end - whole
  if (rest > 2) h ^= at(bytes, whole + 2) << 16
  if (rest > 1) h ^= at(bytes, whole + 1) << 8
  if (rest > 0) h = Math.imul(h ^ at(bytes, whole), m)
  h ^= h >>> 13
  h = Math.imul(h, m)
  return h ^ (h >>> 15)
}

const at = (bytes: Uint8Array, index: number): number => bytes[index] as number
