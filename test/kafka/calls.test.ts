/** Calls on a real broker: what stands after them, made for what is committed, their results exactly once, in the order of keys. */
import { describe, expect, it } from 'vitest'
import { application, from, topic, tumbling, windowed, type Call } from '../../src/index.js'
import { kafkaWorkers } from '../support/kafka-workers.js'
import { readCommitted } from '../support/read-committed.js'
import { anySchema } from '../support/schemas.js'
import { produce } from '../support/topics.js'

interface Ask {
  readonly key: string
  readonly n: number
}
interface Sum {
  readonly group: string
  readonly startMs: number
  readonly n: number
}
const asks = topic('asks', { schema: anySchema<Ask>(), key: ({ key }) => key })
const answers = topic('answers', { schema: anySchema<Ask & { readonly id: string }>(), key: ({ key }) => key })
const sums = topic('sums', { schema: anySchema<Sum>(), key: ({ group }) => group })
const PARTITIONS = 2

const workersOf = kafkaWorkers(['asks', 'answers', 'sums'], PARTITIONS)
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

describe('a call with windows after it', () => {
  it('counts in windows after it what a plain calculation counts, also from a worker to the next', async () => {
    const SIZE_MS = 1_000
    const seconds = windowed('seconds', tumbling(SIZE_MS), () => ({ n: 0 }))
    const ask = async (one: Ask) => {
      await new Promise((resolve) => setTimeout(resolve, (one.n * 13) % 400))
      return one
    }
    const group = ({ n }: Ask): string => `g${String(n % 3)}`
    const workers = await workersOf(
      application(
        'windows-behind',
        from(asks)
          .call('ask', ask, { overlap: 32 })
          .keyBy(group)
          .to(seconds, (state) => {
            state.n++
          }),
        from(seconds.closed)
          .map(({ key, startMs, state: { n } }) => ({ group: key, startMs, n }))
          .sink(sums),
      ),
    )
    const fromMs = Date.now() - 10_000
    const atMs = ({ n }: Ask): number => fromMs + n * 40
    const all = asked(0, 250)
    const send = (some: readonly Ask[]) =>
      produce(
        workers.names.topic('asks'),
        some.map((one) => ({ key: one.key, value: JSON.stringify(one), timestamp: String(atMs(one)) })),
      )
    await send(all.slice(0, 150))
    await workers.start('w1')
    await workers.start('w2')
    await send(all.slice(150))
    await workers.stop('w1')
    const due = new Map<string, Sum>()
    for (const one of all) {
      const [of, startMs] = [group(one), Math.floor(atMs(one) / SIZE_MS) * SIZE_MS]
      const { n = 0 } = due.get(`${of} ${String(startMs)}`) ?? {}
      due.set(`${of} ${String(startMs)}`, { group: of, startMs, n: n + 1 })
    }
    const got = await readCommitted(workers.names.topic('sums'), due.size)
    const text = (sum: Sum): string => JSON.stringify(sum)
    expect(got.map(({ value }) => String(value)).sort()).toEqual([...due.values()].map(text).sort())
  })
})
