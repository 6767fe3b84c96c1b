import fc from 'fast-check'
import { createRequire } from 'node:module'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { loadPartitioners, murmur2, partitionOf, TextPartitioner } from '../../../../src/core/plan/partitioner.js'
import { isPotorooError } from '../../../../src/errors.js'

describe('murmur2', () => {
  // UtilsTest.testMurmur2 of Kafka's Java client
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('of %s is what Java gives', (text, hash) => {
    expect(murmur2(Buffer.from(text))).toBe(hash)
  })

  it("chooses partitions as kafkajs's default partitioner does", () => {
    type Partitioner = (record: {
      topic: string
      partitionMetadata: readonly { partitionId: number; leader: number }[]
      message: { key: Buffer }
    }) => number
    const { Partitioners } = createRequire(import.meta.url)('kafkajs') as {
      Partitioners: { DefaultPartitioner: () => Partitioner }
    }
    const theirs = Partitioners.DefaultPartitioner()
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 100 }),
        (key, partitions) => {
          const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({ partitionId, leader: 0 }))
          const message = { key: Buffer.from(key) }
          expect(partitionOf('murmur2', key, partitions)).toBe(theirs({ topic: 't', partitionMetadata, message }))
        },
      ),
    )
  })
})

describe('xxh64', () => {
  beforeAll(() => loadPartitioners(['murmur2', undefined, 'xxh64']))

  // the reference values of XXH64 with seed 0
  it.each([
    ['', 0xef46db3751d8e999n],
    ['a', 0xd24ec4f1a98c6e5bn],
    ['abc', 0x44bc2cf5ad770999n],
    ['Nobody inspects the spammish repetition', 0xfbcea83c8a378bf1n],
  ])('of %j is the reference value', (text, hash) => {
    for (const partitions of [1, 8, 1000, 1_000_003])
      expect(partitionOf('xxh64', Buffer.from(text), partitions)).toBe(Number(hash % BigInt(partitions)))
  })

  it('reads keys that lie inside a larger buffer', () => {
    const key = Buffer.from('xxabcxx').subarray(2, 5)
    expect(partitionOf('xxh64', key, 1_000_003)).toBe(partitionOf('xxh64', Buffer.from('abc'), 1_000_003))
  })

  it('says so when it was not loaded', async () => {
    vi.resetModules()
    const fresh = await import('../../../../src/core/plan/partitioner.js')
    await fresh.loadPartitioners(['murmur2'])
    try {
      fresh.partitionOf('xxh64', Buffer.from('a'), 8)
      expect.unreachable()
    } catch (error) {
      // an instance of the class that the fresh module has
      expect(error).toMatchObject({ code: 'INTERNAL' })
      expect(isPotorooError(error)).toBe(false)
    }
  })
})

it('gives partitions from 0 on, below their number', async () => {
  await loadPartitioners(['xxh64'])
  fc.assert(
    fc.property(
      fc.constantFrom('murmur2' as const, 'xxh64' as const),
      fc.uint8Array({ maxLength: 64 }),
      fc.integer({ min: 1, max: 200 }),
      (name, key, partitions) => {
        const partition = partitionOf(name, key, partitions)
        expect(Number.isInteger(partition) && partition >= 0 && partition < partitions).toBe(true)
      },
    ),
  )
})

it('finds the partition of a key that lies among other bytes, and of a text, as of its UTF-8 alone', async () => {
  await loadPartitioners(['xxh64'])
  const texts = new TextPartitioner()
  const latin1 = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
  fc.assert(
    fc.property(
      fc.constantFrom('murmur2' as const, 'xxh64' as const),
      fc.oneof(latin1, fc.string({ maxLength: 80 }), fc.string({ unit: 'binary', maxLength: 80 })),
      fc.integer({ min: 1, max: 200 }),
      fc.nat({ max: 5 }),
      (name, text, partitions, before) => {
        const key = Buffer.from(text)
        const right = partitionOf(name, key, partitions)
        const among = Buffer.concat([Buffer.alloc(before, 'b'), key, Buffer.from('behind')])
        expect(partitionOf(name, among, partitions, before, before + key.length)).toBe(right)
        expect(texts.partitionOf(name, text, partitions)).toBe(right)
      },
    ),
  )
})
