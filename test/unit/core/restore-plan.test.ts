import { describe, expect, it } from 'vitest'
import { choosePosition, restorePlan } from '../../../src/core/restore-plan.js'

const changelog = { earliest: 0, end: 100, deleteRetentionMs: 1000 }
const store = { changelogPosition: 60, identity: 'i', atEndMs: 5000 }

describe('restorePlan', () => {
  it.each([
    ['an empty store replays everything', undefined, changelog, { kind: 'replay', from: 0 }],
    ['an empty store begins at the log start', undefined, { ...changelog, earliest: 7 }, { kind: 'replay', from: 7 }],
    ['a store replays the tail', store, changelog, { kind: 'replay', from: 60 }],
    ['a store past the end is rebuilt', { ...store, changelogPosition: 100 }, changelog, { kind: 'rebuild', from: 0 }],
    ['a store before the start is rebuilt', store, { ...changelog, earliest: 61 }, { kind: 'rebuild', from: 61 }],
    ['a store that was away too long is rebuilt', { ...store, atEndMs: 4499 }, changelog, { kind: 'rebuild', from: 0 }],
    ['a store just young enough is not', { ...store, atEndMs: 4500 }, changelog, { kind: 'replay', from: 60 }],
    ['an emptied changelog under a full store is lost', store, { ...changelog, end: 0 }, { kind: 'lost' }],
  ] as const)('%s', (_, held, log, expected) => {
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
    expect(choice.position).toBe(position)
    expect(choice.warning !== undefined).toBe(warns)
  })
})
