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

export function partitionOf(name: PartitionerName, key: Uint8Array, partitions: number): number {
  if (name === 'murmur2') return (murmur2(key) & 0x7fffffff) % partitions
  if (xxh64 === undefined)
    throw new PotorooError('INTERNAL', 'Partitioner xxh64 is used before loadPartitioners() was awaited.')
  return Number(xxh64.h64Raw(key) % BigInt(partitions))
}

/** As in Kafka's Java client (org.apache.kafka.common.utils.Utils.murmur2): a signed 32-bit integer. */
export function murmur2(bytes: Uint8Array): number {
  const m = 0x5bd1e995
  const length = bytes.length
  const whole = length & ~3
  let h = 0x9747b28c ^ length
  for (let i = 0; i < whole; i += 4) {
    let k = at(bytes, i) | (at(bytes, i + 1) << 8) | (at(bytes, i + 2) << 16) | (at(bytes, i + 3) << 24)
    k = Math.imul(k, m)
    k ^= k >>> 24
    h = Math.imul(h, m) ^ Math.imul(k, m)
  }
  const rest = length - whole
  if (rest > 2) h ^= at(bytes, whole + 2) << 16
  if (rest > 1) h ^= at(bytes, whole + 1) << 8
  if (rest > 0) h = Math.imul(h ^ at(bytes, whole), m)
  h ^= h >>> 13
  h = Math.imul(h, m)
  return h ^ (h >>> 15)
}

const at = (bytes: Uint8Array, index: number): number => bytes[index] as number
