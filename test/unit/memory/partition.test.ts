import { expect, test } from 'vitest'
import { RecordCursor } from '../../../src/core/records/records.js'
import { PartitionLog } from '../../../src/memory/partition.js'
import { chunksOf, type TestRecord } from '../../support/records.js'

const append = (log: PartitionLog, producerId: number, ...records: TestRecord[]): void => {
  for (const chunk of chunksOf(records)) log.append(chunk, producerId < 0 ? {} : { producerId })
}
const record = (key: string, value: string | null): TestRecord => ({ key, value })

/** `offset key=value` of all that a reader sees from a position on, and where it ends. */
function read(log: PartitionLog, from = log.logStart): { records: string[]; position: number } {
  const cursor = new RecordCursor()
  const records: string[] = []
  let position = from
  for (;;) {
    const { batches, nextPosition } = log.read(position, 100)
    if (nextPosition === position) return { records, position }
    for (const batch of batches) {
      cursor.open(batch)
      while (cursor.next()) {
        const { buffer, keyStart, keyEnd, valueStart, valueEnd, offset } = cursor
        const value = valueStart < 0 ? 'null' : buffer.toString('utf8', valueStart, valueEnd)
        if (offset >= position) records.push(`${String(offset)} ${buffer.toString('utf8', keyStart, keyEnd)}=${value}`)
      }
    }
    position = nextPosition
  }
}

test('compaction keeps the last committed record of each key at its offset', () => {
  const log = new PartitionLog('t', 0)
  append(log, 1, record('a', '1'), record('b', '1'))
  log.mark(1, 'commit')
  append(log, 1, record('a', '2'))
  log.mark(1, 'abort')
  append(log, 1, record('b', '3'), record('c', '3'))
  log.mark(1, 'commit')
  append(log, 1, record('c', null))
  log.mark(1, 'commit')
  const before = read(log)
  expect(before.records).toEqual(['0 a=1', '1 b=1', '5 b=3', '6 c=3', '8 c=null'])
  log.compact({ nowMs: 0, deleteRetentionMs: 100 })
  expect(read(log)).toEqual({ records: ['0 a=1', '5 b=3', '8 c=null'], position: 10 })
  log.compact({ nowMs: 99, deleteRetentionMs: 100 })
  expect(read(log).records).toContain('8 c=null')
  log.compact({ nowMs: 100, deleteRetentionMs: 100 })
  expect(read(log)).toEqual({ records: ['0 a=1', '5 b=3'], position: 10 })
  expect(read(log, 7)).toEqual({ records: [], position: 10 })
})

test('compaction goes no further than the last stable offset, and leaves a way there', () => {
  const log = new PartitionLog('t', 0)
  append(log, 1, record('a', null))
  log.mark(1, 'commit')
  append(log, 2, record('a', '2'))
  append(log, 1, record('a', '3'))
  log.mark(1, 'commit')
  log.compact({ nowMs: 0, deleteRetentionMs: 0 })
  expect(log.lastStableOffset).toBe(2)
  expect(read(log)).toEqual({ records: [], position: 2 })
  log.mark(2, 'commit')
  expect(read(log)).toEqual({ records: ['2 a=2', '3 a=3'], position: 6 })
})

test('two aborted producers, one inside the other, show nothing', () => {
  const log = new PartitionLog('t', 0)
  append(log, 1, record('a', '1'))
  append(log, 2, record('b', '1'))
  append(log, -1, record('c', '1'))
  log.mark(1, 'abort')
  append(log, 2, record('b', '2'))
  append(log, 1, record('a', '2'))
  log.mark(2, 'abort')
  expect(log.lastStableOffset).toBe(5)
  expect([0, 1, 2, 3, 5].map((offset) => log.fateOf(offset))).toEqual([
    'aborted',
    'aborted',
    'committed',
    'absent',
    { open: 1 },
  ])
  log.mark(1, 'commit')
  expect(read(log).records).toEqual(['2 c=1', '5 a=2'])
})

test("a batch holds at least one however small the bound, and the sender's memory is the sender's", () => {
  const log = new PartitionLog('t', 0)
  const [chunk] = chunksOf([record('a', 'x'.repeat(500))])
  if (chunk === undefined) throw new Error('one chunk')
  log.append(chunk)
  log.append(chunk)
  chunk.bytes.fill(0)
  expect(log.read(0, 1)).toMatchObject({ nextPosition: 1 })
  expect(read(log).records).toHaveLength(2)
})

test('what a broker sends has aborted batches and markers; compaction takes an aborted transaction with its marker', () => {
  const log = new PartitionLog('topic', 0)
  append(log, 7, record('a', '1'))
  log.mark(7, 'abort')
  append(log, 7, record('a', '2'))
  log.mark(7, 'commit')
  append(log, 8, record('b', '1'))
  log.mark(8, 'abort')
  append(log, 9, record('c', 'open'))
  const seen = (from: number) =>
    log.stored(from).map(({ baseOffset, marker }) => `${String(baseOffset)} ${marker ?? ''}`)
  expect(seen(0)).toEqual(['0 ', '1 abort', '2 ', '3 commit', '4 ', '5 abort'])
  expect(seen(3)).toEqual(['3 commit', '4 ', '5 abort'])
  const [first, second] = [
    { producerId: 7, firstOffset: 0, markerOffset: 1 },
    { producerId: 8, firstOffset: 4, markerOffset: 5 },
  ]
  expect(log.abortedIn(0, 6)).toEqual([first, second])
  expect(log.abortedIn(1, 4)).toEqual([first])
  expect(log.abortedIn(2, 4)).toEqual([])
  // The last marker below the open transaction stays; without the first, whoever waits for it would take nothing of 7 any more.
  log.compact({ nowMs: 0, deleteRetentionMs: 0 })
  expect(seen(0)).toEqual(['2 ', '5 abort'])
  expect(log.abortedIn(0, 6)).toEqual([second])
})
