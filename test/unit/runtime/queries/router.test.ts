/** src/runtime/queries/router.ts, with a group and peers that say what a test has them say. Its invariants are at the head of that file. */
import { expect, test } from 'vitest'
import type { TopicDefinition } from '../../../../src/api/definition.js'
import { stateDefinition, stateObject } from '../../../../src/api/state-object.js'
import { encodeAssignment, encodeSubscription } from '../../../../src/core/group/group-metadata.js'
import type { Consistency, Question, TaskAnswer } from '../../../../src/core/query/question.js'
import { utf8ByteString } from '../../../../src/core/records/byte-string.js'
import { PotorooError } from '../../../../src/errors.js'
import { Scheduler } from '../../../../src/memory/scheduler.js'
import type { GroupMember } from '../../../../src/ports/log.js'
import type { RuntimeEvent } from '../../../../src/ports/observer.js'
import type { FoundPage } from '../../../../src/ports/queries.js'
import { QueryRouter } from '../../../../src/runtime/queries/router.js'
import { NOT_HERE } from '../../../../src/runtime/queries/stored.js'
import { planOf } from '../task/plan.js'

const count = stateDefinition(
  stateObject('count', () => ({ n: 0 })),
  'count',
)

/** What a worker has of a task. */
interface Has {
  readonly position: number
  readonly from?: 'owner' | 'standby'
  readonly keys?: readonly string[]
  /** How long its answer takes. */
  readonly afterMs?: number
}
type Told = Has | TaskAnswer | Error | undefined

function answerOf(told: Told, question: Question): TaskAnswer {
  if (told === undefined) return NOT_HERE
  if (told instanceof Error) throw told
  if ('kind' in told) return told
  const { position, from = 'owner', keys = [] } = told
  const given = { asOf: { commitMs: 1, changelogPosition: position }, from }
  if (question.kind === 'get')
    return { kind: 'state', packed: keys.includes(question.key) ? utf8ByteString(question.key) : undefined, ...given }
  const entries = keys.map((key) => ({ key: utf8ByteString(key), packed: utf8ByteString(key) }))
  return { kind: 'page', entries, next: undefined, ...given }
}

const member = (memberId: string, active: readonly number[], standby: readonly number[] = []): GroupMember => ({
  memberId,
  metadata: encodeSubscription([], {
    ...{ v: 1, worker: memberId, address: `${memberId}:1`, active: [], standby: {}, leaving: false },
  }),
  assignment: encodeAssignment([], {
    ...{ v: 1, active: active.map((partition) => `sub_${String(partition)}`), peers: [] },
    standby: standby.map((partition) => ({ task: `sub_${String(partition)}`, owner: '' })),
  }),
})

interface Options {
  readonly partitions?: number
  readonly topic?: Partial<TopicDefinition>
}

/** The router of the worker `me`. */
function group({ partitions = 1, topic = { partitioner: 'murmur2' } }: Options = {}) {
  const scheduler = new Scheduler()
  const { clock } = scheduler.process('me')
  const state = {
    members: [member('me', [0])] as readonly GroupMember[],
    /** By worker and partition. */
    has: {} as Record<string, Told>,
    /** Of each question: who was asked. */
    asked: [] as string[],
    /** When the group was asked for its record. */
    looks: [] as number[],
    lookMs: 0,
    isAway: false,
    events: [] as RuntimeEvent[],
  }
  const told = async (worker: string, question: Question, as = worker): Promise<TaskAnswer> => {
    state.asked.push(as)
    const has = state.has[`${worker} ${String(question.partition)}`]
    if (has !== undefined && 'afterMs' in has)
      await new Promise<void>((resolve) => void clock.after(has.afterMs ?? 0, resolve))
    return answerOf(has, question)
  }
  const plans = Array.from({ length: partitions }, (_, partition) => {
    const plan = planOf({ id: `sub_${String(partition)}`, partition })
    const sources = [{ topic: { name: 'in', ...topic } as TopicDefinition, isRepartition: false, operators: [], states: [] }] // prettier-ignore
    const subTopology = { ...plan.processor.subTopology, sources, states: [count] }
    return { ...plan, processor: { ...plan.processor, partition, partitions, subTopology } }
  })
  const router = new QueryRouter(plans, {
    clock,
    observer: { observe: (event) => void state.events.push(event) },
    log: {
      groupMembers: async () => {
        state.looks.push(scheduler.elapsedMs)
        const { members, isAway } = state
        await new Promise<void>((resolve) => void clock.after(state.lookMs, resolve))
        if (isAway) throw new PotorooError('BROKER_UNREACHABLE', 'on purpose')
        return members
      },
    },
    peers: { ask: ({ memberId }, question) => told(memberId, question) },
    group: 'app',
    memberId: () => 'me',
    answer: (question) => told('me', question, 'here'),
  })
  const get = (key = 'k', consistency: Consistency = 'committed', atLeast?: number): Promise<number | string> =>
    router.get('count', key, { consistency, atLeast }).then(
      ({ asOf }) => asOf.changelogPosition,
      (error: unknown) => (error instanceof PotorooError ? error.code : String(error)),
    )
  const run = <T>(promise: Promise<T>): Promise<T> => scheduler.run(promise, 60_000)
  /** What one question after the other is answered with: a position, or why there is none. */
  const ask = (key?: string, consistency?: Consistency, atLeast?: number): Promise<number | string> =>
    run(get(key, consistency, atLeast))
  return { router, scheduler, state, get, ask, run }
}

test('what is here is told from here, and nobody else is asked', async () => {
  const { state, ask } = group()
  state.has = { 'me 0': { position: 7 } }
  expect(await ask()).toBe(7)
  expect([state.asked, state.looks]).toEqual([['here'], []])
})

test('a task of another worker is asked for there', async () => {
  const { state, ask } = group()
  state.members = [member('me', []), member('other', [0])]
  state.has = { 'other 0': { position: 7 } }
  expect(await ask()).toBe(7)
  expect(state.asked).toEqual(['here', 'other'])
})

// Invariant 2
test('an owner that tells less than was told before is asked no more than the one who has told it', async () => {
  const { state, ask } = group()
  state.members = [member('me', []), member('new', [0])]
  // Who asked another worker has seen 9: this one, which does not know yet that it is no owner, has to look elsewhere.
  state.has = { 'me 0': { position: 7 }, 'new 0': { position: 9 } }
  expect(await ask('k', 'committed', 9)).toBe(9)
  // Whoever comes now, for whichever key of the task, is not told less.
  expect(await ask('another key')).toBe(9)
  state.has = { 'me 0': { position: 8 }, 'new 0': { position: 11 } }
  expect(await ask()).toBe(11)
  expect(await ask('k', 'fenced')).toBe(11)
})

test('an owner that tells less is asked again, until it tells as much', async () => {
  const { state, scheduler, ask, get, run } = group()
  state.members = [member('me', []), member('other', [0])]
  state.has = { 'other 0': { position: 9 } }
  expect(await ask()).toBe(9)
  state.has = { 'other 0': { position: 8 } }
  const answer = get()
  await scheduler.advance(1_000)
  state.has = { 'other 0': { position: 10 } }
  expect(await run(answer)).toBe(10)
  expect(scheduler.elapsedMs).toBeLessThan(1_200)
  state.has = { 'other 0': { position: 9 } }
  expect(await ask()).toBe('QUERY_UNANSWERED')
})

test('an answer that is overtaken does not lower what was seen', async () => {
  const { state, ask, get, run } = group()
  state.has = { 'me 0': { position: 7, afterMs: 500 } }
  const slow = get()
  await Promise.resolve()
  state.has = { 'me 0': { position: 9 } }
  expect(await ask()).toBe(9)
  expect(await run(slow)).toBe(7)
  state.has = { 'me 0': { position: 8 } }
  expect(await ask()).toBe('QUERY_UNANSWERED')
})

test('what was seen of one task says nothing of another', async () => {
  const { state, router, ask, run } = group({ partitions: 2 })
  state.has = { 'me 0': { position: 900, keys: ['a'] }, 'me 1': { position: 2, keys: ['b'] } }
  const partitions = new Set<number>()
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) partitions.add(Number(await ask(key)))
  expect([...partitions].sort((a, b) => a - b)).toEqual([2, 900])
  expect((await run(router.page('count', { from: '', before: undefined }, 10))).entries).toHaveLength(2)
})

test('who takes a bounded age is told what that age allows: it may be less than what an owner has told', async () => {
  const { state, ask } = group()
  state.members = [member('me', []), member('owner', [0]), member('standby', [], [0])]
  state.has = { 'owner 0': { position: 9 } }
  expect(await ask()).toBe(9)
  state.has = { 'standby 0': { position: 5, from: 'standby' } }
  expect(await ask('k', 1_000)).toBe(5)
  expect(state.asked.slice(-3)).toEqual(['here', 'owner', 'standby'])
  // Unless the caller says what it has seen.
  state.has = { ...state.has, 'owner 0': { position: 12, afterMs: 200 } }
  expect(await ask('k', 1_000, 9)).toBe(12)
  // And what a standby has told binds nobody.
  state.has = { 'standby 0': { position: 50, from: 'standby' } }
  expect(await ask('k', 1_000)).toBe(50)
  state.has = { 'owner 0': { position: 13 } }
  expect(await ask()).toBe(13)
})

test('a standby is asked by those alone who take a bounded age', async () => {
  const { state, ask } = group()
  state.members = [member('me', []), member('standby', [], [0])]
  state.has = { 'standby 0': { position: 5, from: 'standby' } }
  for (const consistency of ['committed', 'fenced'] as const)
    expect(await ask('k', consistency), consistency).toBe('QUERY_UNANSWERED')
  expect(state.asked).not.toContain('standby')
  expect(await ask('k', 0)).toBe(5)
})

// Invariant 1
test('the record of the group is looked at when it is needed, and not again while answers come', async () => {
  const { state, scheduler, ask, get, run, router } = group()
  state.members = [member('me', []), member('other', [0])]
  state.has = { 'other 0': { position: 7 } }
  await scheduler.advance(60_000)
  router.moved()
  expect(state.looks).toEqual([])
  state.lookMs = 20
  expect(await run(Promise.all([get(), get(), get()]))).toEqual([7, 7, 7])
  await scheduler.advance(4_900)
  await ask()
  expect(state.looks).toHaveLength(1)
  await scheduler.advance(200)
  await ask()
  expect(state.looks).toHaveLength(2)
  // Another generation.
  router.moved()
  await ask()
  expect(state.looks).toHaveLength(3)
})

test('while nobody answers it is looked at again, ten times a second at most', async () => {
  const { state, scheduler, ask } = group()
  state.members = [member('me', []), member('gone', [0])]
  state.has = { 'gone 0': new PotorooError('PEER_UNREACHABLE', 'on purpose') }
  const begunMs = scheduler.elapsedMs
  expect(await ask()).toBe('QUERY_UNANSWERED')
  expect(scheduler.elapsedMs - begunMs).toBeGreaterThanOrEqual(5_000)
  expect(scheduler.elapsedMs - begunMs).toBeLessThan(5_200)
  expect(state.looks.length).toBeGreaterThan(30)
  expect(state.looks.length).toBeLessThanOrEqual(52)
})

test("the task's next owner is found while the question waits", async () => {
  const { state, scheduler, get, run } = group()
  state.members = [member('me', []), member('old', [0])]
  state.has = { 'old 0': new PotorooError('PEER_UNREACHABLE', 'on purpose') }
  const answer = get()
  await scheduler.advance(1_500)
  state.members = [member('me', []), member('new', [0])]
  state.has = { 'new 0': { position: 3 } }
  expect(await run(answer)).toBe(3)
  expect(scheduler.elapsedMs).toBeLessThan(1_700)
})

test('a group that rebalances tells nothing, and a broker that is away neither: what was known still holds', async () => {
  const { state, scheduler, ask } = group()
  state.members = [member('me', []), member('other', [0])]
  state.has = { 'other 0': { position: 7 } }
  expect(await ask()).toBe(7)
  state.members = [{ memberId: 'other', metadata: Buffer.alloc(0), assignment: Buffer.alloc(0) }]
  await scheduler.advance(6_000)
  expect(await ask()).toBe(7)
  state.isAway = true
  await scheduler.advance(6_000)
  expect(await ask()).toBe(7)
  expect(state.looks).toHaveLength(3)
})

test('this worker is not asked over the network, though the record says that it has the task', async () => {
  const { state, ask } = group()
  expect(await ask()).toBe('QUERY_UNANSWERED')
  expect(new Set(state.asked)).toEqual(new Set(['here']))
})

// Invariant 3
test('what can never be answered is refused at once', async () => {
  const { state, scheduler, ask, run, router } = group()
  state.has = { 'me 0': { kind: 'failed', code: 'STATE_UPGRADE_FAILED', message: 'on purpose' } }
  expect(await ask()).toBe('STATE_UPGRADE_FAILED')
  const codeOf = (asking: Promise<unknown>): Promise<unknown> =>
    run(
      asking.then(
        () => 'answered',
        (error: unknown) => (error as PotorooError).code,
      ),
    )
  expect(await codeOf(router.get('counts', 'k'))).toBe('STATE_UNKNOWN')
  expect(() => router.definition('counts')).toThrow('count')
  for (const key of ['k'.repeat(5_000), '\ud800', 7 as unknown as string])
    expect(await codeOf(router.get('count', key))).toBe('QUERY_INVALID')
  for (const consistency of [-1, NaN, 3_600_001, 'fresh' as unknown as Consistency])
    expect(await codeOf(router.get('count', 'k', { consistency })), String(consistency)).toBe('QUERY_INVALID')
  for (const most of [0, -1, 1.5, NaN])
    expect(await codeOf(router.page('count', { from: '', before: undefined }, most))).toBe('QUERY_INVALID')
  expect(scheduler.elapsedMs).toBeLessThan(10)
})

test('a worker that answers something else than was asked has not answered', async () => {
  const { state, ask } = group()
  state.has = {
    'me 0': { kind: 'page', entries: [], next: undefined, asOf: { commitMs: 1, changelogPosition: 1 }, from: 'owner' },
  }
  expect(await ask()).toBe('QUERY_UNANSWERED')
})

test('a worker that stops answers nobody any more, and those who wait soon know', async () => {
  const { scheduler, get, ask, run, router } = group()
  const waiting = get()
  await scheduler.advance(1_000)
  router.close()
  expect(await run(waiting)).toBe('QUERY_UNANSWERED')
  expect(scheduler.elapsedMs).toBeLessThan(1_100)
  expect(await ask()).toBe('QUERY_UNANSWERED')
})

test('where the partitioner of a topic is not known, whoever has the key is found among all', async () => {
  const { state, router, ask, run } = group({ partitions: 3, topic: {} })
  state.has = { 'me 0': { position: 1 }, 'me 1': { position: 2, keys: ['k'] }, 'me 2': { position: 3 } }
  expect(await run(router.get('count', 'k'))).toMatchObject({ packed: 'k', asOf: { changelogPosition: 2 } })
  expect(await ask('nowhere')).toBe(1)
})

test('a page is put together of those of all tasks, each with the commit that it is of', async () => {
  const { state, router, run } = group({ partitions: 2 })
  state.members = [member('me', [0]), member('other', [1])]
  state.has = { 'me 0': { position: 4, keys: ['a', 'c'] }, 'other 1': { position: 9, keys: ['b'] } }
  const page = (most: number): Promise<FoundPage> => run(router.page('count', { from: '', before: undefined }, most))
  const { entries, rest, parts } = await page(10)
  expect(entries.map(({ key, asOf }) => [key, asOf.changelogPosition])).toEqual([
    ['a', 4],
    ['b', 9],
    ['c', 4],
  ])
  expect(rest).toBeUndefined()
  expect(parts.map(({ partition, asOf }) => [partition, asOf.changelogPosition])).toEqual([
    [0, 4],
    [1, 9],
  ])
  const first = await page(2)
  expect([first.entries.map(({ key }) => key), first.rest]).toEqual([['a', 'b'], { from: 'b\0', before: undefined }])
})

test('keys of a topic with hexKeys are hex text', async () => {
  const { state, ask } = group({ topic: { partitioner: 'murmur2', hexKeys: true } })
  state.has = { 'me 0': { position: 1 } }
  expect(await ask('00ff')).toBe(1)
  expect(await ask('00FF')).toBe('QUERY_INVALID')
})

test('each question is told of, with what became of it', async () => {
  const { state, ask, run, router } = group()
  state.has = { 'me 0': { position: 1, afterMs: 30 } }
  await ask()
  await run(router.page('count', { from: '', before: undefined }, 10))
  await ask('k', -1)
  state.has = {}
  await ask()
  expect(state.events.map((event) => event.kind === 'queried' && [event.what, event.outcome])).toEqual([
    ['get', 'answered'],
    ['scan', 'answered'],
    ['get', 'refused'],
    ['get', 'unanswered'],
  ])
  expect(state.events[0]).toMatchObject({ state: 'count', tookMs: expect.closeTo(30, 0) as number })
})
