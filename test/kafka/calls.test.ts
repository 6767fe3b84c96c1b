/** Calls on a real broker: what stands behind them, made for what is committed, their results exactly once, in the order of keys. */
import { describe, expect, it } from 'vitest'
import { application, from, topic, type Call } from '../../src/index.js'
import { kafkaWorkers } from '../support/kafka-workers.js'
import { readCommitted } from '../support/read-committed.js'
import { anySchema } from '../support/schemas.js'
import { produce } from '../support/topics.js'

interface Ask {
  readonly key: string
  readonly n: number
}
const asks = topic('asks', { schema: anySchema<Ask>(), key: ({ key }) => key })
const answers = topic('answers', { schema: anySchema<Ask & { readonly id: string }>(), key: ({ key }) => key })
const PARTITIONS = 2

const workersOf = kafkaWorkers(['asks', 'answers'], PARTITIONS)
const asked = (first: number, count: number): Ask[] =>
  Array.from({ length: count }, (_, i) => ({ key: `k${String((first + i) % 7)}`, n: first + i }))
const records = (all: readonly Ask[]) => all.map((one) => ({ key: one.key, value: JSON.stringify(one) }))

describe('a call right behind a source', () => {
  it('gives each result to the sink once, those of a key in order, also from a worker to the next', async () => {
    const made: string[] = []
    const ask = async ({ key, n }: Ask, call: Call) => {
      await new Promise((resolve) => setTimeout(resolve, (n * 7) % 11))
      made.push(call.id)
      return { key, n, id: call.id }
    }
    const workers = await workersOf(application('asking', from(asks).call('ask', ask, { overlap: 8 }).sink(answers)))
    await workers.start('w1')
    await produce(workers.names.topic('asks'), records(asked(0, 100)))
    await readCommitted(workers.names.topic('answers'), 100)
    await workers.start('w2')
    await produce(workers.names.topic('asks'), records(asked(100, 100)))
    await readCommitted(workers.names.topic('answers'), 200)
    await workers.stop('w1')
    await produce(workers.names.topic('asks'), records(asked(200, 100)))
    const got = await readCommitted(workers.names.topic('answers'), 300)
    const ofKey = new Map<string, number[]>()
    for (const { value } of got) {
      const { key, n } = JSON.parse(String(value)) as Ask
      ofKey.set(key, [...(ofKey.get(key) ?? []), n])
    }
    for (let k = 0; k < 7; k++)
      expect(ofKey.get(`k${String(k)}`)).toEqual(
        asked(0, 300).flatMap(({ key, n }) => (key === `k${String(k)}` ? [n] : [])),
      )
    expect(new Set(made).size).toBe(300)
  })
})
