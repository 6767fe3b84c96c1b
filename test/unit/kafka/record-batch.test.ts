import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import { crc32c } from '@node-rs/crc32'
import fc from 'fast-check'
import { compressFrameSync } from 'lz4-napi'
import { compressSync } from 'snappy'
import { describe, expect, test } from 'vitest'
import {
  BATCH_HEADER_BYTES,
  RecordCursor,
  RecordWriter,
  type RecordBatch,
  type RecordChunk,
} from '../../../src/core/records/records.js'
import { isPotorooError, type PotorooError } from '../../../src/errors.js'
import { readBatches, sealBatch, type AbortedTransaction, type BatchesRead } from '../../../src/kafka/record-batch.js'

interface Encoded {
  readonly buffer: Buffer
}
const require = createRequire(import.meta.url)
const kafkajsBatches = require('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch(batch: Readonly<Record<string, unknown>>): Promise<Encoded>
}
const kafkajsRecord = require('kafkajs/src/protocol/recordBatch/record/v0') as (
  record: Readonly<Record<string, unknown>>,
) => Encoded

const CONTROL = 0x20
const TRANSACTIONAL = 0x10
const LOG_APPEND_TIME = 0x08
const ABORT = Buffer.from([0, 0, 0, 0])
const COMMIT = Buffer.from([0, 0, 0, 1])

interface Fields {
  readonly baseOffset?: number
  /** Keys of its records; values say the same. */
  readonly keys?: readonly (string | Buffer | null)[]
  readonly producerId?: bigint
  readonly attributes?: number
  readonly lastOffsetDelta?: number
  readonly maxTimestampMs?: number
  readonly baseTimestamp?: bigint
  readonly count?: number
  /** Instead of the records: the section as a codec left it. */
  readonly section?: (records: Buffer) => Buffer
}

function chunkOf(keys: readonly (string | Buffer | null)[]): RecordChunk {
  const writer = new RecordWriter(10_000_000)
  for (const [i, key] of keys.entries()) writer.append(1000 + i, key, key)
  const [chunk] = writer.take()
  return (
    chunk ?? { bytes: Buffer.alloc(61), end: BATCH_HEADER_BYTES, count: 0, baseTimestampMs: 1000, maxTimestampMs: 1000 }
  )
}

/** A batch as a broker has it, right in everything that isn't asked to be wrong. */
function batch(fields: Fields): Buffer {
  const { baseOffset = 0, keys = ['k'], producerId = -1n, attributes = 0 } = fields
  const section = fields.section ?? ((records: Buffer) => records)
  const chunk = chunkOf(keys)
  const seal = { producerId, producerEpoch: 0, firstSequence: 0, transactional: false }
  const sealed = sealBatch(chunk, seal)
  const raw = Buffer.concat([sealed.subarray(0, BATCH_HEADER_BYTES), section(sealed.subarray(BATCH_HEADER_BYTES))])
  raw.writeBigInt64BE(BigInt(baseOffset), 0)
  raw.writeInt32BE(raw.length - 12, 8)
  raw.writeInt16BE(attributes, 21)
  if (fields.lastOffsetDelta !== undefined || keys.length === 0) raw.writeInt32BE(fields.lastOffsetDelta ?? 0, 23)
  if (fields.baseTimestamp !== undefined) raw.writeBigInt64BE(fields.baseTimestamp, 27)
  if (fields.maxTimestampMs !== undefined) raw.writeBigInt64BE(BigInt(fields.maxTimestampMs), 35)
  if (fields.count !== undefined) raw.writeInt32BE(fields.count, 57)
  raw.writeUInt32BE(crc32c(raw.subarray(21)), 17)
  return raw
}
const marker = (baseOffset: number, producerId: bigint, type: Buffer): Buffer =>
  batch({ baseOffset, producerId, attributes: CONTROL | TRANSACTIONAL, keys: [type] })
const transactional = (baseOffset: number, producerId: bigint, keys: readonly (string | Buffer)[]): Buffer =>
  batch({ baseOffset, producerId, attributes: TRANSACTIONAL, keys })

/** offset:key of every record. */
function recordsOf(batches: readonly RecordBatch[]): string[] {
  const cursor = new RecordCursor()
  const records: string[] = []
  for (const each of batches) {
    cursor.open(each)
    while (cursor.next()) {
      const key = cursor.keyStart < 0 ? null : cursor.buffer.toString('utf8', cursor.keyStart, cursor.keyEnd)
      records.push(`${String(cursor.offset)}:${String(key)}`)
    }
  }
  return records
}
const read = (raws: readonly Buffer[], position = 0, aborted: readonly AbortedTransaction[] = []): BatchesRead =>
  readBatches(Buffer.concat(raws), position, aborted)
const visible = (raws: readonly Buffer[], position = 0, aborted: readonly AbortedTransaction[] = []): string[] =>
  recordsOf(read(raws, position, aborted).batches)

function errorOf(call: () => unknown): PotorooError {
  try {
    call()
  } catch (error) {
    if (isPotorooError(error)) return error
    throw error
  }
  throw new Error('no error')
}

describe('sealBatch', () => {
  const text = fc.oneof(fc.string({ maxLength: 60, unit: 'binary' }), fc.constantFrom('', '\ud800', 'y'.repeat(8200)))
  const content = fc.oneof(text, fc.uint8Array({ maxLength: 9000 }), fc.constant(null))
  const record = fc.record({
    timestampMs: fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: -(2 ** 50), max: 2 ** 50 })),
    key: content,
    value: content,
    headers: fc.uniqueArray(fc.record({ key: text.map((t) => `h${t}`), value: fc.uint8Array({ maxLength: 200 }) }), {
      maxLength: 3,
      selector: ({ key }) => key,
    }),
  })

  test("is byte for byte what kafkajs's own encoder makes of the same records", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(record, { minLength: 1, maxLength: 90, size: 'max' }),
        fc.bigInt({ min: -1n, max: 2n ** 63n - 1n }),
        fc.integer({ min: -1, max: 32_767 }),
        fc.integer({ min: -1, max: 2 ** 31 - 1 }),
        fc.boolean(),
        async (records, producerId, producerEpoch, firstSequence, transactional) => {
          const writer = new RecordWriter(100_000_000)
          for (const { timestampMs, key, value, headers } of records) writer.append(timestampMs, key, value, headers)
          const [chunk] = writer.take()
          if (chunk === undefined) throw new Error('no chunk')
          const sealed = sealBatch(chunk, { producerId, producerEpoch, firstSequence, transactional })

          const asKafkajs = (bytes: Uint8Array | string | null): Buffer | string | null =>
            bytes instanceof Uint8Array ? Buffer.from(bytes) : bytes
          const times = records.map(({ timestampMs }) => timestampMs)
          const firstTimestamp = times[0] ?? 0
          const theirs = await kafkajsBatches.RecordBatch({
            records: records.map(({ timestampMs, key, value, headers }, offsetDelta) =>
              kafkajsRecord({
                offsetDelta,
                timestampDelta: timestampMs - firstTimestamp,
                key: asKafkajs(key),
                value: asKafkajs(value),
                headers: Object.fromEntries(headers.map(({ key, value }) => [key, Buffer.from(value)])),
              }),
            ),
            firstTimestamp,
            maxTimestamp: Math.max(...times),
            lastOffsetDelta: records.length - 1,
            producerId: String(producerId),
            producerEpoch,
            firstSequence,
            transactional,
          })
          expect(sealed.equals(theirs.buffer)).toBe(true)
        },
      ),
      { numRuns: 100 },
    )
  })

  test('works in place, and again with another sequence', () => {
    const chunk = chunkOf(['a', 'b'])
    const seal = { producerId: 7, producerEpoch: 1, firstSequence: 0, transactional: true }
    const first = sealBatch(chunk, seal)
    expect(first.buffer).toBe(chunk.bytes.buffer)
    expect(visible([first])).toEqual(['0:a', '1:b'])
    expect(sealBatch(chunk, { ...seal, firstSequence: 5 }).readInt32BE(53)).toBe(5)
    expect(visible([first])).toEqual(['0:a', '1:b'])
  })
})

describe('readBatches: positions', () => {
  const three = [
    batch({ baseOffset: 10, keys: ['a', 'b'] }),
    batch({ baseOffset: 12, keys: ['c'] }),
    batch({ baseOffset: 13, keys: ['d', null] }),
  ]

  test('reads whole batches, and continues after the last', () => {
    const { batches, nextPosition, bytes } = read(three, 10)
    expect(recordsOf(batches)).toEqual(['10:a', '11:b', '12:c', '13:d', '14:null'])
    expect(nextPosition).toBe(15)
    expect(bytes).toBe(Buffer.concat(three).length)
  })

  test('leaves a batch that is cut off, wherever the cut is', () => {
    const raw = Buffer.concat(three)
    const ends = [0, three[0]?.length ?? 0, (three[0]?.length ?? 0) + (three[1]?.length ?? 0)]
    const positions = [10, 12, 13]
    for (let cut = 0; cut < raw.length; cut++) {
      const whole = ends.filter((end) => end <= cut).length - 1
      const { batches, nextPosition } = readBatches(raw.subarray(0, cut), 10, [])
      expect([batches.length, nextPosition]).toEqual([whole, positions[whole]])
    }
  })

  test('does not read beyond what it was given', () => {
    const raw = Buffer.concat(three)
    const length = three[0]?.length ?? 0
    expect(readBatches(raw.subarray(0, length), 10, []).nextPosition).toBe(12)
  })

  test('drops whole batches below the position; records below it in the first are left to the reader', () => {
    expect(visible(three, 11)).toEqual(['10:a', '11:b', '12:c', '13:d', '14:null'])
    expect(visible(three, 12)).toEqual(['12:c', '13:d', '14:null'])
    expect(read(three, 12).bytes).toBe((three[1]?.length ?? 0) + (three[2]?.length ?? 0))
  })

  test('never goes back', () => {
    expect(read(three, 99)).toEqual({ batches: [], nextPosition: 99, bytes: 0 })
    expect(read([], 42)).toEqual({ batches: [], nextPosition: 42, bytes: 0 })
  })

  test('goes on behind what compaction left: gaps, ends without a record, batches without any', () => {
    const compacted = [
      batch({ baseOffset: 10, keys: ['a'], lastOffsetDelta: 4 }),
      batch({ baseOffset: 20, keys: [], lastOffsetDelta: 9 }),
    ]
    expect(visible(compacted, 10)).toEqual(['10:a'])
    expect(read(compacted, 10).nextPosition).toBe(30)
    expect(read(compacted, 12).batches.length).toBe(1)
    expect(read(compacted.slice(1), 25)).toEqual({ batches: [], nextPosition: 30, bytes: 0 })
  })

  test('is exact at large offsets', () => {
    const large = Number.MAX_SAFE_INTEGER - 2 ** 31
    expect(read([batch({ baseOffset: large, keys: ['a', 'b'] })], large).nextPosition).toBe(large + 2)
  })
})

describe('readBatches: timestamps', () => {
  const times = (raw: Buffer): number[] => {
    const cursor = new RecordCursor()
    return readBatches(raw, 0, []).batches.flatMap((each) => {
      cursor.open(each)
      const all: number[] = []
      while (cursor.next()) all.push(cursor.timestampMs)
      return all
    })
  }
  test("are the records' own, or with LogAppendTime the batch's maximum", () => {
    expect(times(batch({ keys: ['a', 'b'] }))).toEqual([1000, 1001])
    expect(times(batch({ keys: ['a', 'b'], attributes: LOG_APPEND_TIME, maxTimestampMs: 5000 }))).toEqual([5000, 5000])
  })
  test('count from the base also when that is a delete horizon (KIP-534)', () => {
    expect(times(batch({ keys: ['a'], attributes: 0x40, baseTimestamp: 77n }))).toEqual([77])
  })
  test('can be negative, and are kept to what can be counted with', () => {
    expect(times(batch({ baseTimestamp: -1n }))).toEqual([-1])
    expect(times(batch({ baseTimestamp: 2n ** 63n - 1n }))).toEqual([2 ** 51])
    expect(times(batch({ baseTimestamp: -(2n ** 63n) }))).toEqual([-(2 ** 51)])
  })
})

describe('readBatches: transactions', () => {
  const [p, q] = [5n, 2n ** 40n + 5n]

  test('control batches are skipped, and passed', () => {
    const log = [transactional(0, p, ['a']), marker(1, p, COMMIT)]
    expect(visible(log)).toEqual(['0:a'])
    expect(read(log).nextPosition).toBe(2)
    expect(read(log.slice(1), 1)).toEqual({ batches: [], nextPosition: 2, bytes: 0 })
  })

  test('an aborted transaction is dropped from its first offset to its marker, and passed', () => {
    const log = [
      transactional(0, p, ['committed']),
      marker(1, p, COMMIT),
      transactional(2, p, ['x', 'y']),
      batch({ baseOffset: 4, keys: ['plain'] }),
      transactional(5, q, ['other']),
      transactional(6, p, ['z']),
      marker(7, p, ABORT),
      transactional(8, p, ['again']),
    ]
    expect(visible(log, 0, [{ producerId: p, firstOffset: 2 }])).toEqual([
      '0:committed',
      '4:plain',
      '5:other',
      '8:again',
    ])
    const end = log.slice(2, 3)
    expect(read(end, 2, [{ producerId: p, firstOffset: 2 }])).toEqual({ batches: [], nextPosition: 4, bytes: 0 })
  })

  test('a fetch that begins inside two interleaved aborted transactions leaks nothing', () => {
    const log = [
      transactional(10, p, ['p1']),
      transactional(11, q, ['q1']),
      transactional(12, p, ['p2']),
      marker(13, p, ABORT),
      transactional(14, q, ['q2']),
      transactional(15, p, ['good']),
      marker(16, q, ABORT),
      transactional(17, q, ['good too']),
    ]
    const aborted = [
      { producerId: q, firstOffset: 4 },
      { producerId: p, firstOffset: 3 },
    ]
    expect(visible(log, 10, aborted)).toEqual(['15:good', '17:good too'])
    expect(visible(log, 10, [...aborted].reverse())).toEqual(['15:good', '17:good too'])
    expect(visible(log.slice(2), 12, aborted)).toEqual(['15:good', '17:good too'])
  })

  test('a fetch that begins at an abort marker drops nothing after it', () => {
    const log = [marker(13, p, ABORT), transactional(14, p, ['good'])]
    expect(visible(log, 13, [{ producerId: p, firstOffset: 3 }])).toEqual(['14:good'])
  })

  test('one producer can abort twice', () => {
    const log = [
      transactional(0, p, ['x']),
      marker(1, p, ABORT),
      transactional(2, p, ['a']),
      marker(3, p, COMMIT),
      transactional(4, p, ['y']),
      marker(5, p, ABORT),
    ]
    const aborted = [
      { producerId: p, firstOffset: 0 },
      { producerId: p, firstOffset: 4 },
    ]
    expect(visible(log, 0, aborted)).toEqual(['2:a'])
  })

  test('markers below the position count', () => {
    const log = [transactional(0, p, ['x']), marker(1, p, ABORT), transactional(2, p, ['a'])]
    expect(visible(log, 2, [{ producerId: p, firstOffset: 0 }])).toEqual(['2:a'])
  })

  test("what an aborted transaction's producer wrote outside of a transaction is kept", () => {
    const log = [batch({ baseOffset: 0, producerId: p, keys: ['idempotent'] })]
    expect(visible(log, 0, [{ producerId: p, firstOffset: 0 }])).toEqual(['0:idempotent'])
  })

  test('a record whose key looks like a marker is a record', () => {
    const log = [
      transactional(0, p, [ABORT]),
      transactional(1, p, ['x']),
      marker(2, p, ABORT),
      transactional(3, p, [ABORT, 'a']),
    ]
    expect(visible(log, 0, [{ producerId: p, firstOffset: 0 }])).toEqual(['3:\0\0\0\0', '4:a'])
  })

  test('only an abort marker ends an aborted transaction', () => {
    const empty = batch({ baseOffset: 1, producerId: p, attributes: CONTROL | TRANSACTIONAL, keys: [] })
    for (const other of [marker(1, p, COMMIT), marker(1, p, Buffer.from([0, 0, 0, 9])), marker(1, q, ABORT), empty]) {
      const log = [transactional(0, p, ['x']), other, transactional(2, p, ['y'])]
      expect(visible(log, 0, [{ producerId: p, firstOffset: 0 }])).toEqual([])
    }
  })

  test('a control record without a type is damage', () => {
    const log = [marker(0, p, Buffer.from([0, 0, 0]))]
    expect(errorOf(() => read(log, 0, [{ producerId: p, firstOffset: 0 }])).code).toBe('CORRUPT_BATCH')
  })
})

describe('readBatches: compression', () => {
  const keys = Array.from({ length: 5000 }, (_, i) => `key ${String(i)}`)
  const snappyJava = (records: Buffer): Buffer => {
    const blocks: Buffer[] = [Buffer.from('82534e415050590000000001' + '00000001', 'hex')]
    for (let from = 0; from < records.length; from += 32_768) {
      const block = compressSync(records.subarray(from, from + 32_768))
      const size = Buffer.alloc(4)
      size.writeInt32BE(block.length)
      blocks.push(size, block)
    }
    return Buffer.concat(blocks)
  }
  /** A frame of raw blocks, without a content size. */
  const zstdStored = (records: Buffer): Buffer => {
    const parts: Buffer[] = [Buffer.from('28b52ffd0058', 'hex')]
    for (let from = 0; from < records.length; from += 65_536) {
      const block = records.subarray(from, from + 65_536)
      const head = Buffer.alloc(3)
      head.writeUIntLE((block.length << 3) | Number(from + 65_536 >= records.length), 0, 3)
      parts.push(head, block)
    }
    return Buffer.concat(parts)
  }
  const codecs: [string, number, (records: Buffer) => Buffer][] = [
    ['gzip', 1, (records) => gzipSync(records)],
    ['raw snappy', 2, (records) => compressSync(records)],
    ['framed snappy', 2, snappyJava],
    ['lz4', 3, (records) => compressFrameSync(records)],
    ['zstd', 4, zstdStored],
  ]

  test.each(codecs)('%s', (_, attributes, section) => {
    const raw = batch({ baseOffset: 7, keys, attributes, section })
    const { batches, nextPosition, bytes } = readBatches(raw, 7, [])
    expect(recordsOf(batches)).toEqual(keys.map((key, i) => `${String(7 + i)}:${key}`))
    expect(nextPosition).toBe(7 + keys.length)
    expect(bytes).toBe(batch({ keys }).length - BATCH_HEADER_BYTES)
  })

  test.each(codecs)(
    '%s, damaged before it was sealed, is CORRUPT_BATCH or a malformed section',
    (_, attributes, section) => {
      const mutation = fc.record({ where: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) })
      fc.assert(
        fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), fc.boolean(), (mutations, cut) => {
          const damage = (records: Buffer): Buffer => {
            const compressed = Buffer.from(section(records))
            for (const { where, byte } of mutations) compressed[where % Math.min(compressed.length, 40)] = byte
            return cut ? compressed.subarray(0, (mutations[0]?.where ?? 0) % compressed.length) : compressed
          }
          const raw = batch({ keys: keys.slice(0, 20), attributes, section: damage })
          try {
            recordsOf(readBatches(raw, 0, []).batches)
          } catch (error) {
            expect(isPotorooError(error, 'CORRUPT_BATCH')).toBe(true)
          }
        }),
        { numRuns: 100 },
      )
    },
  )

  test.each(codecs.map(([name, attributes]) => [name, attributes] as const))(
    '%s that is something else is CORRUPT_BATCH, with the cause',
    (_, attributes) => {
      const raw = batch({ attributes, section: () => Buffer.from('something else entirely') })
      const { code, cause } = errorOf(() => readBatches(raw, 0, []))
      expect([code, cause instanceof Error]).toEqual(['CORRUPT_BATCH', true])
    },
  )

  test('a codec that Kafka does not know is CORRUPT_BATCH', () => {
    const error = errorOf(() => read([batch({ attributes: 5 })]))
    expect(error.code).toBe('CORRUPT_BATCH')
    expect(error.message).toContain('codec 5')
  })

  test('what nobody will see is not decompressed', () => {
    const broken = (fields: Fields): Buffer => batch({ ...fields, section: () => Buffer.from('nonsense') })
    const aborted = broken({ baseOffset: 1, attributes: 1 | TRANSACTIONAL, producerId: 5n })
    expect(read([broken({ attributes: 1 }), aborted], 1, [{ producerId: 5n, firstOffset: 1 }]).nextPosition).toBe(2)
  })
})

describe('readBatches: damage', () => {
  test.each([0, 1, 3])('magic %i is not supported, and said', (magic) => {
    const raw = batch({ baseOffset: 33 })
    raw[16] = magic
    const error = errorOf(() => readBatches(raw, 33, []))
    expect(error.code).toBe('UNSUPPORTED_FORMAT')
    expect(error.message).toContain(`offset 33 is in message format ${String(magic)}`)
  })

  test.each<[string, (raw: Buffer) => void]>([
    ['a wrong checksum', (raw) => raw.writeUInt32BE(1, 17)],
    ['a length below the header', (raw) => raw.writeInt32BE(48, 8)],
    ['a negative length', (raw) => raw.writeInt32BE(-1, 8)],
    ['a negative offset', (raw) => raw.writeBigInt64BE(-1n, 0)],
    ['an offset beyond 2^53', (raw) => raw.writeBigInt64BE(2n ** 53n, 0)],
  ])('%s', (_, damage) => {
    const raw = batch({})
    damage(raw)
    expect(errorOf(() => readBatches(raw, 0, [])).code).toBe('CORRUPT_BATCH')
  })

  test('a length below the header, and nothing after it', () => {
    const raw = batch({})
    raw.writeInt32BE(0, 8)
    for (let cut = 17; cut < BATCH_HEADER_BYTES; cut++) {
      expect(errorOf(() => readBatches(raw.subarray(0, cut), 0, [])).code).toBe('CORRUPT_BATCH')
    }
  })

  test('sealed damage: a negative last offset, offsets that fall, more or fewer records than named', () => {
    expect(errorOf(() => read([batch({ lastOffsetDelta: -1 })])).code).toBe('CORRUPT_BATCH')
    const [five, six] = [batch({ baseOffset: 5, keys: ['a', 'b'] }), batch({ baseOffset: 6 })]
    expect(errorOf(() => read([five, six], 7)).code).toBe('CORRUPT_BATCH')
    for (const count of [-1, 1, 3]) {
      expect(errorOf(() => visible([batch({ keys: ['a', 'b'], count })])).code).toBe('CORRUPT_BATCH')
    }
  })

  test('says at which offset', () => {
    const raw = Buffer.concat([batch({ baseOffset: 4 }), batch({ baseOffset: 5, keys: ['damaged'] })])
    raw[raw.length - 1] = 0xff
    expect(errorOf(() => readBatches(raw, 5, [])).message).toContain('the batch at offset 5')
  })

  test('says where to continue, when the header is right', () => {
    const section = (): Buffer => Buffer.from('nonsense')
    const raw = batch({ baseOffset: 5, keys: ['a', 'b', 'c'], attributes: 1, section })
    expect(errorOf(() => readBatches(raw, 5, [])).message).toMatch(/what follows it begins at offset 8$/)
    // Where it is not, nothing that it says can be believed.
    raw[raw.length - 1] = 0xff
    expect(errorOf(() => readBatches(raw, 5, [])).message).not.toContain('follows')
  })

  test('leaves what lies in front of it readable', () => {
    const section = (): Buffer => Buffer.from('nonsense')
    const broken = batch({ baseOffset: 6, attributes: 1, section })
    const inFront: readonly [Buffer, string[]][] = [
      [batch({ baseOffset: 4, keys: ['a', 'b'] }), ['4:a', '5:b']],
      // Nobody sees anything of these, but they are read.
      [marker(5, 5n, COMMIT), []],
      [batch({ baseOffset: 4, keys: ['a', 'b'], count: 0 }), []],
    ]
    for (const [first, records] of inFront) {
      const raw = Buffer.concat([first, broken, batch({ baseOffset: 7 })])
      const { batches, nextPosition } = readBatches(raw, 4, [])
      expect(recordsOf(batches)).toEqual(records)
      expect(nextPosition).toBe(6)
      expect(errorOf(() => readBatches(raw, 6, [])).message).toContain('the batch at offset 6')
    }
  })

  test('any change of a byte gives an error, or whole batches as they were', () => {
    const raw = Buffer.concat([
      batch({ baseOffset: 10, keys: ['a', 'b'] }),
      transactional(12, 5n, ['c']),
      marker(13, 5n, COMMIT),
      batch({ baseOffset: 14, keys: ['d', 'e'], attributes: 1, section: (records) => gzipSync(records) }),
    ])
    const right = ['a', 'b', 'c', 'd', 'e']
    fc.assert(
      fc.property(fc.nat(raw.length - 1), fc.integer({ min: 1, max: 255 }), fc.nat(raw.length), (where, flip, cut) => {
        const changed = Buffer.from(raw)
        changed[where] = (changed[where] ?? 0) ^ flip
        try {
          const records = recordsOf(readBatches(changed.subarray(0, cut), 0, []).batches)
          // Offsets themselves, leader epochs and lengths are not under the checksum.
          expect(records.map((each) => each.split(':')[1])).toEqual(right.slice(0, records.length))
        } catch (error) {
          expect(isPotorooError(error, 'CORRUPT_BATCH') || isPotorooError(error, 'UNSUPPORTED_FORMAT')).toBe(true)
        }
      }),
      { numRuns: 3000 },
    )
  })
})
