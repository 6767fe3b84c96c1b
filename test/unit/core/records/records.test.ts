import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  BATCH_HEADER_BYTES,
  RecordCursor,
  RecordWriter,
  type RecordBatch,
  type RecordChunk,
  type RecordHeader,
} from '../../../../src/core/records/records.js'
import { isPotorooError } from '../../../../src/errors.js'
import { batchOfChunk } from '../../../support/records.js'

type Content = Uint8Array | string | null
interface Plain {
  readonly timestampMs: number
  readonly key: Content
  readonly value: Content
  readonly headers: readonly RecordHeader[]
}
interface Read {
  readonly offset: number
  readonly timestampMs: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly { readonly key: string; readonly value: string | null }[]
}

const hex = (content: Content): string | null =>
  content === null ? null : Buffer.from(content as Uint8Array).toString('hex')

function readAll(batch: RecordBatch, cursor = new RecordCursor()): Read[] {
  const records: Read[] = []
  cursor.open(batch)
  while (cursor.next()) {
    const { buffer, keyStart, keyEnd, valueStart, valueEnd } = cursor
    records.push({
      offset: cursor.offset,
      timestampMs: cursor.timestampMs,
      key: keyStart < 0 ? null : buffer.toString('hex', keyStart, keyEnd),
      value: valueStart < 0 ? null : buffer.toString('hex', valueStart, valueEnd),
      headers: cursor.headers().map(({ key, value }) => ({ key, value: hex(value) })),
    })
  }
  return records
}

const batchOf = (chunk: RecordChunk, baseOffset = 0): RecordBatch => batchOfChunk(baseOffset, chunk)
const sectionOf = (bytes: Buffer, count: number, more: Partial<RecordBatch> = {}): RecordBatch => ({
  baseOffset: 1000,
  baseTimestampMs: 0,
  appendTimeMs: -1,
  count,
  bytes,
  start: 0,
  end: bytes.length,
  ...more,
})

function write(records: readonly Plain[], maxBatchBytes = 1_000_000): RecordChunk[] {
  const writer = new RecordWriter(maxBatchBytes)
  for (const { timestampMs, key, value, headers } of records) {
    expect(writer.append(timestampMs, key, value, headers)).toBe(true)
  }
  return writer.take()
}
const onlyOf = (chunks: readonly RecordChunk[]): RecordChunk => {
  const [chunk, ...others] = chunks
  if (chunk === undefined || others.length > 0) throw new Error(`${String(chunks.length)} chunks, not one`)
  return chunk
}

const text = fc.oneof(
  fc.string({ maxLength: 80 }),
  fc.string({ maxLength: 80, unit: 'binary' }),
  fc.constantFrom('', 'a'.repeat(31), 'b'.repeat(32), 'c'.repeat(33), 'é', `${'d'.repeat(40)}é`, '\ud800', 'x\udc00y'),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 60 }).map((units) => String.fromCharCode(...units)),
)
const bytes = fc.uint8Array({ maxLength: 300 })
const content: fc.Arbitrary<Content> = fc.oneof(text, bytes, fc.constant(null))
const plain: fc.Arbitrary<Plain> = fc.record({
  timestampMs: fc.oneof(
    fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
    fc.integer({ min: -(2 ** 50), max: 2 ** 50 }),
    fc.integer({ min: 0, max: 20_000 }),
  ),
  key: content,
  value: content,
  headers: fc.oneof(
    fc.constant([]),
    fc.array(fc.record({ key: text, value: fc.option(bytes) }), { maxLength: 4 }),
    fc.array(fc.record({ key: fc.constantFrom('a', 'b'), value: fc.option(bytes) }), { maxLength: 80 }),
  ),
})

/** Enough for several batches, and for offset deltas of two bytes. */
const many = fc.array(plain, { maxLength: 100, size: 'max' })

/** A record written by hand, so that it can be wrong. Numbers are varints, arrays raw bytes. */
function handmade(...parts: readonly (number | readonly number[])[]): number[] {
  return parts.flatMap((part) => (typeof part === 'number' ? varint(part) : part))
}
function varint(value: number): number[] {
  let rest = value < 0 ? -value * 2 - 1 : value * 2
  const out: number[] = []
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) out.push((rest % 0x80) | 0x80)
  return [...out, rest]
}
/** Attributes, timestamp delta, offset delta, and the rest; behind the length of all that. */
const record = (offsetDelta: number, ...rest: readonly (number | readonly number[])[]): number[] => {
  const body = handmade([0], 0, offsetDelta, ...rest)
  return handmade(body.length, body)
}

const codeOf = (call: () => unknown): unknown => {
  try {
    call()
  } catch (error) {
    return isPotorooError(error) ? error.code : error
  }
  return undefined
}

describe('a cursor on a malformed section', () => {
  const good = record(0, -1, -1, 0)
  const cases: Record<string, { bytes: number[]; count?: number }> = {
    'no bytes for its record': { bytes: [] },
    'a negative count': { bytes: good, count: -1 },
    'more records than it names': { bytes: [...good, ...record(1, -1, -1, 0)] },
    'fewer records than it names': { bytes: good, count: 2 },
    'a length of zero': { bytes: [0, ...good.slice(1)] },
    'a negative length': { bytes: handmade(-7, good.slice(1)) },
    'a length beyond its end': { bytes: handmade(7, good.slice(1)) },
    'a length beyond 32 bits': { bytes: [0xff, 0xff, 0xff, 0xff, 0x1f, ...good.slice(1)] },
    'more than 32 bits that would pass when cut to 32': {
      bytes: handmade(10, [0], 0, [0x80, 0x80, 0x80, 0x80, 0x10], -1, -1, 0),
    },
    'a varint without end': { bytes: Array.from({ length: 40 }, () => 0xff) },
    'a timestamp delta beyond 64 bits': {
      bytes: handmade(15, [0, ...Array.from({ length: 9 }, () => 0xff), 0x02], 0, -1, -1, 0),
    },
    'a negative offset delta': { bytes: record(-1, -1, -1, 0) },
    'an offset twice': { bytes: [...good, ...good], count: 2 },
    'offsets that fall': { bytes: [...record(5, -1, -1, 0), ...record(4, -1, -1, 0)], count: 2 },
    'a key length below -1': { bytes: record(0, -2, -1, 0) },
    'a value length below -1': { bytes: record(0, -1, -2, 0) },
    'a key beyond its record': { bytes: [...record(0, 3, -1, 0), ...record(1, -1, -1, 0)], count: 2 },
    'a key of 2 GiB': { bytes: record(0, 2 ** 31 - 1, -1, 0) },
    'a value beyond its record': { bytes: [...record(0, -1, 1, 0), ...record(1, -1, -1, 0)], count: 2 },
    'a value that leaves bytes over': { bytes: record(0, -1, 1, [1], 0, [9]) },
    'a negative number of headers': { bytes: record(0, -1, -1, -1) },
    'more headers than there are': { bytes: record(0, -1, -1, 2, 1, [97], 1, [98]) },
    'two billion headers': { bytes: record(0, -1, -1, 2 ** 31 - 1, 0, -1, 0, -1) },
    'a header whose key has -1 bytes': { bytes: record(0, -1, -1, 1, [0x01]) },
    'a header without a key': { bytes: record(0, -1, -1, 1, -1, -1) },
    'a header key beyond its record': { bytes: record(0, -1, -1, 1, 9, [97], 0) },
    'a header value beyond its record': {
      bytes: [...record(0, -1, -1, 1, 0, 2, [98]), ...record(1, -1, -1, 0)],
      count: 2,
    },
    'a header value length below -1': { bytes: record(0, -1, -1, 1, 0, -2) },
  }
  test.each(Object.entries(cases))('%s', (_, { bytes, count = 1 }) => {
    // Whatever lies around the section must not matter.
    for (const around of [0x00, 0x01, 0xff]) {
      const surrounded = Buffer.concat([Buffer.alloc(8, around), Buffer.from(bytes), Buffer.alloc(64, around)])
      const batch = sectionOf(surrounded, count, { start: 8, end: 8 + bytes.length })
      const cursor = new RecordCursor()
      expect(codeOf(() => readAll(batch, cursor))).toBe('CORRUPT_BATCH')
      expect(codeOf(() => cursor.next())).toBe('CORRUPT_BATCH')
      cursor.open(sectionOf(Buffer.from(good), 1))
      expect(cursor.next()).toBe(true)
      expect(cursor.next()).toBe(false)
    }
    expect(codeOf(() => readAll(sectionOf(Buffer.from(bytes), count)))).toBe('CORRUPT_BATCH')
  })

  test.each([
    { start: -1, end: 4 },
    { start: 3, end: 2 },
    { start: 0, end: 100 },
  ])('a section from $start to $end', (bounds) => {
    const cursor = new RecordCursor()
    expect(
      codeOf(() => {
        cursor.open(sectionOf(Buffer.from(good), 1, bounds))
      }),
    ).toBe('CORRUPT_BATCH')
    expect(codeOf(() => cursor.next())).toBe('CORRUPT_BATCH')
  })

  test('says which batch', () => {
    expect(() => readAll(sectionOf(Buffer.from(good), 2))).toThrow('the batch at offset 1000')
  })

  test('any cut of a section is an error', () => {
    fc.assert(
      fc.property(fc.array(plain, { minLength: 1, maxLength: 5 }), fc.nat(), (records, where) => {
        const chunk = onlyOf(write(records))
        const end = BATCH_HEADER_BYTES + (where % (chunk.end - BATCH_HEADER_BYTES))
        expect(codeOf(() => readAll({ ...batchOf(chunk), end }))).toBe('CORRUPT_BATCH')
      }),
    )
  })

  test('whatever the bytes are, it ends, within the section, with rising offsets or CORRUPT_BATCH', () => {
    const mutation = fc.record({ where: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) })
    fc.assert(
      fc.property(
        fc.array(plain, { minLength: 1, maxLength: 5 }),
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: -1, max: 2 }),
        (records, mutations, more) => {
          const chunk = onlyOf(write(records))
          for (const { where, byte } of mutations) {
            chunk.bytes[BATCH_HEADER_BYTES + (where % (chunk.end - BATCH_HEADER_BYTES))] = byte
          }
          const cursor = new RecordCursor()
          let steps = 0
          let offset = -1
          const code = codeOf(() => {
            cursor.open({ ...batchOf(chunk), count: chunk.count + more })
            while (cursor.next()) {
              if (++steps > 10_000) throw new Error('no end')
              expect(cursor.offset).toBeGreaterThan(offset)
              offset = cursor.offset
              expect(Number.isSafeInteger(cursor.timestampMs)).toBe(true)
              for (const [from, to] of [
                [cursor.keyStart, cursor.keyEnd],
                [cursor.valueStart, cursor.valueEnd],
              ] as const) {
                if (from === -1) expect(to).toBe(-1)
                else expect(BATCH_HEADER_BYTES <= from && from <= to && to < chunk.end).toBe(true)
              }
              for (const { value } of cursor.headers()) expect(value?.length ?? 0).toBeLessThan(chunk.end)
            }
          })
          expect([undefined, 'CORRUPT_BATCH']).toContain(code)
        },
      ),
      { numRuns: 1000 },
    )
  })
})

describe('a cursor', () => {
  test('has nothing in an empty batch, and stays at the end', () => {
    const cursor = new RecordCursor()
    expect(cursor.next()).toBe(false)
    cursor.open(sectionOf(Buffer.alloc(0), 0))
    expect(cursor.next()).toBe(false)
    expect(cursor.next()).toBe(false)
  })

  test('takes offsets from their deltas: compaction leaves gaps', () => {
    const compacted = Buffer.from([...record(3, -1, -1, 0), ...record(200, -1, -1, 0)])
    expect(readAll(sectionOf(compacted, 2)).map(({ offset }) => offset)).toEqual([1003, 1200])
  })

  test('gives every record the append time where the topic does', () => {
    const chunk = onlyOf(write([5, 9].map((timestampMs) => ({ timestampMs, key: null, value: null, headers: [] }))))
    expect(readAll({ ...batchOf(chunk), appendTimeMs: 77 }).map(({ timestampMs }) => timestampMs)).toEqual([77, 77])
    expect(readAll({ ...batchOf(chunk), appendTimeMs: 0 }).map(({ timestampMs }) => timestampMs)).toEqual([0, 0])
  })

  test('keeps absurd timestamps to what can be counted with', () => {
    const [largest, smallest] = [[0xfe], [0xff]].map((low) => [...low, ...Array.from({ length: 8 }, () => 0xff), 0x01])
    for (const delta of [largest, smallest]) {
      const cursor = new RecordCursor()
      cursor.open(sectionOf(Buffer.from(handmade(15, [0], delta ?? [], 0, -1, -1, 0)), 1, { baseTimestampMs: 2 ** 51 }))
      expect(cursor.next()).toBe(true)
      expect(new RecordWriter(1000).append(cursor.timestampMs, null, null)).toBe(true)
    }
  })

  test('finds the last header of a name', () => {
    const headers = [
      { key: 'a', value: Buffer.from('1') },
      { key: 'é', value: Buffer.from('2') },
      { key: 'a', value: Buffer.from('3') },
      { key: 'ab', value: Buffer.from('4') },
      { key: 'none', value: Buffer.from('5') },
      { key: 'none', value: null },
      { key: '', value: Buffer.alloc(0) },
    ]
    const cursor = new RecordCursor()
    cursor.open(batchOf(onlyOf(write([{ timestampMs: 0, key: 'k', value: 'v', headers }]))))
    expect(cursor.header('a')).toBe(undefined)
    expect(cursor.next()).toBe(true)
    expect(hex(cursor.header('a') ?? null)).toBe('33')
    expect(hex(cursor.header('é') ?? null)).toBe('32')
    expect(cursor.header('none')).toBe(undefined)
    expect(cursor.header('b')).toBe(undefined)
    expect(hex(cursor.header('') ?? null)).toBe('')
  })
})

describe('a writer', () => {
  test('writes what a cursor reads', () => {
    fc.assert(
      fc.property(many, fc.integer({ min: 62, max: 3000 }), (records, max) => {
        const writer = new RecordWriter(max)
        const taken = records.filter((r) => writer.append(r.timestampMs, r.key, r.value, r.headers))
        expect(writer.count).toBe(taken.length)
        const size = writer.bytes
        const chunks = writer.take()
        expect(size).toBe(chunks.reduce((sum, { end }) => sum + end, 0))
        let offset = 0
        const read = chunks.flatMap((chunk) => {
          expect(chunk.end).toBeLessThanOrEqual(max)
          const batch = readAll(batchOf(chunk, offset))
          const times = batch.map(({ timestampMs }) => timestampMs)
          expect([chunk.baseTimestampMs, chunk.maxTimestampMs]).toEqual([times[0], Math.max(...times)])
          expect(batch.length).toBe(chunk.count)
          offset += chunk.count
          return batch
        })
        expect(read).toEqual(
          taken.map(({ timestampMs, key, value, headers }, i) => ({
            offset: i,
            timestampMs,
            key: hex(key),
            value: hex(value),
            headers: headers.map(({ key, value }) => ({ key: Buffer.from(key).toString(), value: hex(value) })),
          })),
        )
      }),
      { numRuns: 200 },
    )
  })

  test('refuses exactly the records that no batch can hold, and closes a batch only when it must', () => {
    fc.assert(
      fc.property(many, fc.integer({ min: 62, max: 2000 }), (records, max) => {
        const writer = new RecordWriter(max)
        const sizes: number[] = []
        for (const { timestampMs, key, value, headers } of records) {
          const [count, bytes] = [writer.count, writer.bytes]
          const alone = RecordWriter.bytesAlone(key, value, headers)
          const appended = writer.append(timestampMs, key, value, headers)
          expect(appended).toBe(alone <= max)
          if (appended) sizes.push(alone - BATCH_HEADER_BYTES)
          else expect([writer.count, writer.bytes]).toEqual([count, bytes])
        }
        const chunks = writer.take()
        let first = 0
        for (const [i, chunk] of chunks.entries()) {
          expect(chunk.count).toBeGreaterThan(0)
          first += chunk.count
          const next = sizes[first]
          // The deltas of a record that is not the first take at most 9 + 2 bytes more, its length one.
          if (i < chunks.length - 1) expect(chunk.end + (next ?? 0) + 12).toBeGreaterThan(max)
        }
        expect(first).toBe(sizes.length)
      }),
      { numRuns: 200 },
    )
  })

  test('fills a batch to its last byte', () => {
    const one = RecordWriter.bytesAlone('k', 'v') - BATCH_HEADER_BYTES
    const writer = new RecordWriter(BATCH_HEADER_BYTES + 2 * one)
    for (let i = 0; i < 5; i++) writer.append(7, 'k', 'v')
    expect(writer.take().map(({ count, end }) => [count, end])).toEqual([
      [2, BATCH_HEADER_BYTES + 2 * one],
      [2, BATCH_HEADER_BYTES + 2 * one],
      [1, BATCH_HEADER_BYTES + one],
    ])
  })

  test('a text that is too large only by its UTF-8 opens no empty chunk', () => {
    const writer = new RecordWriter(BATCH_HEADER_BYTES + 60)
    expect(writer.append(1, null, 'x'.repeat(45))).toBe(true)
    expect(writer.append(2, null, 'é'.repeat(45))).toBe(false)
    expect(writer.append(3, null, '€'.repeat(15))).toBe(true)
    expect(writer.count).toBe(2)
    expect(writer.take().map(({ count }) => count)).toEqual([1, 1])
  })

  test('texts of every length and last character are what Buffer makes of them', () => {
    for (const last of ['', 'a', '\x7f', '\x80', 'é', '€', '\u{1f998}', 'éé\u{1f998}', '\ud800', '\udc00']) {
      for (let length = 0; length < 70; length++) {
        const value = 'x'.repeat(length) + last
        const record = { timestampMs: 0, key: last, value, headers: [] }
        // The first record of a batch is measured, others are taken for ASCII first.
        const read = readAll(batchOf(onlyOf(write([record, record]))))
        expect(read.map(({ key, value }) => [key, value])).toEqual(Array(2).fill([hex(last), hex(value)]))
      }
    }
  })

  test('a text that ends where the memory ends is whole', () => {
    for (const last of ['', 'é', 'éé', '€', '\u{1f998}']) {
      for (let length = 4096 - 100; length < 4096; length++) {
        const value = 'x'.repeat(length) + last
        const records = [null, value].map((value) => ({ timestampMs: 0, key: null, value, headers: [] }))
        expect(readAll(batchOf(onlyOf(write(records))))[1]?.value === hex(value)).toBe(true)
      }
    }
  })

  test('says where keys and values are, in chunks that grow, and that no other record moves', () => {
    const pair = fc.tuple(fc.uint8Array({ maxLength: 200 }), fc.option(fc.uint8Array({ maxLength: 200 })))
    fc.assert(
      fc.property(fc.array(pair, { size: '+1' }), fc.integer({ min: 500, max: 5000 }), (pairs, max) => {
        const writer = new RecordWriter(max)
        writer.expect(max % 3 === 0 ? 0 : max - 400)
        const said = pairs.map(([key, value]) => {
          const bytes = Buffer.concat([Buffer.from('-'), key, value ?? Buffer.alloc(0)])
          const keyEnd = 1 + key.length
          expect(writer.appendPair(1, bytes, 1, keyEnd, value === null ? -1 : bytes.length)).toBe(true)
          return { chunk: writer.chunk, keyStart: writer.keyStart, valueStart: writer.valueStart }
        })
        const chunks = writer.take()
        expect(chunks).toEqual([...new Set(said.map(({ chunk }) => chunk))])
        for (const [i, [key, value]] of pairs.entries()) {
          const { chunk, keyStart, valueStart } = said[i] ?? expect.fail()
          const at = (start: number, length: number) => hex(chunk?.bytes.subarray(start, start + length) ?? null)
          expect(at(keyStart, key.length)).toBe(hex(key))
          if (value !== null) expect(at(valueStart, value.length)).toBe(hex(value))
        }
        const read = chunks.flatMap((chunk) => readAll(batchOf(chunk))).map(({ key, value }) => [key, value])
        expect(read).toEqual(pairs.map(([key, value]) => [hex(key), hex(value)]))
      }),
    )
  })

  test('has memory for what is expected from the start, of no more than a batch', () => {
    const value = 'x'.repeat(90)
    const alone = RecordWriter.bytesAlone(null, value) - BATCH_HEADER_BYTES
    const writer = new RecordWriter(100 * alone)
    writer.expect(150 * alone)
    const memory = new Set<Buffer | undefined>()
    for (let i = 0; i < 148; i++) {
      writer.append(0, null, value)
      memory.add(writer.chunk?.bytes)
    }
    // never larger ones in their places
    expect(memory.size).toBe(2)
    const chunks = writer.take()
    const sizes = chunks.map(({ bytes }) => Math.round(bytes.length / alone))
    expect(sizes).toEqual([100, 50])
    expect(writer.chunk).toBe(undefined)
  })

  test('empties itself when taken, and never writes again to what it handed over', () => {
    const writer = new RecordWriter(10_000)
    writer.append(1, 'first', 'value')
    const [chunk] = writer.take()
    expect([writer.count, writer.bytes, writer.take()]).toEqual([0, 0, []])
    const before = chunk?.bytes.toString('hex')
    for (let i = 0; i < 50; i++) writer.append(2, 'second', 'other')
    expect(chunk?.bytes.toString('hex')).toBe(before)
    expect(writer.take().map(({ bytes }) => bytes.buffer === chunk?.bytes.buffer)).toEqual([false])
  })

  test('forgets what is discarded, closed batches too', () => {
    const writer = new RecordWriter(100)
    for (let i = 0; i < 9; i++) writer.append(i, 'some key', 'some value')
    writer.discard()
    expect([writer.count, writer.bytes]).toEqual([0, 0])
    writer.append(9, 'k', null)
    expect(writer.take().map((c) => readAll(batchOf(c)).map(({ key, value }) => [key, value]))).toEqual([
      [['6b', null]],
    ])
  })

  test('takes only whole milliseconds', () => {
    for (const wrong of [0.5, NaN, Infinity, 2 ** 53]) {
      expect(codeOf(() => new RecordWriter(1000).append(wrong, null, null))).toBe('INTERNAL')
    }
  })
})
