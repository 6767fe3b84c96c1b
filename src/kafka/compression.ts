/**
 * Decompression of a batch's records section, by the codec number in the batch's attributes. What other clients write
 * differs: snappy comes in the framing of snappy-java from Java clients and raw from others; lz4 and zstd frames come with
 * and without their content size.
 */
import { gunzipSync } from 'node:zlib'
import { decompress as unzstd } from 'fzstd'
import { decompressFrameSync as unlz4 } from 'lz4-napi'
import { uncompressSync } from 'snappy'

export const NO_COMPRESSION = 0

const codecs: readonly ((bytes: Buffer) => Buffer)[] = [
  (bytes) => bytes,
  (bytes) => gunzipSync(bytes),
  unsnappy,
  (bytes) => unlz4(bytes),
  (bytes) => {
    const { buffer, byteOffset, length } = unzstd(bytes)
    return Buffer.from(buffer, byteOffset, length)
  },
]

/** Throws whatever the codec throws. */
export function decompress(codec: number, bytes: Buffer): Buffer {
  const decompressor = codecs[codec]
  if (decompressor === undefined) throw new RangeError(`compression codec ${String(codec)} is unknown`)
  return decompressor(bytes)
}

/** snappy-java: magic, version and lowest compatible version (int32 each), then blocks, each behind its size (int32). */
const SNAPPY_JAVA_MAGIC = Buffer.from('\x82SNAPPY\0', 'latin1')
const SNAPPY_JAVA_HEADER_BYTES = SNAPPY_JAVA_MAGIC.length + 8

function unsnappy(bytes: Buffer): Buffer {
  if (!bytes.subarray(0, SNAPPY_JAVA_MAGIC.length).equals(SNAPPY_JAVA_MAGIC)) return unsnappyBlock(bytes)
  const blocks: Buffer[] = []
  let at = SNAPPY_JAVA_HEADER_BYTES
  while (at < bytes.length) {
    const size = bytes.readInt32BE(at)
    const end = at + 4 + size
    if (size <= 0 || end > bytes.length)
      throw new RangeError(`a snappy block of ${String(size)} bytes at ${String(at)}`)
    blocks.push(unsnappyBlock(bytes.subarray(at + 4, end)))
    at = end
  }
  const [first] = blocks
  return first !== undefined && blocks.length === 1 ? first : Buffer.concat(blocks)
}

function unsnappyBlock(block: Buffer): Buffer {
  const content = uncompressSync(block)
  return typeof content === 'string' ? Buffer.from(content) : content
}
