import { describe, expect, test } from 'vitest'
import { Tail, type TailRange } from '../../../src/cli/tailing.js'
import type { Fetched } from '../../../src/core/records/fetched.js'
import { BATCH_HEADER_BYTES, type RecordBatch, RecordWriter } from '../../../src/core/records/records.js'
import { PotorooError } from '../../../src/errors.js'
import type { Fetcher, FetchInput } from '../../../src/ports/log.js'

/** A fetcher whose answers the test gives. */
class ManualFetcher implements Fetcher {
  readonly inputs = new Map<number, FetchInput>()
  woken = 0
  add(input: FetchInput): void {
    this.inputs.set(input.partition, input)
  }
  remove(input: FetchInput): void {
    this.inputs.delete(input.partition)
  }
  wake(): void {
    this.woken += 1
  }
  close(): Promise<void> {
    return Promise.resolve()
  }
  input(partition = 0): FetchInput {
    const input = this.inputs.get(partition)
    if (input === undefined) throw new Error(`partition ${String(partition)} is not read`)
    return input
  }
}

const batch = (baseOffset: number, values: readonly (string | null)[]): RecordBatch => {
  const writer = new RecordWriter(1_000_000)
  for (const value of values) writer.append(0, null, value)
  const [chunk] = writer.take()
  if (chunk === undefined) throw new Error('no chunk')
  const { bytes, end, count } = chunk
  return { baseOffset, baseTimestampMs: 0, appendTimeMs: -1, count, bytes, start: BATCH_HEADER_BYTES, end }
}
const fetched = (position: number, over: Partial<Fetched>): Fetched => ({
  topic: 't',
  partition: 0,
  position,
  nextPosition: position,
  highWatermark: 100,
  lastStableOffset: 100,
  batches: [],
  bytes: 0,
  asked: 0,
  arrived: 1,
  release: () => undefined,
  ...over,
})

function tailOf(ranges: readonly TailRange[], { count = Infinity, ready = (): boolean => true } = {}) {
  const fetcher = new ManualFetcher()
  const values: (string | undefined)[] = []
  const tail = new Tail(fetcher, 't', ranges, {
    ready,
    take: ({ value }) => {
      values.push(value?.toString())
      return values.length < count
    },
  })
  let ended: 'open' | 'done' | Error = 'open'
  void tail.done.then(
    () => (ended = 'done'),
    (error: unknown) => (ended = error as Error),
  )
  const state = async () => {
    await new Promise<void>((resolve) => setImmediate(resolve))
    return ended
  }
  return { fetcher, values, tail, state }
}

describe('Tail', () => {
  test('passes on every record from the position on, once', async () => {
    const { fetcher, values, state } = tailOf([{ partition: 0, position: 11, end: undefined }])
    const first = fetched(11, { nextPosition: 13, batches: [batch(10, ['a', 'b', null])] })
    fetcher.input().deliver(fetched(12, { nextPosition: 14, batches: [batch(12, [null, 'd'])] }))
    fetcher.input().deliver(first)
    fetcher.input().deliver(first)
    expect(fetcher.input().wanted()).toBe(13)
    fetcher.input().deliver(fetched(13, { nextPosition: 14, batches: [batch(13, ['d'])] }))
    expect(values).toEqual(['b', undefined, 'd'])
    expect(await state()).toBe('open')
  })

  test('ends at the end exactly, also within a batch', async () => {
    const { fetcher, values, state } = tailOf([{ partition: 0, position: 0, end: 2 }])
    expect(await state()).toBe('open')
    fetcher.input().deliver(fetched(0, { nextPosition: 3, batches: [batch(0, ['a', 'b', 'c'])] }))
    expect(values).toEqual(['a', 'b'])
    expect(await state()).toBe('done')
    expect(fetcher.input().wanted()).toBeUndefined()
  })

  test('ends when only control batches or aborted records lie before the end', async () => {
    const { fetcher, values, state } = tailOf([{ partition: 0, position: 0, end: 5 }])
    fetcher.input().deliver(fetched(0, { nextPosition: 5 }))
    expect(values).toEqual([])
    expect(await state()).toBe('done')
  })

  test('ends when all partitions have, and at once where all are empty', async () => {
    const two = tailOf([
      { partition: 0, position: 0, end: 1 },
      { partition: 1, position: 0, end: 1 },
    ])
    two.fetcher.input(0).deliver(fetched(0, { nextPosition: 1, batches: [batch(0, ['a'])] }))
    expect(await two.state()).toBe('open')
    two.fetcher.input(1).deliver(fetched(0, { partition: 1, nextPosition: 1, batches: [batch(0, ['b'])] }))
    expect(await two.state()).toBe('done')
    const empty = tailOf([{ partition: 0, position: 7, end: 7 }])
    expect(await empty.state()).toBe('done')
    expect(empty.fetcher.inputs.size).toBe(0)
  })

  test('waits for an open transaction, and names it', async () => {
    const { fetcher, tail, state } = tailOf([{ partition: 0, position: 0, end: 3 }])
    expect(tail.held()).toEqual([])
    fetcher.input().deliver(fetched(0, { lastStableOffset: 1, nextPosition: 1, batches: [batch(0, ['a'])] }))
    expect(tail.held()).toEqual([{ partition: 0, lastStableOffset: 1, end: 3 }])
    expect(await state()).toBe('open')
    fetcher.input().deliver(fetched(1, { nextPosition: 4, batches: [batch(1, ['b', 'c'])] }))
    expect(tail.held()).toEqual([])
    expect(await state()).toBe('done')
  })

  test('is not held by what it has yet to read', () => {
    const { fetcher, tail } = tailOf([{ partition: 0, position: 0, end: 5 }])
    fetcher.input().deliver(fetched(0, { lastStableOffset: 4, nextPosition: 2, batches: [batch(0, ['a', 'b'])] }))
    expect(tail.held()).toEqual([])
  })

  test('stops at the count, in the middle of a batch, and wants nothing more', async () => {
    const { fetcher, values, state } = tailOf([{ partition: 0, position: 0, end: undefined }], { count: 2 })
    fetcher.input().deliver(fetched(0, { nextPosition: 3, batches: [batch(0, ['a', 'b', 'c'])] }))
    fetcher.input().deliver(fetched(0, { nextPosition: 3, batches: [batch(0, ['a', 'b', 'c'])] }))
    expect(values).toEqual(['a', 'b'])
    expect(await state()).toBe('done')
    expect(fetcher.input().wanted()).toBeUndefined()
  })

  test('asks for nothing while the taker is busy', () => {
    const taker = { isReady: false }
    const { fetcher, tail } = tailOf([{ partition: 0, position: 4, end: undefined }], { ready: () => taker.isReady })
    expect(fetcher.input().wanted()).toBeUndefined()
    taker.isReady = true
    tail.wake()
    expect(fetcher.woken).toBe(1)
    expect(fetcher.input().wanted()).toBe(4)
  })

  test('a partition that can’t be read ends it with that error', async () => {
    const { fetcher, state } = tailOf([{ partition: 0, position: 0, end: 3 }])
    fetcher.input().failed(new PotorooError('OFFSET_OUT_OF_RANGE', 'deleted'))
    expect(await state()).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
  })

  test('closing takes the inputs back', () => {
    const { fetcher, tail } = tailOf([{ partition: 0, position: 0, end: undefined }])
    tail.close()
    expect(fetcher.inputs.size).toBe(0)
  })
})
