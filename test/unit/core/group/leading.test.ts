import { describe, expect, it } from 'vitest'
import type { TaskAssignment, WorkerInfo } from '../../../../src/core/group/group-metadata.js'
import { assignmentsOf, type Joiner } from '../../../../src/core/group/leading.js'
import { NEIGHBOURS } from '../../../../src/core/group/neighbours.js'

const joiner = (memberId: string, info: Partial<WorkerInfo> = {}): Joiner => ({
  memberId,
  info: { v: 1, worker: memberId, address: `${memberId}:1`, active: [], standby: {}, leaving: false, ...info },
})
const standbysOf = (assignment: TaskAssignment | undefined): unknown[] =>
  (assignment?.standby ?? []).map(({ task, owner }) => [task, owner])

describe('assignmentsOf', () => {
  it('tells whom a new standby may copy from, once', () => {
    const first = assignmentsOf([joiner('a', { active: ['s_0', 's_1'] }), joiner('b')], ['s_0', 's_1'], {})
    expect(standbysOf(first.get('b'))).toEqual([['s_1', 'a']])
    const joiners = [joiner('a', { active: ['s_0', 's_1'] }), joiner('b', { standby: { s_1: -1 } })]
    expect(standbysOf(assignmentsOf(joiners, ['s_0', 's_1'], {}).get('b'))).toEqual([['s_1', '']])
  })

  it('names no owner that has nothing yet, but one that had the task as a standby', () => {
    const start = assignmentsOf([joiner('a'), joiner('b')], ['s_0'], { standbys: 1 })
    expect(standbysOf(start.get('b'))).toEqual([['s_0', '']])
    const death = assignmentsOf([joiner('a', { standby: { s_0: 0 } }), joiner('b')], ['s_0'], { standbys: 1 })
    expect(death.get('a')?.active).toEqual(['s_0'])
    expect(standbysOf(death.get('b'))).toEqual([['s_0', 'a']])
  })

  it('tells of the others no more than a few to watch, and those to copy from', () => {
    const many = Array.from({ length: 50 }, (_, i) => joiner(`m${String(i)}`, { active: [`s_${String(i)}`] }))
    const tasks = many.map((_, i) => `s_${String(i)}`)
    for (const [memberId, { peers, standby }] of assignmentsOf(many, tasks, { standbys: 1 })) {
      const ids = peers.map((peer) => peer.memberId)
      expect(ids).not.toContain(memberId)
      for (const { owner } of standby) expect(ids).toContain(owner)
      expect(ids.length).toBeGreaterThanOrEqual(NEIGHBOURS)
      expect(ids.length).toBeLessThanOrEqual(NEIGHBOURS + standby.length)
    }
  })

  it('tells everybody of everybody in a small group, but of those that have no address', () => {
    const given = assignmentsOf([joiner('a'), joiner('b'), { memberId: 'c', info: undefined }], ['s_0'], {})
    expect(
      given
        .get('c')
        ?.peers.map(({ memberId }) => memberId)
        .sort(),
    ).toEqual(['a', 'b'])
    expect(given.get('a')?.peers).toEqual([{ memberId: 'b', address: 'b:1' }])
  })

  it('says what came from whom, and why, and whether everybody leaves', () => {
    const joiners = [joiner('a', { active: ['s_0'], leaving: true }), joiner('b', { standby: { s_0: 0 } })]
    const given = assignmentsOf(joiners, ['s_0', 's_1'], {})
    expect(given.get('b')).toMatchObject({
      active: ['s_0', 's_1'],
      arrivals: [
        { task: 's_0', from: 'a', reason: 'owner leaves' },
        { task: 's_1', from: '', reason: 'owner gone' },
      ],
      everybodyLeaves: false,
    })
    expect(assignmentsOf([joiner('a', { leaving: true })], ['s_0'], {}).get('a')?.everybodyLeaves).toBe(true)
  })

  describe('with members of several versions (rule 14)', () => {
    const known = (name: string, partitions: number, plan = 0) => ({ name, partitions, plan, hash: 'h' })

    it('gives out what the leader does not know itself', () => {
      const joiners = [joiner('a', { knows: [known('s', 1)] }), joiner('b', { knows: [known('s', 1), known('t', 3)] })]
      const given = assignmentsOf(joiners, ['s_0'], {})
      expect(given.get('b')?.active).toEqual(['t_0', 't_1', 't_2'])
      expect(given.get('a')?.active).toEqual(['s_0'])
    })

    it('gives to a member that does not say what it knows what the leader has', () => {
      const joiners = [joiner('a'), joiner('b', { knows: [known('s', 2), known('t', 2)] })]
      expect(assignmentsOf(joiners, ['s_0', 's_1', 't_0', 't_1'], {}).get('a')?.active).toEqual(['s_0', 't_0'])
      expect(assignmentsOf([joiner('a')], ['s_0'], {}).get('a')?.active).toEqual(['s_0'])
    })

    it('lets a task be nobody’s that nobody knows', () => {
      const given = assignmentsOf([joiner('a', { knows: [known('t', 1)] })], ['s_0'], {})
      expect(given.get('a')?.active).toEqual(['t_0'])
    })
  })
})
