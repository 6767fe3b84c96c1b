/** When an input fails because its topic is not there: metadata lags, and while nobody answers, nobody says so. */
import { expect, test } from 'vitest'
import type { Cluster } from '../../../src/kafka/cluster.js'
import { codes, LinkError } from '../../../src/kafka/errors.js'
import { KafkaFetcher } from '../../../src/kafka/fetcher.js'
import type { FetchInput } from '../../../src/ports/log.js'
import { silentLogger } from '../../support/silent-logger.js'

/** What whoever is asked for the leader, or for records, says: it has it, it does not know the topic, or nothing; and after how long. */
type Answer = { readonly says: 'leads' | 'unknown' | 'nothing'; readonly afterMs: number }

/** An input of a topic whose brokers answer so, one answer after another, the last one forever. Resolves with what it fails with, or what it never does. */
async function outcome(answers: readonly Answer[], untilMs: number): Promise<{ failed: unknown; atMs: number }> {
  let nowMs = 0
  let timers: { readonly atMs: number; readonly call: () => void }[] = []
  const after = (ms: number, call: () => void) => {
    const timer = { atMs: nowMs + ms, call }
    timers.push(timer)
    return { cancel: () => (timers = timers.filter((one) => one !== timer)) }
  }
  let at = 0
  let says: Answer['says'] = 'unknown'
  const ask = async (): Promise<void> => {
    const answer = answers[Math.min(at++, answers.length - 1)] ?? { says: 'unknown', afterMs: 1 }
    await new Promise<void>((resolve) => after(answer.afterMs, resolve))
    says = answer.says
  }
  const cluster = {
    now: () => nowMs,
    closed: false,
    settings: { clock: { after }, logger: silentLogger, requestTimeoutMs: 1_000, fetch: { maxWaitMs: 100 } },
    gone: { gone: () => undefined, some: false },
    addressOf: () => 'broker:9092',
    forgetTopic: () => (says = 'unknown'),
    refresh: ask,
    leaderOf: () => (says === 'unknown' ? undefined : 0),
    epochOf: () => undefined,
    topicIdOf: () => undefined,
    whyLeaderless: () => codes.UNKNOWN_TOPIC_OR_PARTITION,
    call: () =>
      says === 'nothing'
        ? Promise.reject(new LinkError('an answer did not come in time'))
        : new Promise(() => undefined),
  } as unknown as Cluster
  let failed: unknown
  const input: FetchInput = {
    topic: 't',
    partition: 0,
    wanted: () => 0,
    hurried: () => false,
    deliver: () => undefined,
    failed: (error) => (failed = error),
  }
  const fetcher = new KafkaFetcher(
    cluster,
    1,
    () => nowMs,
    () => undefined,
  )
  fetcher.add(input)
  while (failed === undefined && nowMs < untilMs) {
    await new Promise((resolve) => setImmediate(resolve))
    const [next] = timers.sort((a, b) => a.atMs - b.atMs)
    if (next === undefined) break
    timers = timers.filter((one) => one !== next)
    nowMs = next.atMs
    next.call()
  }
  return { failed, atMs: nowMs }
}

const unknown: Answer = { says: 'unknown', afterMs: 1 }
const leads: Answer = { says: 'leads', afterMs: 1 }
const nothing: Answer = { says: 'nothing', afterMs: 1 }

test('an input fails when its topic was said to be unknown for more than 10 s', async () => {
  const { failed, atMs } = await outcome([unknown], 60_000)
  expect(failed).toMatchObject({ code: 'TOPIC_MISSING' })
  expect(atMs).toBeGreaterThan(10_000)
  expect(atMs).toBeLessThan(13_000)
})

test.each([
  ['while nobody answered in between', [unknown, ...Array.from({ length: 20 }, () => nothing), unknown, leads]],
  ['by an answer that took longer itself', [unknown, { says: 'unknown', afterMs: 12_000 }, leads]],
] satisfies [string, readonly Answer[]][])('no input fails that was said to be unknown %s', async (_, answers) => {
  expect((await outcome(answers, 60_000)).failed).toBeUndefined()
})
