/** Logs as Kafka's own Java classes wrote them, with what those classes read in them: see java/JavaBatches.java. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { RecordCursor, RecordWriter, type RecordBatch } from '../../../src/core/records/records.js'
import { readBatches, sealBatch } from '../../../src/kafka/record-batch.js'

interface JavaRecord {
  readonly offset: number
  readonly timestampMs: number
  /** Bytes are base64. */
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly { readonly key: string; readonly value: string | null }[]
}
interface JavaBatch {
  readonly baseOffset: number
  readonly nextOffset: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly transactional: boolean
  readonly control: boolean
  readonly count: number
  /** All of them; of a hundred and more only the last. */
  readonly records: readonly JavaRecord[]
}
interface JavaLog {
  readonly name: string
  readonly raw: Buffer
  readonly batches: readonly JavaBatch[]
}

const logs: readonly JavaLog[] = readFileSync(new URL('java/batches.ndjson', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Omit<JavaLog, 'raw'> & { raw: string })
  .map((log) => ({ ...log, raw: Buffer.from(log.raw, 'base64') }))
const named = (name: string): JavaLog[] => logs.filter((log) => log.name.endsWith(name))

const base64 = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString('base64')
const bytes = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text, 'base64'))

function recordsOf(batch: RecordBatch): JavaRecord[] {
  const cursor = new RecordCursor()
  const records: JavaRecord[] = []
  cursor.open(batch)
  while (cursor.next()) {
    const { offset, timestampMs, buffer, keyStart, keyEnd, valueStart, valueEnd } = cursor
    records.push({
      offset,
      timestampMs,
      key: keyStart < 0 ? null : buffer.toString('base64', keyStart, keyEnd),
      value: valueStart < 0 ? null : buffer.toString('base64', valueStart, valueEnd),
      headers: cursor.headers().map(({ key, value }) => ({ key, value: base64(value) })),
    })
  }
  return records
}
const told = (records: readonly JavaRecord[]): readonly JavaRecord[] =>
  records.length < 100 ? records : records.slice(-1)

test('there is a log of every kind', () => {
  expect(logs.map(({ name }) => name).sort()).toEqual(
    ['none', 'gzip', 'snappy', 'lz4', 'zstd']
      .flatMap((codec) =>
        ['small', 'large', 'noise', 'append time', 'transactions', 'compacted'].map((kind) => `${codec}, ${kind}`),
      )
      .filter((name) => name !== 'none, large')
      .sort(),
  )
})

describe.each(logs)('$name', ({ raw, batches }) => {
  test('is read as Java reads it', () => {
    const read = readBatches(raw, 0, [])
    const visible = batches.filter(({ control, count }) => !control && count > 0)
    expect(read.batches.map((batch) => [batch.baseOffset, batch.count])).toEqual(
      visible.map(({ baseOffset, count }) => [baseOffset, count]),
    )
    expect(read.batches.map((batch) => told(recordsOf(batch)))).toEqual(visible.map(({ records }) => records))
    expect(read.nextPosition).toBe(batches.at(-1)?.nextOffset)
  })

  test('has no whole last batch when a byte is missing', () => {
    const { nextPosition } = readBatches(raw.subarray(0, -1), 0, [])
    expect(nextPosition).toBe(batches.at(-2)?.nextOffset ?? 0)
  })
})

test.each(named('large'))('$name: every record', ({ raw }) => {
  const [batch] = readBatches(raw, 0, []).batches
  const values = batch ? recordsOf(batch).map(({ value }) => bytes(value)?.toString()) : []
  expect(values).toEqual(Array.from({ length: 200 }, (_, i) => 'the same text again, '.repeat(50) + String(i)))
})

test.each(named('transactions'))('$name: the aborted one is dropped', ({ raw }) => {
  const { batches } = readBatches(raw, 0, [{ producerId: 22n, firstOffset: 11 }])
  expect(batches.flatMap(recordsOf).map(({ value }) => bytes(value)?.toString())).toEqual([
    'kept',
    'kept too',
    'a new transaction',
  ])
})

test.each(['none, small', 'none, noise', 'none, transactions'])('%s: our writer makes the same bytes', (name) => {
  const [log] = named(name)
  let at = 0
  for (const { records, producerId, producerEpoch, baseSequence, transactional, control } of log?.batches ?? []) {
    const length = 12 + (log?.raw.readInt32BE(at + 8) ?? 0)
    const java = Buffer.from(log?.raw.subarray(at, at + length) ?? [])
    at += length
    if (control) continue
    const writer = new RecordWriter(1_000_000)
    for (const { timestampMs, key, value, headers } of records) {
      const plain = headers.map((header) => ({ key: header.key, value: bytes(header.value) }))
      writer.append(timestampMs, bytes(key), bytes(value), plain)
    }
    const [chunk] = writer.take()
    if (chunk === undefined) throw new Error('no chunk')
    const seal = { producerId, producerEpoch, firstSequence: baseSequence, transactional }
    // Offsets and leader epochs are the broker's to set, and under no checksum.
    java.fill(0, 0, 8).fill(0, 12, 16)
    expect(sealBatch(chunk, seal).toString('hex')).toBe(java.toString('hex'))
  }
  expect(at).toBe(log?.raw.length)
})
