/** What the partitions of one answer share, its memory; and who is asked for when a connection breaks. */
import { expect, it, vi } from 'vitest'
import { ElectionProof } from '../../../src/core/processing/election-proof.js'
import { RecordWriter } from '../../../src/core/records/records.js'
import { Backoff } from '../../../src/kafka/backoff.js'
import type { Cluster } from '../../../src/kafka/cluster.js'
import type { FetchAnswer, PartitionAnswer } from '../../../src/kafka/fetch-request.js'
import { NodeReader, type Place, type ReaderHost } from '../../../src/kafka/node-reader.js'
import { sealBatch } from '../../../src/kafka/record-batch.js'
import type { Fetched, FetchInput } from '../../../src/ports/log.js'

const MEMORY = Buffer.alloc(8)

function batch(): Buffer {
  const writer = new RecordWriter(1_000)
  writer.append(0, 'key', 'value')
  const [chunk] = writer.take()
  if (chunk === undefined) throw new Error('no chunk')
  return sealBatch(chunk, { producerId: 1n, producerEpoch: 0, firstSequence: 0, transactional: false })
}
const part = (partition: number, over: Partial<PartitionAnswer> = {}): PartitionAnswer => ({
  topic: 't',
  partition,
  errorCode: 0,
  highWatermark: 1,
  lastStableOffset: 1,
  abortedTransactions: [],
  records: batch(),
  ...over,
})

const placeOf = (partition: number, input: Pick<FetchInput, 'wanted' | 'deliver'>): Place => ({
  input: { topic: 't', partition, hurried: () => false, failed: () => undefined, ...input },
  backoff: new Backoff(1, 1),
  soughtMs: 0,
  unknownSince: undefined,
  flying: 0,
  rested: false,
  leaderEpoch: undefined,
  beyondSince: undefined,
  proof: new ElectionProof(),
  removed: false,
  failing: undefined,
})

const hostOf = (cluster: Cluster, lost: ReaderHost['lost']): ReaderHost => ({
  cluster,
  closed: false,
  tick: () => 0,
  lane: (which: string) => which,
  wake: () => undefined,
  lost,
  answered: () => undefined,
  refused: () => undefined,
  unreadable: () => undefined,
  elected: () => undefined,
  unproven: () => undefined,
})

/** A reader that gets this answer, once. What it delivered, by partition, and how often the memory was given back. */
async function answered(partitions: readonly PartitionAnswer[], removed: readonly number[] = []) {
  const delivered = new Map<number, Fetched>()
  const unreadable: number[] = []
  let givenBack = 0
  const answer: FetchAnswer = { bytes: MEMORY, errorCode: 0, partitions }
  const cluster = {
    settings: { requestTimeoutMs: 1_000, fetch: { maxWaitMs: 0, maxBytes: 1_000, maxBytesPerPartition: 1_000 } },
    answerMemory: {
      giveBack: (bytes: Buffer) => {
        expect(bytes).toBe(MEMORY)
        givenBack++
      },
    },
    call: async () => Promise.resolve(answer),
    epochOf: () => undefined,
  } as unknown as Cluster
  const lost = (_: number, __: unknown, error: unknown) => expect.unreachable(String(error))
  const host = { ...hostOf(cluster, lost), unreadable: ({ input }: Place) => unreadable.push(input.partition) }
  const reader = new NodeReader(host, 0)
  for (const { partition } of partitions) {
    let isWanted = true
    const wanted = () => {
      const position = isWanted ? 0 : undefined
      isWanted = false
      return position
    }
    const place = placeOf(partition, { wanted, deliver: (fetched) => void delivered.set(partition, fetched) })
    reader.take({ ...place, removed: removed.includes(partition) })
  }
  await vi.waitFor(() => {
    expect(delivered.size).toBeGreaterThan(0)
  })
  await reader.close()
  return { delivered, unreadable, givenBack: () => givenBack }
}

it('memory of an answer is given back once, when all whom it brought something have released it', async () => {
  const { delivered, givenBack } = await answered([part(0), part(1), part(2, { records: Buffer.alloc(0) })])
  expect([...delivered.keys()]).toEqual([0, 1, 2])
  delivered.get(1)?.release()
  delivered.get(1)?.release()
  delivered.get(2)?.release()
  expect(givenBack()).toBe(0)
  delivered.get(0)?.release()
  expect(givenBack()).toBe(1)
  delivered.get(0)?.release()
  expect(givenBack()).toBe(1)
})

it('memory of an answer does not wait for those who got nothing of it', async () => {
  const { delivered, givenBack } = await answered([part(0), part(1, { errorCode: 3 }), part(2)], [2])
  expect([...delivered.keys()]).toEqual([0])
  delivered.get(0)?.release()
  expect(givenBack()).toBe(1)
})

it('memory of an answer with a batch that cannot be read is left to the garbage collector', async () => {
  const damaged = batch()
  damaged[damaged.length - 1] = 0xff
  const { delivered, unreadable, givenBack } = await answered([part(0), part(1, { records: damaged })])
  expect(unreadable).toEqual([1])
  delivered.get(0)?.release()
  expect(givenBack()).toBe(0)
})

it('an input that the express found empty is asked for when the poll that it waits for breaks', async () => {
  const polls: { reject(error: Error): void }[] = []
  const asked: string[] = []
  const empty = { bytes: MEMORY, errorCode: 0, partitions: [part(1, { records: Buffer.alloc(0) })] }
  const cluster = {
    settings: { requestTimeoutMs: 1_000, fetch: { maxWaitMs: 100, maxBytes: 1_000, maxBytesPerPartition: 1_000 } },
    answerMemory: { giveBack: () => undefined },
    call: async (lane: string) => {
      asked.push(lane)
      return lane === 'poll' ? new Promise((_, reject) => polls.push({ reject })) : Promise.resolve(empty)
    },
    epochOf: () => undefined,
  } as unknown as Cluster
  const lost: number[] = []
  const reader = new NodeReader(
    hostOf(cluster, (_, places) => {
      for (const place of places) {
        lost.push(place.input.partition)
        reader.drop(place)
      }
    }),
    0,
  )
  const take = (partition: number): Place => {
    const place = placeOf(partition, { wanted: () => 0, deliver: () => undefined })
    reader.take(place)
    return place
  }
  const first = take(0)
  await vi.waitFor(() => {
    expect(asked).toEqual(['poll'])
  })
  // While the poll lingers, its only input goes, and another one comes.
  reader.drop(first)
  const second = take(1)
  await vi.waitFor(() => {
    expect(asked).toEqual(['poll', 'express'])
    expect(second.rested).toBe(true)
  })
  polls[0]?.reject(new Error('the connection broke'))
  await vi.waitFor(() => {
    expect(asked.slice(2)).toEqual(['express', 'poll'])
  })
  expect(lost).toEqual([])
  polls[1]?.reject(new Error('the connection broke again'))
  await vi.waitFor(() => {
    expect(lost).toEqual([1])
  })
  await reader.close()
})
