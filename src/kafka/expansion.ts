/**
 * How large a compressed section becomes at most, told by its frames alone. Some kB can claim, and some can become, more
 * than a process has memory for; so that is looked at before a decompressor believes it. Strict: what is no frame as the
 * formats have them throws a RangeError, and a decompressor never sees it.
 *
 *     LZ4 frame  => Magic FLG BD [ContentSize:8] [DictionaryId:4] HeaderChecksum [Block] EndMark:4 [ContentChecksum:4]
 *       Block    => Size:4 (highest bit: stored) Data [Checksum:4]
 *     Zstd frame => Magic Descriptor [Window:1] [DictionaryId:0,1,2,4] [ContentSize:0,1,2,4,8] [Block] [Checksum:4]
 *       Block    => Last:1 bit Type:2 bits Size:21 bits Data
 *
 * All numbers are little-endian. Sources: lz4_Frame_format.md of LZ4, RFC 8878, format_description.txt of snappy.
 */

/** The best that a snappy block can do: a copy of 64 bytes, in 3. */
const MOST_OF_SNAPPY = 32
/** The longest length of a match takes a byte for 255. */
const MOST_OF_LZ4 = 255
const LZ4_MAGIC = 0x184d2204
const ZSTD_MAGIC = 0xfd2fb528
const ZSTD_BLOCK_BYTES = 128 * 1024
/** What zstd's own decoder takes by default. */
const MAX_WINDOW_BYTES = 128 * 1024 * 1024
/** The decompressor moves its window with each block. This is about a second; what compressors write is far below. */
const MAX_MOVED_BYTES = 2 ** 33

/** Of a raw snappy block: the length that it claims, if it can be true. */
export function snappyLength(block: Uint8Array): number {
  let length = 0
  for (let at = 0, scale = 1; at < 5; at++, scale *= 0x80) {
    const byte = block[at] ?? 0xff
    length += (byte & 0x7f) * scale
    if (byte > 0x7f) continue
    if (length > block.length * MOST_OF_SNAPPY) throw liar('snappy', length, block.length)
    return length
  }
  throw new RangeError('a snappy block without a length')
}

export function maxLz4Size(frame: Buffer): number {
  const [flags = 0, sizes = 0] = [frame[4], frame[5]]
  const blockBytes = [64, 256, 1024, 4096][((sizes >> 4) & 7) - 4]
  if (frame.length < 7 || frame.readUInt32LE(0) !== LZ4_MAGIC || flags >> 6 !== 1 || blockBytes === undefined)
    throw new RangeError('not an lz4 frame')
  const checksumBytes = flags & 0x10 ? 4 : 0
  const hasSize = (flags & 0x08) !== 0
  let at = 7 + (hasSize ? 8 : 0) + (flags & 0x01 ? 4 : 0)
  let most = 0
  for (;;) {
    const word = frame.readUInt32LE(at)
    at += 4
    if (word === 0) break
    const bytes = word & 0x7fffffff
    at += bytes + checksumBytes
    if (at > frame.length) throw new RangeError('an lz4 block is truncated')
    most += word > 0x7fffffff ? bytes : Math.min(bytes * MOST_OF_LZ4, blockBytes * 1024)
  }
  if (hasSize && frame.readBigUInt64LE(6) > most) throw liar('lz4', Number(frame.readBigUInt64LE(6)), frame.length)
  return most
}

/**
 * The frames, without those that are to be skipped, and how large they become together. Their windows are no larger than
 * what is in them: the decompressor clears as much memory as a window claims, for a batch of some bytes, too.
 */
export function zstdFrames(bytes: Buffer): { readonly frames: Buffer; readonly most: number } {
  const frames: Buffer[] = []
  let most = 0
  for (let at = 0; at < bytes.length;) {
    const magic = bytes.readUInt32LE(at)
    if ((magic & 0xfffffff0) >>> 0 === 0x184d2a50) {
      at += 8 + bytes.readUInt32LE(at + 4)
      if (at > bytes.length) throw new RangeError('a frame to be skipped is cut off')
      continue
    }
    if (magic !== ZSTD_MAGIC) throw new RangeError('not a zstd frame')
    const frame = zstdFrame(bytes.subarray(at))
    frames.push(frame.bytes)
    most += frame.most
    at += frame.bytes.length
  }
  const [first] = frames
  return { frames: first !== undefined && frames.length === 1 ? first : Buffer.concat(frames), most }
}

function zstdFrame(bytes: Buffer): { readonly bytes: Buffer; readonly most: number } {
  const descriptor = bytes.readUInt8(4)
  const isOneSegment = (descriptor & 0x20) !== 0
  const sizeBytes = [isOneSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0
  const sizeAt = 5 + (isOneSegment ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0)
  const { blocks, most, end: blocksEnd } = zstdBlocks(bytes, sizeAt + sizeBytes)
  const end = blocksEnd + (descriptor & 0x04 ? 4 : 0)
  if (end > bytes.length) throw new RangeError('a zstd frame is truncated')
  const frame = bytes.subarray(0, end)
  const claimed = sizeBytes === 0 ? 0 : contentSize(bytes, sizeAt, sizeBytes)
  if (claimed > most) throw liar('zstd', claimed, end)
  // What is decompressed is its own window, where its size is known.
  if (isOneSegment || claimed > 0) return { bytes: frame, most }
  const window = bytes.readUInt8(5)
  const narrow = Math.min(window, windowFor(Math.max(most, ZSTD_BLOCK_BYTES)))
  if (windowBytes(window) > MAX_WINDOW_BYTES || windowBytes(narrow) * blocks > MAX_MOVED_BYTES)
    throw new RangeError(
      `a zstd frame of ${String(blocks)} blocks with a window of ${String(windowBytes(window))} bytes`,
    )
  if (narrow === window) return { bytes: frame, most }
  const narrowed = Buffer.from(frame)
  narrowed[5] = narrow
  return { bytes: narrowed, most }
}

interface ZstdBlocks {
  readonly blocks: number
  readonly most: number
  readonly end: number
}

function zstdBlocks(bytes: Buffer, start: number): ZstdBlocks {
  let at = start
  let most = 0
  for (let blocks = 1; ; blocks++) {
    const head = bytes.readUIntLE(at, 3)
    const [type, size] = [(head >> 1) & 3, head >> 3]
    if (type === 3 || size > ZSTD_BLOCK_BYTES)
      throw new RangeError(`a zstd block of type ${String(type)}, ${String(size)} bytes`)
    at += 3 + (type === 1 ? 1 : size)
    most += type === 2 ? ZSTD_BLOCK_BYTES : size
    if (head & 1) return { blocks, most, end: at }
  }
}

/** A window's descriptor: an exponent (5 bits), and eighths on top (3 bits). */
function windowBytes(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3))
  return base + (base / 8) * (descriptor & 7)
}
/** The smallest power of 2 that holds so many bytes. */
const windowFor = (bytes: number): number => Math.max(0, Math.ceil(Math.log2(bytes)) - 10) << 3

function contentSize(bytes: Buffer, at: number, sizeBytes: number): number {
  if (sizeBytes === 8) return Number(bytes.readBigUInt64LE(at))
  return bytes.readUIntLE(at, sizeBytes) + (sizeBytes === 2 ? 256 : 0)
}

const liar = (codec: string, claimed: number, bytes: number): RangeError =>
  new RangeError(`${String(bytes)} bytes of ${codec} that claim to expand to ${String(claimed)}`)
