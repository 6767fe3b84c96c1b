/** Invariants of runtime/task/committer.ts, on a producer that answers when it is told to. */
import { CommitPhase } from '../../../../src/core/commit/commit-phase.js'
import { expect, test } from 'vitest'
import { Input } from '../../../../src/core/processing/input.js'
import type { CommitRecord } from '../../../../src/core/commit/commit-record.js'
import { PotorooError } from '../../../../src/errors.js'
import { Scheduler } from '../../../../src/memory/scheduler.js'
import type { RuntimeEvent } from '../../../../src/ports/observer.js'
import type { Transaction } from '../../../../src/ports/log.js'
import { Committer } from '../../../../src/runtime/task/committer.js'
import { StoreWriter } from '../../../../src/runtime/task/store-writer.js'
import type { TaskPlan } from '../../../../src/runtime/task-plan.js'
import { batchOf, fetchedOf } from '../../../support/records.js'
import { planOf } from './plan.js'

const LOAD = { isFull: false, isBacklogged: false }
const FULL = { isFull: true, isBacklogged: false }

interface Asked {
  readonly transaction: Transaction
  readonly answer: (end: number) => void
  readonly refuse: (error: Error) => void
}

function committer(plan: TaskPlan = planOf()) {
  const scheduler = new Scheduler()
  const { clock } = scheduler.process('w')
  const events: RuntimeEvent[] = []
  const records: CommitRecord[] = []
  const asked: Asked[] = []
  const told: string[] = []
  const acknowledged: number[] = []
  let isCurrent = true
  const isolation = { isPacking: false, isCutOff: false }
  const observer = { observe: (event: RuntimeEvent): void => void events.push(event) }
  const storeEnvironment = { stateBytes: () => 1000, unstoredBytes: () => 1000 }
  const options = {
    name: 'w',
    commitIntervalMs: 10,
    backlogCommitIntervalMs: 200,
    storeIntervalMs: 1000,
    backlogStoreIntervalMs: 1000,
  }
  const env = {
    clock,
    observer,
    options,
    fetcher: { wake: () => undefined },
    recordTime: { now: () => 0 },
    phase: new CommitPhase(),
    backlogs: () => 1,
    acknowledged: ({ position }: { readonly position: number }) => acknowledged.push(position),
    ...storeEnvironment,
  }
  const store = new StoreWriter('sub_0', { store: undefined }, env, () => undefined)
  const one = new Committer(plan, env, store, isolation, () => told.push('ready'))
  const input = new Input(0, 'in', 5)
  const chunk = { bytes: Buffer.alloc(0), end: 100, count: 2, baseTimestampMs: 0, maxTimestampMs: 0 }
  const processor = {
    messages: 0,
    collect: (record: CommitRecord) => {
      records.push(record)
      const { messages } = processor
      processor.messages = 0
      const changelog = { topic: 'changelog', partition: 0, chunks: [chunk] }
      return {
        records: plan.changelog ? [changelog] : [],
        changes: [],
        deadLetters: [],
        marks: new Map<string, number>(),
        nans: [],
        messages,
      }
    },
    committed: () => told.push('processor'),
  }
  one.begin(
    {
      activation: {
        producer: {
          commit: (transaction) =>
            new Promise((resolve, reject) => {
              asked.push({
                transaction,
                answer: (end) => {
                  resolve([end])
                },
                refuse: reject,
              })
            }),
          isFirst: true,
          endingMs: 0,
          close: () => Promise.resolve(),
        },
        identity: 'mine',
        notes: ['note'],
        asOf: { commitMs: 0, changelogPosition: -1 },
        foreign: { positions: { other: 3 }, topicIds: { other: 'id-other' } },
        positions: [5],
        committed: [5],
        before: undefined,
      },
      signal: new AbortController().signal,
      inputs: [input],
      processor,
      isCurrent: () => isCurrent,
      notCollected: () => told.push('not collected'),
      committed: () => told.push('committed'),
      failed: () => told.push('failed'),
    },
    40,
  )
  return {
    one,
    scheduler,
    isolation,
    events,
    records,
    asked,
    told,
    input,
    acknowledged,
    do: (messages: number): void => {
      processor.messages += messages
    },
    moveOn: (): void => {
      isCurrent = false
    },
  }
}
type Harness = ReturnType<typeof committer>
const last = ({ asked }: Harness): Asked => {
  const one = asked.at(-1)
  if (one === undefined) throw new Error('nothing was asked')
  return one
}
const answered = async (harness: Harness, end: number): Promise<void> => {
  last(harness).answer(end)
  await harness.scheduler.advance(0)
}

test('commits when there is something, at once the first time, and then at the next interval', async () => {
  const harness = committer()
  const { one, asked, scheduler, told } = harness
  one.commitWhenDue(LOAD)
  expect(asked).toHaveLength(0)
  harness.do(1)
  one.commitWhenDue(LOAD)
  expect(asked).toHaveLength(1)
  await answered(harness, 42)
  told.length = 0
  harness.do(1)
  one.commitWhenDue(LOAD)
  expect([asked.length, told]).toEqual([1, []])
  await scheduler.advance(10)
  expect(told).toEqual(['ready'])
  one.commitWhenDue(LOAD)
  expect(asked).toHaveLength(2)
})

test('commits at once when as much has gathered as may', async () => {
  const harness = committer()
  harness.do(1)
  harness.one.commitWhenDue(LOAD)
  await answered(harness, 42)
  harness.do(1)
  harness.one.commitWhenDue(FULL)
  expect(harness.asked).toHaveLength(2)
})

test('one commit at a time (invariant 2), and none where packing was ended from outside', async () => {
  const harness = committer()
  const { one, asked, isolation } = harness
  harness.do(1)
  one.commit()
  harness.do(1)
  one.commit()
  expect([asked.length, one.canCommit]).toEqual([1, false])
  await answered(harness, 42)
  expect(one.canCommit).toBe(true)
  isolation.isCutOff = true
  one.commit()
  expect(asked).toHaveLength(1)
})

test('the record has all positions and ids, of topics that others read, too; nothing counts before Kafka has it (invariants 3, 4)', async () => {
  const harness = committer()
  const { one, records, told, events } = harness
  harness.do(7)
  one.commit()
  expect(records).toMatchObject([
    { identity: 'mine', positions: { in: 5, other: 3 }, topicIds: { in: 'id-in', other: 'id-other' }, by: 'w' },
  ])
  expect([told, events]).toEqual([[], []])
  await answered(harness, 42)
  expect(told).toEqual(['committed', 'processor', 'ready'])
  expect(events).toMatchObject([
    { kind: 'committed', task: 'sub_0', messages: 7, outputs: 0, deadLetters: 0, bytes: 100 },
  ])
})

test('records have to land where the last commit ended, after its marker (invariant 5)', async () => {
  const harness = committer()
  const { one } = harness
  one.commit()
  expect(last(harness).transaction.records[0]).toMatchObject({ topic: 'changelog', end: 40 })
  await answered(harness, 42)
  one.commit()
  expect(last(harness).transaction.records[0]).toMatchObject({ end: 43 })
  one.changelogEndsAt(30)
  expect(one.changelogEnd).toBe(43)
  one.changelogEndsAt(50)
  expect(one.changelogEnd).toBe(50)
})

test('the group has the positions first, then late; without a changelog with each commit; a flush gives them (invariant 4)', async () => {
  const positions = [{ topic: 'in', partition: 0, position: 5, note: 'note' }]
  const first = committer()
  first.one.commit()
  expect(last(first).transaction.positions).toEqual(positions)
  await answered(first, 42)
  first.do(1)
  first.one.commit()
  expect(last(first).transaction.positions).toEqual([])
  await answered(first, 45)
  first.do(1)
  void first.one.flush()
  await first.scheduler.advance(0)
  expect(last(first).transaction.positions).toEqual(positions)

  const stateless = committer(planOf({ changelog: undefined }))
  stateless.one.commit()
  await answered(stateless, 0)
  stateless.do(1)
  stateless.one.commit()
  expect(last(stateless).transaction.positions).toEqual(positions)
})

test('what a commit of an earlier activation comes to changes nothing (invariant 3)', async () => {
  for (const end of ['answer', 'refuse'] as const) {
    const harness = committer()
    harness.one.commit()
    harness.moveOn()
    if (end === 'answer') last(harness).answer(42)
    else last(harness).refuse(new PotorooError('FENCED', 'another one'))
    await harness.scheduler.advance(0)
    expect([harness.told, harness.one.changelogEnd]).toEqual([['ready'], 40])
    // That Kafka has it is told all the same.
    expect(harness.events.map(({ kind }) => kind)).toEqual(end === 'answer' ? ['committed'] : [])
  }
})

test('a failure is told, and what was read stays known', async () => {
  const harness = committer()
  harness.do(3)
  harness.one.commit()
  last(harness).refuse(new PotorooError('TRANSACTION_FAILED', 'who knows'))
  await harness.scheduler.advance(0)
  expect(harness.told).toEqual(['failed', 'ready'])
  expect(harness.events).toMatchObject([
    { kind: 'commit-failed', messages: 3, code: 'TRANSACTION_FAILED', error: 'who knows' },
  ])
  expect(harness.one.changelogEnd).toBe(40)
})

test('how far a repartition was worked off is told: what the owner before had committed, and what is acknowledged', async () => {
  const plain = committer()
  plain.one.commit()
  await answered(plain, 42)
  expect(plain.acknowledged).toEqual([])
  const harness = committer(planOf({ sources: [{ topic: 'in', start: 'earliest', isRepartition: true }] }))
  expect(harness.acknowledged).toEqual([5])
  harness.one.commit()
  expect(harness.acknowledged).toEqual([5])
  await answered(harness, 42)
  expect(harness.acknowledged).toEqual([5, 5])
})

test('what has ended commits nothing more', async () => {
  const harness = committer()
  harness.do(1)
  harness.one.end()
  harness.one.commit()
  harness.one.commitWhenDue(FULL)
  await harness.one.flush()
  expect(harness.asked).toHaveLength(0)
})

test('an acknowledged commit is told with what was in it, whoever has the task by then', async () => {
  const harness = committer()
  const { one, events, moveOn, told, input } = harness
  input.accept(fetchedOf([batchOf(5, [{ timestampMs: 70 }, { timestampMs: 90 }])], { position: 5, nextPosition: 7 }))
  input.advance()
  harness.do(1)
  one.computed(1.5)
  one.computed(2)
  one.commit()
  // The next commit's.
  input.advance()
  one.computed(8)
  moveOn()
  await answered(harness, 42)
  expect(events).toMatchObject([
    {
      kind: 'committed',
      task: 'sub_0',
      messages: 1,
      computedMs: 3.5,
      from: [{ topic: 'in', messages: 1, firstTimestampMs: 70 }],
      to: [],
    },
  ])
  // Nothing else comes of it (invariant 3).
  expect(told).toEqual(['ready'])
})

test('each commit has the computing since the one before it', async () => {
  const harness = committer()
  const { one, events } = harness
  for (const ms of [3, 4]) {
    harness.do(1)
    one.computed(ms)
    one.commit()
    await answered(harness, 42)
  }
  expect(events.map((event) => event.kind === 'committed' && event.computedMs)).toEqual([3, 4])
})
