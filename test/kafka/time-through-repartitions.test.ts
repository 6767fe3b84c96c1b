/** Time after keyBy() on a real broker: writers that are far apart, workers that come and die, and a topic that goes quiet. */
import { expect, it } from 'vitest'
import { lastCommits } from '../support/changelogs.js'
import { ExampleBench } from '../support/example-bench.js'
import { createTopics, produce } from '../support/topics.js'

const WITHIN_MS = 1_500
interface View {
  readonly id: string
  readonly page: string
  readonly timestampMs: number
}

/** Deterministic: views of a few pages, one in four up to 750 ms late. */
function viewsOf(count: number, fromMs: number, stepMs: number, name: string): View[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `${name}${String(i)}`,
    page: `p${String((i * 7919) % 11)}`,
    timestampMs: fromMs + i * stepMs - (i % 4 === 0 ? (i % 16) * 50 : 0),
  }))
}
const countsOf = (views: readonly View[]) =>
  views.map(({ id, page, timestampMs }) => ({
    page,
    id,
    n: views.filter((one) => {
      const laterMs = one.timestampMs - timestampMs
      return one.page === page && laterMs >= 0 && laterMs < WITHIN_MS
    }).length,
  }))
const sorted = (values: readonly unknown[]): string[] => values.map((value) => JSON.stringify(value)).sort()

it('a timer after keyBy() counts what a plain calculation counts, with two workers, one added and one killed, and fires when all is quiet', async () => {
  const bench = new ExampleBench('page-views', { module: 'test/fixtures/page-views.mjs' })
  await createTopics([
    { name: bench.names.topic('views'), partitions: 4 },
    { name: bench.names.topic('counts'), partitions: 2 },
  ])
  const sent: View[] = []
  // Without keys they go to one partition after the other: the last one gets none for a while.
  const send = async (views: readonly View[], partitions: number): Promise<void> => {
    sent.push(...views)
    const messages = views.map(({ timestampMs, ...view }, i) => ({
      partition: i % partitions,
      value: JSON.stringify(view),
      timestamp: String(timestampMs),
    }))
    await produce(bench.names.topic('views'), messages)
  }
  await send(viewsOf(900, Date.now() - 3_600_000, 40, 'old'), 3)
  const [first, second] = [bench.worker('w1'), bench.worker('w2')]
  await Promise.all([first, second].map((worker) => worker.line(/"task is active"/)))
  await send(viewsOf(100, Date.now(), 0, 'a'), 4)
  const third = bench.worker('w3')
  await send(viewsOf(100, Date.now(), 0, 'b'), 4)
  first.kill('SIGKILL')
  for (const name of ['c', 'd', 'e']) await send(viewsOf(100, Date.now(), 0, name), 2)
  const sentMs = Date.now()
  const due = countsOf(sent)
  expect(sorted(await bench.read('counts', due.length))).toEqual(sorted(due))
  expect(Date.now() - sentMs).toBeLessThan(30_000)
  const status = (await bench.command('status')).stdout.join('\n')
  expect(status).toMatch(/page_0 .*views_\d \(in .*page-views-views-page-repartition\)/)
  const commits = await lastCommits(bench.names.changelog('page'))
  expect(Object.values(commits.get(0)?.time?.frontiers ?? {})).toEqual([{ views: expect.any(Array) as unknown }])
  for (const worker of [second, third]) {
    worker.kill('SIGTERM')
    expect(await worker.exited, worker.stdout.slice(-2).join('\n')).toEqual({ code: 0, signal: null })
    expect(worker.log().filter(({ level }) => level > 40)).toEqual([])
  }
})
