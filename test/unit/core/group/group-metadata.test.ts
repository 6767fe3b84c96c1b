import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type TaskAssignment,
  type WorkerInfo,
} from '../../../../src/core/group/group-metadata.js'

interface Decoded {
  readonly assignment?: Record<string, number[]>
  readonly topics?: string[]
}
const { AssignerProtocol } = createRequire(import.meta.url)('kafkajs') as {
  AssignerProtocol: Record<'MemberAssignment' | 'MemberMetadata', { decode(bytes: Buffer): Decoded | null }>
}

const info: WorkerInfo = { v: 1, worker: 'w', address: 'h:1', active: ['s_0'], standby: { s_1: 7 }, leaving: false }
const assignment: TaskAssignment = {
  v: 1,
  active: ['s_0', 's_3'],
  standby: [
    { task: 's_1', owner: 'other' },
    { task: 's_2', owner: 'other', awaited: false },
  ],
  peers: [{ memberId: 'other', address: 'h:2' }],
  arrivals: [{ task: 's_3', from: 'other', reason: 'balance' }],
}

const texts = fc.array(fc.string())
const infos: fc.Arbitrary<WorkerInfo> = fc.record(
  {
    v: fc.constant(1 as const),
    worker: fc.string(),
    address: fc.string(),
    active: texts,
    standby: fc.dictionary(fc.string(), fc.integer({ min: -1 }), { noNullPrototype: true }),
    leaving: fc.boolean(),
    knows: fc.array(
      fc.record(
        {
          name: fc.string(),
          partitions: fc.nat(100_000),
          plan: fc.nat(),
          hash: fc.string(),
          upgrades: fc.integer({ min: 1, max: 100 }),
        },
        { noNullPrototype: true, requiredKeys: ['name', 'partitions', 'plan', 'hash'] },
      ),
    ),
  },
  { requiredKeys: ['v', 'worker', 'active', 'standby', 'leaving'] },
)
const assignments: fc.Arbitrary<TaskAssignment> = fc.record(
  {
    v: fc.constant(1 as const),
    active: texts,
    standby: fc.array(
      fc.record(
        { task: fc.string(), owner: fc.string(), awaited: fc.constant(false as const) },
        { noNullPrototype: true, requiredKeys: ['task', 'owner'] },
      ),
    ),
    peers: fc.array(fc.record({ memberId: fc.string(), address: fc.string() }, { noNullPrototype: true })),
    arrivals: fc.array(
      fc.record({ task: fc.string(), from: fc.string(), reason: fc.string() }, { noNullPrototype: true }),
    ),
  },
  { requiredKeys: ['v', 'active', 'standby', 'peers'] },
)

/** The bytes of this protocol around any user data. */
const around = (userData: unknown): Buffer => {
  const text = Buffer.from(JSON.stringify(userData))
  const head = Buffer.alloc(10)
  head.writeInt32BE(text.length, 6)
  return Buffer.concat([head, text])
}

describe('group metadata', () => {
  it('is read by other software as the consumer protocol', () => {
    expect(AssignerProtocol.MemberMetadata.decode(encodeSubscription(['a', 'b'], info))?.topics).toEqual(['a', 'b'])
    const partitions = [
      { topic: 'a', partition: 0 },
      { topic: 'b', partition: 0 },
      { topic: 'a', partition: 3 },
    ]
    const bytes = encodeAssignment(partitions, assignment)
    expect(AssignerProtocol.MemberAssignment.decode(bytes)?.assignment).toEqual({ a: [0, 3], b: [0] })
  })

  it('comes back as it went', () => {
    fc.assert(
      fc.property(texts, infos, assignments, (topics, info, assignment) => {
        expect(decodeSubscription(encodeSubscription(topics, info))).toEqual(info)
        const partitions = topics.map((topic, partition) => ({ topic, partition }))
        expect(decodeAssignment(encodeAssignment(partitions, assignment))).toEqual(assignment)
      }),
    )
  })

  it.each([Infinity, -Infinity, NaN])('sends a lag that is not known as -1 (%d)', (lag) => {
    const bytes = encodeSubscription([], { ...info, standby: { s_1: lag, s_2: 0 } })
    expect(decodeSubscription(bytes)?.standby).toEqual({ s_1: -1, s_2: 0 })
  })

  it('takes what a later version adds', () => {
    expect(decodeSubscription(around({ ...info, more: 1 }))).toEqual(info)
    expect(decodeAssignment(around({ ...assignment, more: 1 }))).toEqual(assignment)
  })

  it.each([
    ['another version', { v: 2 }],
    ['a worker without a name', { worker: undefined }],
    ['an address that is none', { address: 5 }],
    ['active tasks that are no texts', { active: [1] }],
    ['standbys that are no lags', { standby: { s_1: 'warm' } }],
    ['standbys as a list', { standby: ['s_1'] }],
    ['no word on leaving', { leaving: undefined }],
    ['what it knows as no list', { knows: 's' }],
    ['a sub-topology without its plan', { knows: [['s', 8]] }],
    ['more partitions than there can be', { knows: [['s', 1e9, 0, 'h']] }],
    ['upgrades that are none', { knows: [['s', 1, 0, 'h', -1]] }],
  ])('does not know a subscription with %s', (_, part) => {
    expect(decodeSubscription(around({ ...info, ...part }))).toBeUndefined()
  })

  it.each([
    ['another version', { v: 2 }],
    ['active tasks that are no list', { active: 's_0' }],
    ['a standby without its owner', { standby: [{ task: 's_1' }] }],
    ['a standby that is awaited in some other way', { standby: [{ task: 's_1', owner: 'o', awaited: 'no' }] }],
    ['a peer without its address', { peers: [{ memberId: 'm' }] }],
    ['an arrival without a reason', { arrivals: [{ task: 's_0', from: '' }] }],
    ['no peers', { peers: undefined }],
  ])('does not know an assignment with %s', (_, part) => {
    expect(decodeAssignment(around({ ...assignment, ...part }))).toBeUndefined()
  })

  it('is undefined for the bytes of other software, and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), fc.json(), (bytes, json) => {
        for (const other of [bytes, around(JSON.parse(json))]) {
          expect(decodeSubscription(other)).toBeUndefined()
          expect(decodeAssignment(other)).toBeUndefined()
        }
      }),
    )
    for (let length = 1; length < encodeSubscription(['a'], info).length; length++) {
      expect(decodeSubscription(encodeSubscription(['a'], info).subarray(0, length))).toBeUndefined()
    }
  })

  it('takes an empty assignment for one without tasks', () => {
    expect(decodeAssignment(new Uint8Array())).toEqual({ v: 1, active: [], standby: [], peers: [] })
  })
})

it('says when everybody leaves, and nothing of it otherwise', () => {
  const assignment = { v: 1, active: ['s_0'], standby: [], peers: [] } as const
  expect(decodeAssignment(encodeAssignment([], { ...assignment, everybodyLeaves: true }))?.everybodyLeaves).toBe(true)
  expect(decodeAssignment(encodeAssignment([], { ...assignment, everybodyLeaves: false }))).toEqual(assignment)
})
