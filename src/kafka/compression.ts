/**
 * Decompression of a batch's records section, by the codec number in the batch's attributes. What other clients write
 * differs: snappy comes in the framing of snappy-java from Java clients and raw from others; lz4 and zstd frames come with
 * and without their content size.
 *
 * A broker looks at the size of a batch as it is compressed. What it becomes is bounded here: one batch must not take all
 * of a worker's memory.
 */
import { createRequire } from 'node:module'
import { gunzipSync } from 'node:zlib'
import type * as Zstd from 'fzstd'
import type * as Lz4 from 'lz4-napi'
import type * as Snappy from 'snappy'
import { messageOf, PotorooError } from '../errors.js'
import { maxLz4Size, snappyLength, zstdFrames } from './expansion.js'

export const NO_COMPRESSION = 0
/** Far more than producers put into a batch, which they close at some MB at most. */
export const MAX_DECOMPRESSED_BYTES = 256 * 1024 * 1024

/** Loaded with the first batch that needs it: lz4's alone is a tenth of a worker's start. */
const require = createRequire(import.meta.url)
const lz4 = () => load('lz4-napi') as typeof Lz4
const snappy = () => load('snappy') as typeof Snappy
const zstd = () => load('fzstd') as typeof Zstd

/** Throws INVALID_CONFIGURATION: the batch has nothing wrong with it. */
function load(name: string): unknown {
  try {
    return require(name)
  } catch (cause) {
    const what = `${name}, which reads compressed records, does not load: was it installed for this platform?`
    throw new PotorooError('INVALID_CONFIGURATION', `${what} ${messageOf(cause)}`, { cause })
  }
}

const codecs: readonly ((bytes: Buffer, maxBytes: number) => Buffer)[] = [
  (bytes) => bytes,
  ungzip,
  unsnappy,
  (bytes, maxBytes) => {
    requireAtMost(maxBytes, maxLz4Size(bytes))
    return lz4().decompressFrameSync(bytes)
  },
  (bytes, maxBytes) => {
    const { frames, most } = zstdFrames(bytes)
    requireAtMost(maxBytes, most)
    const { buffer, byteOffset, length } = zstd().decompress(frames)
    return Buffer.from(buffer, byteOffset, length)
  },
]

/**
 * Throws whatever the codec throws, a RangeError for what would become more than `maxBytes`, and INVALID_CONFIGURATION where the
 * codec does not load.
 */
export function decompress(codec: number, bytes: Buffer, maxBytes = MAX_DECOMPRESSED_BYTES): Buffer {
  const decompressor = codecs[codec]
  if (decompressor === undefined) throw new RangeError(`compression codec ${String(codec)} is unknown`)
  return decompressor(bytes, maxBytes)
}

function requireAtMost(maxBytes: number, bytes: number): void {
  if (bytes > maxBytes)
    throw new RangeError(`it expands to up to ${String(bytes)} bytes, and the limit is ${String(maxBytes)}`)
}

function ungzip(bytes: Buffer, maxBytes: number): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes })
  } catch (error) {
    if (error instanceof RangeError) requireAtMost(maxBytes, Infinity)
    throw error
  }
}

/** snappy-java: magic, version and lowest compatible version (int32 each), then blocks, each after its size (int32). */
const SNAPPY_JAVA_MAGIC = Buffer.from('\x82SNAPPY\0', 'latin1')
const SNAPPY_JAVA_HEADER_BYTES = SNAPPY_JAVA_MAGIC.length + 8

function unsnappy(bytes: Buffer, maxBytes: number): Buffer {
  if (!bytes.subarray(0, SNAPPY_JAVA_MAGIC.length).equals(SNAPPY_JAVA_MAGIC)) return unsnappyBlock(bytes, maxBytes)
  const blocks: Buffer[] = []
  let left = maxBytes
  let at = SNAPPY_JAVA_HEADER_BYTES
  while (at < bytes.length) {
    const size = bytes.readInt32BE(at)
    const end = at + 4 + size
    if (size <= 0 || end > bytes.length)
      throw new RangeError(`a snappy block of ${String(size)} bytes at ${String(at)}`)
    const block = unsnappyBlock(bytes.subarray(at + 4, end), left)
    left -= block.length
    blocks.push(block)
    at = end
  }
  const [first] = blocks
  return first !== undefined && blocks.length === 1 ? first : Buffer.concat(blocks)
}

function unsnappyBlock(block: Buffer, maxBytes: number): Buffer {
  requireAtMost(maxBytes, snappyLength(block))
  const content = snappy().uncompressSync(block)
  return typeof content === 'string' ? Buffer.from(content) : content
}
