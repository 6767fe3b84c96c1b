/** What ends a membership, and with which error. */
import { expect, test } from 'vitest'
import { PotorooError } from '../../../src/errors.js'
import { GroupError, type GroupClient, type Joined } from '../../../src/ports/log.js'
import { encodeAssignment, type WorkerInfo } from '../../../src/core/group/group-metadata.js'
import { GroupMembership } from '../../../src/runtime/membership.js'
import { defaults } from '../../../src/runtime/options.js'
import { silentObserver } from '../../support/silent-logger.js'
import { SwiftClock } from '../../support/swift-clock.js'

const joined: Joined = { memberId: 'm', generation: 1, leaderId: 'other', members: [] }
const nothing = encodeAssignment([], { v: 1, active: [], standby: [], peers: [] })
const info = (): WorkerInfo => ({ v: 1, worker: 'w', address: '', active: [], standby: {}, leaving: false })

/** The error that ends a membership whose client answers so, and how often it was asked to join or for a heartbeat. */
async function endOf(fails: Partial<Pick<GroupClient, 'join' | 'sync' | 'heartbeat'>>) {
  let asked = 0
  const counted =
    <A extends readonly unknown[], R>(work: (...args: A) => Promise<R>) =>
    (...args: A): Promise<R> => {
      asked += 1
      return work(...args)
    }
  const client: GroupClient = {
    join: counted(fails.join ?? (() => Promise.resolve(joined))),
    sync: fails.sync ?? (() => Promise.resolve(nothing)),
    heartbeat: counted(fails.heartbeat ?? (() => Promise.resolve())),
    leave: () => Promise.resolve(),
    close: () => Promise.resolve(),
  }
  const error = await new Promise<PotorooError>((resolve) => {
    const membership = new GroupMembership(
      client,
      { topics: [], tasks: [], partitionsOf: () => [] },
      { ...defaults, name: 'w' },
      { clock: new SwiftClock(), observer: silentObserver },
      {
        info,
        beforeRejoin: () => Promise.resolve(),
        assigned: () => undefined,
        failed: resolve,
        memberId: () => undefined,
      },
    )
    membership.start()
  })
  return { code: error.code, message: error.message, retriable: error.retriable, asked }
}

test('a defect is not taken for a broker that will be well again', async () => {
  const defect = () => Promise.reject(new TypeError('x is not a function'))
  expect(await endOf({ join: defect })).toMatchObject({ code: 'INTERNAL', retriable: false, asked: 1 })
})

test.each([
  ['access', new PotorooError('NOT_AUTHORIZED', 'group g: no'), 'NOT_AUTHORIZED'],
  ['a session timeout', new PotorooError('INVALID_CONFIGURATION', 'no room'), 'INVALID_CONFIGURATION'],
  ['for a reason without a name', new Error('no'), 'REQUEST_REFUSED'],
])('a refusal of %s ends with what it is', async (_, cause, code) => {
  const refused = () => Promise.reject(new GroupError('refused', 'no', { cause }))
  expect(await endOf({ join: refused })).toMatchObject({ code, retriable: false, asked: 1 })
})

test('other software in the group ends it for good', async () => {
  const other = () => Promise.reject(new GroupError('inconsistent-protocol', 'other software'))
  expect(await endOf({ sync: other })).toMatchObject({ code: 'REQUEST_REFUSED', retriable: false })
})

test.each(['join', 'heartbeat'] as const)(
  'answers to a %s that nobody expects end after so many, and name the last',
  async (which) => {
    const strange = () => Promise.reject(new GroupError('unexpected', 'error code 9999'))
    const end = await endOf({ [which]: strange })
    expect(end).toMatchObject({ code: 'REQUEST_REFUSED', retriable: false })
    expect(end.message).toContain('error code 9999')
    expect(end.asked).toBeGreaterThan(50)
    expect(end.asked).toBeLessThan(200)
  },
)

test('an answer that somebody expects restarts the count', async () => {
  let left = 300
  const heartbeat = () =>
    (left -= 1) === 0
      ? Promise.reject(new GroupError('refused', 'enough'))
      : left % 2 === 0
        ? Promise.reject(new GroupError('unexpected', 'error code 9999'))
        : Promise.resolve()
  expect(await endOf({ heartbeat })).toMatchObject({ message: 'group: enough' })
})
