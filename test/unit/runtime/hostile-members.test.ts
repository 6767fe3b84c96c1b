/** Members of a group say of themselves what they like: whoever leads gives every task out once, and continues. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeAssignment,
  encodeSubscription,
  type TaskAssignment,
  type WorkerInfo,
} from '../../../src/core/group/group-metadata.js'
import type { PotorooError } from '../../../src/errors.js'
import { parseAddress } from '../../../src/peers/options.js'
import type { Clock } from '../../../src/ports/clock.js'
import type { GroupClient } from '../../../src/ports/log.js'
import { GroupMembership } from '../../../src/runtime/membership.js'
import { defaults } from '../../../src/runtime/options.js'
import { silentObserver } from '../../support/silent-logger.js'

const tasks = ['symbol_0', 'symbol_1', 'symbol_2', 'symbol_10', 'constructor_0', '__proto___0']
const me: WorkerInfo = { v: 1, worker: 'me', active: ['symbol_0'], standby: {}, leaving: false }
/** Nothing happens by time here. */
const clock: Clock = {
  now: () => 0,
  monotonic: () => 0,
  after: () => ({ cancel: () => undefined }),
  soon: () => undefined,
}

interface Led {
  /** What each member was given. */
  readonly given: ReadonlyMap<string, TaskAssignment>
  readonly failures: readonly PotorooError[]
}

/** This worker leads a group with these others in it. */
async function lead(others: readonly Uint8Array[], own: WorkerInfo = me): Promise<Led> {
  const failures: PotorooError[] = []
  let given: ReadonlyMap<string, Uint8Array> = new Map()
  const client: GroupClient = {
    join: ({ metadata }) =>
      Promise.resolve({
        memberId: 'm-0',
        leaderId: 'm-0',
        generation: 1,
        members: [metadata, ...others].map((each, n) => ({ memberId: `m-${String(n)}`, metadata: each })),
      }),
    sync: (_, assignments) => {
      given = assignments
      return Promise.resolve(assignments.get('m-0') ?? new Uint8Array())
    },
    heartbeat: () => Promise.resolve(),
    leave: () => Promise.resolve(),
    close: () => Promise.resolve(),
  }
  const partitionsOf = (task: string) => [{ topic: 'orders', partition: Number(task.split('_').at(-1)) }]
  await new Promise<void>((resolve) => {
    const membership = new GroupMembership(
      client,
      { topics: ['orders'], tasks, partitionsOf },
      { ...defaults, name: 'me', standbys: 1 },
      { clock, observer: silentObserver },
      {
        info: () => own,
        beforeRejoin: () => Promise.resolve(),
        memberId: () => undefined,
        assigned: () => void membership.leave().then(resolve),
        failed: (error) => {
          failures.push(error)
          resolve()
        },
      },
    )
    membership.start()
  })
  const read = [...given].map(([memberId, bytes]) => {
    const assignment = decodeAssignment(bytes)
    if (assignment === undefined) throw new Error(`${memberId} can't read its assignment`)
    return [memberId, assignment] as const
  })
  return { given: new Map(read), failures }
}

/** All tasks, each once; nothing that is no task; nobody follows what it owns. */
function expectSound({ given, failures }: Led, members: number): void {
  expect(failures).toEqual([])
  expect(given.size).toBe(members)
  expect([...given.values()].flatMap(({ active }) => active).sort()).toEqual([...tasks].sort())
  for (const { active, standby } of given.values()) {
    const follows = standby.map(({ task }) => task)
    expect(new Set([...active, ...follows]).size).toBe(active.length + follows.length)
    for (const task of follows) expect(tasks).toContain(task)
  }
}

/** The subscription that a member with this user data would send. */
const saying = (userData: string): Buffer => {
  const text = Buffer.from(userData)
  const head = Buffer.alloc(10)
  head.writeInt32BE(text.length, 6)
  return Buffer.concat([head, text])
}

describe('a member that says', () => {
  const claims = (part: object): Buffer => saying(JSON.stringify({ ...me, ...part }))
  it.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array()],
    ['bytes of any kind', Uint8Array.from({ length: 2000 }, (_, n) => (n * 7919) % 256)],
    ['that it has 2 billion topics', Buffer.from('00007fffffff0001', 'hex')],
    ['that its topics are fewer than none', Buffer.from('0000ffffffff00000002' + '7b7d', 'hex')],
    ['that its name is 2 GB long', Buffer.from('00000000000000007fffffff', 'hex')],
    ['what is 100,000 levels deep', saying('['.repeat(100_000) + ']'.repeat(100_000))],
    ['that all tasks are its own', claims({ active: tasks })],
    ['one task 100,000 times', claims({ active: Array<string>(100_000).fill('symbol_1') })],
    [
      '100,000 tasks that there are not',
      claims({ active: Array.from({ length: 100_000 }, (_, n) => `x_${String(n)}`) }),
    ],
    [
      'that it follows what it owns',
      claims({ active: tasks, standby: Object.fromEntries(tasks.map((task) => [task, 0])) }),
    ],
    [
      'lags of any kind',
      saying(
        '{"v":1,"worker":"w","active":[],"standby":{"symbol_0":-1e308,"symbol_1":1e400,"symbol_2":-0,"__proto__":0},"leaving":false}',
      ),
    ],
    ['names of prototypes', claims({ active: ['constructor', '__proto__'], standby: { toString: 0 } })],
    ['an address that is none', claims({ address: 'a\0b:80' })],
    ['that it is of another version', claims({ v: 2 })],
    ['that it leaves, and owns all', claims({ active: tasks, leaving: true })],
  ])('%s gets its share like others, and the group goes on', async (_, metadata) => {
    expectSound(await lead([metadata]), 2)
    expectSound(await lead([metadata, metadata, encodeSubscription(['orders'], me)]), 4)
  })

  it('whatever it says is answered with all tasks, each once', { timeout: 30_000 }, async () => {
    const task = fc.oneof(fc.constantFrom(...tasks, '__proto__', 'constructor', 'symbol_99', ''), fc.string())
    const info = fc.record(
      {
        v: fc.constant(1),
        worker: fc.string(),
        address: fc.oneof(fc.string(), fc.constant('127.0.0.1:1')),
        active: fc.array(task, { maxLength: 12 }),
        standby: fc.dictionary(task, fc.oneof(fc.double(), fc.integer({ min: -2, max: 20_000 }))),
        leaving: fc.boolean(),
      },
      { requiredKeys: ['v', 'worker', 'active', 'standby', 'leaving'] },
    )
    const spoilt = fc.tuple(info, fc.nat(), fc.nat(255), fc.boolean()).map(([good, at, to, cut]) => {
      const bytes = saying(JSON.stringify(good))
      bytes[at % bytes.length] = to
      return cut ? bytes.subarray(0, at % bytes.length) : bytes
    })
    const metadata = fc.oneof(
      info.map((good) => saying(JSON.stringify(good))),
      spoilt,
      fc.uint8Array(),
      fc.json().map(saying),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(metadata, { maxLength: 6 }), fc.boolean(), async (others, leaving) => {
        const led = await lead(others, { ...me, leaving })
        expectSound(led, others.length + 1)
        // An address goes through as it is; who connects to it looks at it first.
        for (const { peers } of led.given.values())
          for (const { address } of peers) expect(() => parseAddress(address)).not.toThrow()
      }),
      { numRuns: 500 },
    )
  })
})
