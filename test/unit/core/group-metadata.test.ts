import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../../src/core/group-metadata.js'

interface Decoded {
  readonly assignment?: Record<string, number[]>
  readonly topics?: string[]
}
const { AssignerProtocol } = createRequire(import.meta.url)('kafkajs') as {
  AssignerProtocol: Record<'MemberAssignment' | 'MemberMetadata', { decode(bytes: Buffer): Decoded | null }>
}

describe('group metadata', () => {
  it('is read by other software as the consumer protocol', () => {
    const subscription = encodeSubscription(['a', 'b'], { v: 1, worker: 'w', active: ['s_0'] })
    expect(AssignerProtocol.MemberMetadata.decode(subscription)?.topics).toEqual(['a', 'b'])
    const partitions = [
      { topic: 'a', partition: 0 },
      { topic: 'b', partition: 0 },
      { topic: 'a', partition: 3 },
    ]
    const assignment = encodeAssignment(partitions, { v: 1, active: ['s_0', 's_3'] })
    expect(AssignerProtocol.MemberAssignment.decode(assignment)?.assignment).toEqual({ a: [0, 3], b: [0] })
  })

  it('comes back as it went', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.string(), fc.array(fc.string()), (topics, worker, active) => {
        expect(decodeSubscription(encodeSubscription(topics, { v: 1, worker, active }))).toEqual({
          v: 1,
          worker,
          active,
        })
        const partitions = topics.map((topic, partition) => ({ topic, partition }))
        expect(decodeAssignment(encodeAssignment(partitions, { v: 1, active }))).toEqual({ v: 1, active })
      }),
    )
  })

  it('is undefined for the bytes of other software, and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
        expect(decodeSubscription(bytes)).toBeUndefined()
        expect(decodeAssignment(bytes)).toBeUndefined()
      }),
    )
    expect(decodeAssignment(new Uint8Array())).toEqual({ v: 1, active: [] })
  })
})
