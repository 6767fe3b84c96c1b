import { describe, expect, it } from 'vitest'
import { choosePosition, restorePlan } from '../../../../src/core/commit/restore-plan.js'

const changelog = { earliest: 0, end: 100, deleteRetentionMs: 1000 }
const store = { changelogPosition: 60, identity: 'i', atEndMs: 5000 }

describe('restorePlan', () => {
  it.each([
    ['an empty store replays everything', undefined, changelog, { kind: 'replay', from: 0 }],
    ['an empty store has not what was deleted', undefined, { ...changelog, earliest: 7 }, { kind: 'lost' }],
    ['a store replays the tail', store, changelog, { kind: 'replay', from: 60 }],
    ['a store past the end is rebuilt', { ...store, changelogPosition: 100 }, changelog, { kind: 'rebuild', from: 0 }],
    ['a store before the start has not what was deleted', store, { ...changelog, earliest: 61 }, { kind: 'lost' }],
    ['a store that has what was deleted goes on', store, { ...changelog, earliest: 60 }, { kind: 'replay', from: 60 }],
    [
      'a store that does not fit is not rebuilt from what is left',
      { ...store, atEndMs: 4499 },
      { ...changelog, earliest: 60 },
      { kind: 'lost' },
    ],
    ['a store that was away too long is rebuilt', { ...store, atEndMs: 4499 }, changelog, { kind: 'rebuild', from: 0 }],
    ['a store just young enough is not', { ...store, atEndMs: 4500 }, changelog, { kind: 'replay', from: 60 }],
    ['an emptied changelog under a full store is lost', store, { ...changelog, end: 0 }, { kind: 'lost' }],
    [
      'so it is under a store of one commit without state objects',
      { ...store, changelogPosition: 0 },
      { ...changelog, end: 0 },
      { kind: 'lost' },
    ],
    ['a changelog with all records deleted is lost', store, { ...changelog, earliest: 100 }, { kind: 'lost' }],
  ] as const)('%s (invariant 2)', (_, held, log, expected) => {
    expect(restorePlan(held, log, 5000)).toMatchObject(expected)
  })
})

describe('choosePosition', () => {
  it.each([
    ['nothing known: the declared start', undefined, undefined, undefined, true, 'earliest', false],
    ['both agree', 7, 7, 7, true, 7, false],
    ['a group that is behind as it was at the commit is no reset', 7, 5, 5, true, 7, false],
    ['a group that was brought to the position meanwhile is none', 7, 5, 7, true, 7, false],
    ['a group that was behind and expired is none', 7, 5, undefined, true, 7, false],
    ['a group that was behind and was reset is honoured, and said', 7, 5, 3, true, 3, true],
    ['a group that expired is not a reason to start again', 7, 7, undefined, true, 7, false],
    ['a reset group is honoured, and said', 7, 7, 3, true, 3, true],
    ['positions without a commit record are honoured, and said', undefined, undefined, 3, true, 3, true],
    ['without state only the group knows', undefined, undefined, 3, false, 3, false],
  ] as const)('%s', (_, committed, groupThen, group, stateful, position, warns) => {
    const choice = choosePosition({ committed, groupThen, group }, 'earliest', stateful)
    expect(choice).toMatchObject({ position })
    expect('warning' in Object(choice)).toBe(warns)
  })

  const ids = { idThen: 'a', id: 'b' }
  it.each([
    ['of another topic, which only the changelog knows', { committed: 7, group: undefined, ...ids }, true, 'replaced'],
    ['that the group kept', { committed: 7, group: 7, isGroupOurs: true, ...ids }, true, 'replaced'],
    [
      'that the group kept, behind',
      { committed: 7, groupThen: 5, group: 5, isGroupOurs: true, ...ids },
      true,
      'replaced',
    ],
    ['that the group alone has', { group: 7, isGroupOurs: true, ...ids }, false, 'replaced'],
    ['that was reset since', { committed: 7, group: 0, ...ids }, true, 0],
    ['that was reset since, to where it was', { committed: 7, group: 7, ...ids }, true, 7],
    ['of the same topic', { committed: 7, group: 7, isGroupOurs: true, idThen: 'a', id: 'a' }, true, 7],
    ['of a topic whose id nobody wrote down', { committed: 7, group: 7, isGroupOurs: true, id: 'b' }, true, 7],
    ['on brokers without ids', { committed: 7, group: 7, isGroupOurs: true, idThen: 'a' }, true, 7],
  ] as const)('a position %s (invariant 3)', (_, known, stateful, expected) => {
    const all = { committed: undefined, groupThen: undefined, ...known }
    const choice = choosePosition({ ...all, groupThen: all.groupThen ?? all.committed }, 'earliest', stateful)
    if (expected === 'replaced') expect(choice).toBe('replaced')
    else expect(choice).toMatchObject({ position: expected })
  })
})
