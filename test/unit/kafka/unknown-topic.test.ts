/** When a topic counts as missing: brokers say so for a moment of one that was just made, or when they have just started. */
import { expect, test } from 'vitest'
import { listOffsets } from '../../../src/kafka/admin.js'
import type { Cluster } from '../../../src/kafka/cluster.js'
import { codes, LinkError } from '../../../src/kafka/errors.js'
import { silentLogger } from '../../support/silent-logger.js'

const OF = { topic: 't', partition: 0 }

type Answer = { readonly afterMs: number; readonly errorCode: number | 'none'; readonly offset?: number }

/** Asks for the end of a partition; the answers come one after the other, the last one again and again. */
async function endOf(answers: readonly Answer[]): Promise<{ readonly end: unknown; readonly tookMs: number }> {
  let nowMs = 0
  let at = 0
  const cluster = {
    now: () => nowMs,
    closed: false,
    settings: { logger: silentLogger },
    sleeper: {
      sleep: (ms: number) => {
        nowMs += ms
        return Promise.resolve()
      },
    },
    leaderOf: () => 0,
    epochOf: () => undefined,
    forgetTopic: () => undefined,
    call: async () => {
      const { afterMs, errorCode, offset = -1 } = answers[Math.min(at++, answers.length - 1)] as Answer
      nowMs += afterMs
      if (errorCode === 'none') throw new LinkError('an answer did not come in time')
      return Promise.resolve({ partitions: [{ ...OF, errorCode, offset }] })
    },
  } as unknown as Cluster
  const end = await listOffsets(cluster, [OF], 'end').catch((error: unknown) => error)
  return { end, tookMs: nowMs }
}

const unknown = (afterMs = 1): Answer => ({ afterMs, errorCode: codes.UNKNOWN_TOPIC_OR_PARTITION })
const found: Answer = { afterMs: 1, errorCode: 0, offset: 7 }

test('a topic of which brokers say for more than 3 s that it is unknown is missing', async () => {
  const { end, tookMs } = await endOf([unknown()])
  expect(end).toMatchObject({ code: 'TOPIC_MISSING' })
  expect(tookMs).toBeGreaterThan(3_000)
  expect(tookMs).toBeLessThan(5_000)
})

test.each([
  ['after a broker that was silent for longer', [{ afterMs: 5_000, errorCode: 'none' }, unknown(), found]],
  ['by an answer that took longer itself', [unknown(), unknown(5_000), found]],
  ['between answers that never came', [unknown(), { afterMs: 5_000, errorCode: 'none' }, unknown(), found]],
] satisfies [string, readonly Answer[]][])('one that is said to be unknown %s is not', async (_, answers) => {
  expect((await endOf(answers)).end).toEqual([7])
})
