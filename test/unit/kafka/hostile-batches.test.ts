/** Batches that somebody broke, or made to break who reads them: what is not right is said, in time and within memory. */
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { crc32c } from '@node-rs/crc32'
import fc from 'fast-check'
import { compressFrameSync } from 'lz4-napi'
import { compressSync } from 'snappy'
import { describe, expect, test } from 'vitest'
import { RecordCursor, type RecordBatch } from '../../../src/core/records/records.js'
import { isPotorooError } from '../../../src/errors.js'
import { decompress, MAX_DECOMPRESSED_BYTES } from '../../../src/kafka/compression.js'
import { maxLz4Size, snappyLength, zstdFrames } from '../../../src/kafka/expansion.js'
import { readBatches } from '../../../src/kafka/record-batch.js'

/** Logs as Kafka's own Java classes wrote them, in every codec: see java/JavaBatches.java. */
const logs = readFileSync(new URL('java/batches.ndjson', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { readonly name: string; readonly raw: string })
  .map(({ name, raw }) => ({ name, raw: Buffer.from(raw, 'base64') }))
const named = (part: string) => logs.filter(({ name }) => name.includes(part)).map(({ raw }) => raw)

/** key=value of every record, without its place. */
function contents(batches: readonly RecordBatch[]): string[] {
  const cursor = new RecordCursor()
  const records: string[] = []
  for (const batch of batches) {
    cursor.open(batch)
    while (cursor.next()) {
      const { buffer, keyStart, keyEnd, valueStart, valueEnd } = cursor
      for (const at of [keyStart, valueStart]) expect(at).toBeLessThanOrEqual(buffer.length)
      records.push(`${buffer.toString('hex', keyStart, keyEnd)}=${buffer.toString('hex', valueStart, valueEnd)}`)
    }
  }
  return records
}
/** To its end, as a reader that continues behind what it got. */
function read(raw: Buffer): string[] {
  const records: string[] = []
  for (let position = 0; ;) {
    const { batches, nextPosition } = readBatches(raw, position, [])
    if (nextPosition === position) return records
    records.push(...contents(batches))
    position = nextPosition
  }
}

/** What it holds, or undefined where that was refused as it should be. */
function attempt(raw: Buffer): string[] | undefined {
  try {
    return read(raw)
  } catch (error) {
    if (isPotorooError(error, 'CORRUPT_BATCH') || isPotorooError(error, 'UNSUPPORTED_FORMAT')) return undefined
    throw error
  }
}
/** Where batches begin. */
function startsOf(raw: Buffer): number[] {
  const starts: number[] = []
  for (let at = 0; at < raw.length; at += 12 + raw.readInt32BE(at + 8)) starts.push(at)
  return starts
}
/** As a producer that means it would send it: with a checksum that is right. */
function resealed(batch: Buffer): Buffer {
  batch.writeInt32BE(batch.length - 12, 8)
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
  return batch
}
const int = (value: number, bytes = 4): Buffer => {
  const buffer = Buffer.alloc(bytes)
  buffer.writeUIntLE(value, 0, bytes)
  return buffer
}

describe('a log in which one bit is wrong', () => {
  const small = logs.filter(({ raw }) => raw.length < 700)
  test('wherever it is, gives no other records than were written', () => {
    expect(small.length).toBeGreaterThan(15)
    for (const { raw } of small) {
      const right = read(raw)
      const starts = startsOf(raw)
      for (let bit = 0; bit < raw.length * 8; bit++) {
        const byte = bit >> 3
        const start = starts.findLast((one) => one <= byte) ?? 0
        const changed = Buffer.from(raw)
        changed[byte] = (changed[byte] ?? 0) ^ (1 << (bit & 7))
        const found = attempt(changed)
        // The checksum covers what lies after it. In front of it are offset, length, leader's epoch and magic.
        const where = byte - start
        if (where >= 16) expect(found).toBeUndefined()
        else if (where >= 12) expect(found).toEqual(right)
        else if (found !== undefined) expect(found).toEqual(right.slice(0, found.length))
      }
    }
  })

  test('cut off anywhere, gives the whole batches in front of the cut', () => {
    for (const { raw } of logs) {
      const starts = [...startsOf(raw), raw.length]
      const whole = starts.map((end) => read(raw.subarray(0, end)).length)
      const right = read(raw)
      // Of a large one, cuts around the header and some others.
      const step = raw.length < 4000 ? 1 : 97
      for (let cut = 0; cut < raw.length; cut += cut < 100 ? 1 : step) {
        const count = whole[starts.findLastIndex((end) => end <= cut)] ?? 0
        expect(read(Buffer.from(raw.subarray(0, cut)))).toEqual(right.slice(0, count))
      }
    }
  })
})

describe('a batch that was sealed with rubbish in it', () => {
  const change = fc.record({ at: fc.nat(), to: fc.nat(255), early: fc.boolean() })
  test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'])(
    '%s: is records or an error, in time and within memory',
    { timeout: 30_000 },
    (codec) => {
      const batches = [...named(`${codec}, small`), ...named(`${codec}, noise`), ...named(`${codec}, large`)]
      expect(batches.length).toBeGreaterThan(1)
      fc.assert(
        fc.property(
          fc.constantFrom(...batches),
          fc.array(change, { minLength: 1, maxLength: 6 }),
          fc.option(fc.nat()),
          (raw, changes, cut) => {
            const [, end = raw.length] = startsOf(raw)
            const batch = Buffer.from(raw.subarray(0, end))
            for (const { at, to, early } of changes) {
              const room = batch.length - 61
              batch[61 + (at % (early ? Math.min(room, 30) : room))] = to
            }
            const kept = cut === null ? batch : batch.subarray(0, 61 + (cut % (batch.length - 61)))
            attempt(resealed(Buffer.from(kept)))
          },
        ),
        { numRuns: 400 },
      )
    },
  )

  test('any bytes at all are records or an error', () => {
    const head = named('none, small')[0]?.subarray(0, 61)
    if (head === undefined) throw new Error('no log')
    fc.assert(
      fc.property(fc.nat(4), fc.nat(5), fc.uint8Array({ maxLength: 80 }), (codec, count, bytes) => {
        const batch = Buffer.concat([head, bytes])
        batch.writeInt16BE(codec, 21)
        batch.writeInt32BE(count, 57)
        attempt(resealed(batch))
        attempt(Buffer.from(bytes))
      }),
      { numRuns: 2000 },
    )
  })
})

/** A frame of one literal and one match that continues: the best that lz4 can do. */
function lz4Bomb(blocks: number): Buffer {
  const block = Buffer.concat([
    Buffer.from([0x1f, 0x61, 1, 0]),
    Buffer.alloc(16_000, 255),
    Buffer.from([0, 0x10, 0x61]),
  ])
  const all = Array.from({ length: blocks }, () => [int(block.length), block]).flat()
  return Buffer.concat([Buffer.from('04224d186070' + '73', 'hex'), ...all, int(0)])
}
/** A frame with a window of that descriptor, without a content size; of blocks of one byte, repeated. */
function zstdRepeats(window: number, sizes: readonly number[]): Buffer {
  const blocks = sizes.map((size, at) => [int((size << 3) | 2 | Number(at === sizes.length - 1), 3), Buffer.from('x')])
  return Buffer.concat([Buffer.from('28b52ffd00', 'hex'), int(window, 1), ...blocks.flat()])
}
const WINDOW_2_MIB = 0x58
const WINDOW_128_MIB = 0x88

describe('what becomes larger', () => {
  const codecs: [string, number, (bytes: Buffer) => Buffer][] = [
    ['gzip', 1, (bytes) => gzipSync(bytes)],
    ['snappy', 2, (bytes) => compressSync(bytes)],
    ['lz4', 3, (bytes) => compressFrameSync(bytes)],
    ['zstd', 4, ({ length }) => zstdRepeats(WINDOW_2_MIB, length === 1_000_000 ? Array<number>(10).fill(100_000) : [])],
  ]
  test.each(codecs)(
    '%s: is taken up to the bound, and refused one byte above, before there is memory for it',
    (_, codec, compress) => {
      const compressed = compress(Buffer.alloc(1_000_000, 'x'))
      expect(compressed.length).toBeLessThan(60_000)
      const largest = codec === 3 ? maxLz4Size(compressed) : 1_000_000
      expect(decompress(codec, compressed, largest).equals(Buffer.alloc(1_000_000, 'x'))).toBe(true)
      expect(() => decompress(codec, compressed, largest - 1)).toThrow(/expands to up to .* and the limit is \d+/)
    },
  )

  test('is refused as CORRUPT_BATCH where 8 kB would become 257 MiB, and named with its offset', () => {
    const bomb = zstdRepeats(WINDOW_2_MIB, Array<number>(2056).fill(128 * 1024))
    expect(zstdFrames(bomb).most).toBe(257 * 1024 * 1024)
    const head = Buffer.from(named('zstd, small')[0]?.subarray(0, 61) ?? [])
    head.writeInt32BE(4096, 4)
    expect(() => read(resealed(Buffer.concat([head, bomb])))).toThrow(
      expect.objectContaining({
        code: 'CORRUPT_BATCH',
        message: expect.stringMatching(/offset 4096 .* up to 269484032 bytes, and the limit is 268435456/) as string,
      }),
    )
    expect(() => decompress(3, lz4Bomb(67))).toThrow(/the limit is/)
    expect(decompress(3, lz4Bomb(1)).length).toBeGreaterThan(4_000_000)
  })

  test.each<[string, number, Buffer]>([
    ['snappy that claims 4 GB', 2, Buffer.from('ffffffff0f00', 'hex')],
    [
      'snappy that claims more than its bytes can give',
      2,
      Buffer.concat([Buffer.from('8080f001', 'hex'), Buffer.alloc(100)]),
    ],
    ['snappy of no end', 2, Buffer.from('ffffffffffffff', 'hex')],
    [
      'framed snappy whose block claims 4 GB',
      2,
      Buffer.from('82534e41505059000000000100000001' + '00000005ffffffff0f', 'hex'),
    ],
    ['lz4 that claims 2^60 bytes', 3, Buffer.from('04224d186840' + '0000000000000010' + '00' + '00000000', 'hex')],
    ['lz4 of the format before frames', 3, Buffer.from('02214c1805000000' + '4061626364', 'hex')],
    ['zstd that claims 2^60 bytes', 4, Buffer.from('28b52ffde0' + '0000000000000010' + '010000', 'hex')],
    [
      'zstd that claims nothing, in a window of 3 GB',
      4,
      Buffer.from('28b52ffd80' + 'ac' + '00000000' + '010000', 'hex'),
    ],
    ['zstd with a window of 3 GB', 4, zstdRepeats(0xac, [1])],
    ['zstd with a block of 2 MB', 4, zstdRepeats(WINDOW_2_MIB, [2_000_000])],
    ['zstd whose window would be moved for minutes', 4, zstdRepeats(WINDOW_128_MIB, Array<number>(250_000).fill(1))],
    ['zstd frames to be skipped without an end', 4, Buffer.from('502a4d18ffffffff', 'hex')],
  ])('%s is refused', (_, codec, bytes) => {
    const before = process.memoryUsage().arrayBuffers
    expect(() => decompress(codec, bytes)).toThrow()
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024)
  })

  test('a small zstd frame takes no larger window than it needs, whatever it claims', () => {
    const claimed = zstdRepeats(WINDOW_128_MIB, [5, 7])
    expect(decompress(4, claimed)).toEqual(Buffer.alloc(12, 'x'))
    expect(zstdFrames(claimed).frames[5]).toBe(0x38)
    // and continues to take all of a window that it needs, over several frames
    const both = Buffer.concat([claimed, Buffer.from('502a4d18020000000000', 'hex'), zstdRepeats(WINDOW_2_MIB, [9])])
    expect(decompress(4, both)).toEqual(Buffer.alloc(21, 'x'))
  })

  test('an answer of several such batches is taken as far as memory allows, and the rest by the next fetch', () => {
    const head = named('gzip, small')[0]?.subarray(0, 61)
    if (head === undefined) throw new Error('no log')
    const section = gzipSync(Buffer.alloc(40 * 1024 * 1024))
    const raws = [10, 20, 30].map((offset) => {
      const batch = Buffer.concat([head, section])
      batch.writeBigInt64BE(BigInt(offset))
      batch.writeInt32BE(9, 23)
      return resealed(batch)
    })
    const first = readBatches(Buffer.concat(raws), 10, [])
    expect([first.batches.length, first.nextPosition, first.bytes]).toEqual([2, 30, 80 * 1024 * 1024])
    const second = readBatches(Buffer.concat(raws.slice(2)), first.nextPosition, [])
    expect([second.batches.length, second.nextPosition]).toEqual([1, 40])
  })

  test('what is foretold is what comes, or more, and seldom much', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300_000, size: 'max' }),
      fc.nat(3_000_000).map((n) => Buffer.alloc(n)),
    )
    fc.assert(
      fc.property(bytes, (plain) => {
        const [lz4, snappy] = [compressFrameSync(Buffer.from(plain)), compressSync(Buffer.from(plain))]
        expect(snappyLength(snappy)).toBe(plain.length)
        expect(maxLz4Size(lz4)).toBeGreaterThanOrEqual(plain.length)
        expect(maxLz4Size(lz4)).toBeLessThan(plain.length + 4 * 1024 * 1024 + 1)
      }),
      { numRuns: 30 },
    )
    for (const raw of named('zstd'))
      for (const start of startsOf(raw)) {
        if ((raw.readInt16BE(start + 21) & 7) !== 4) continue
        const section = raw.subarray(start + 61, start + 12 + raw.readInt32BE(start + 8))
        const { most } = zstdFrames(section)
        expect(most).toBeGreaterThanOrEqual(decompress(4, section).length)
        expect(most).toBeLessThan(MAX_DECOMPRESSED_BYTES / 100)
      }
  })
})
