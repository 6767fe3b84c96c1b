/** Invariants are those of windowing.ts. */
import { expect, it } from 'vitest'
import { definitionOf } from '../../../../src/api/application.js'
import { Input } from '../../../../src/core/processing/input.js'
import { Processor, type Collected } from '../../../../src/core/processing/processor.js'
import { Watermark } from '../../../../src/core/processing/watermark.js'
import { topologyOf } from '../../../../src/core/plan/topology.js'
import {
  application,
  from,
  intervalJoin,
  session,
  stateObject,
  topic,
  tumbling,
  windowed,
  type Application,
} from '../../../../src/index.js'
import { batchOf, fetchedOf } from '../../../support/records.js'
import { anySchema } from '../../../support/schemas.js'

const ins = topic('ins', {
  schema: anySchema<{ key: string; fails?: boolean }>(),
  key: ({ key }) => key,
  latenessMs: 0,
})

class Bench {
  readonly processor: Processor
  readonly #input = new Input(0, 'ins', 0)
  #end = 0

  constructor(of: Application) {
    const [subTopology] = topologyOf(definitionOf(of)).subTopologies
    if (subTopology === undefined) throw new Error('no sub-topology')
    const to = (name: string) => ({ topic: name, partitions: 1, maxMessageBytes: 100_000 })
    this.processor = new Processor({
      subTopology,
      partition: 0,
      partitions: 1,
      sinks: new Map(),
      deadLetters: to('dead'),
      changelog: to('changelog'),
      onError: 'dead-letter',
      maxStateBytes: () => 100_000,
      load: () => undefined,
      storeWasEmpty: true,
      secret: 'secret',
      time: {
        watermark: new Watermark([{ topic: 'ins', latenessMs: 0, ticks: false }], undefined),
        load: () => [],
        nowMs: () => 77,
      },
    })
  }

  take(...records: { readonly atMs: number; readonly fails?: boolean }[]): this {
    const rows = records.map(({ atMs, fails }) => ({
      timestampMs: atMs,
      key: 'k',
      value: JSON.stringify({ key: 'k', fails }),
    }))
    this.#input.accept(fetchedOf([batchOf(this.#end, rows)]))
    this.#end += rows.length
    const { processor } = this
    while (this.#input.hasHead) {
      for (;;) {
        const firing = processor.firings?.before([this.#input], this.#input, () => 0)
        if (firing === undefined) break
        processor.firings?.fire(firing, () => 77)
      }
      processor.process(0, this.#input, () => 77)
      this.#input.advance()
    }
    return this
  }

  collect(): Collected {
    const collected = this.processor.collect({ identity: 'i', positions: {}, by: 'w', atMs: 5 }, 99)
    this.#input.mark()
    this.processor.committed()
    const unstored = this.processor.takeUnstored()
    this.dues.push(...(unstored.dues?.put ?? []).map(({ dueMs }) => dueMs))
    this.processor.stored(unstored)
    return collected
  }
  /** What the store was told to put, in all. */
  readonly dues: number[] = []
}

const second = windowed('second', tumbling(1_000), () => ({ n: 0 }), { late: 'drop' })
const counting = application(
  'a',
  from(ins).to(second, (state, { fails }) => {
    state.n++
    if (fails === true) throw new Error('fails')
  }),
)

it('counts what closes and what is late, with the commit that it is in (invariant 3)', () => {
  const bench = new Bench(counting).take({ atMs: 0 }, { atMs: 2_500 }, { atMs: 100 }, { atMs: 1_100 })
  expect(bench.collect().windows).toEqual([
    { windows: 'second', late: 'drop', closed: 1, lateByRecords: 2, lateByClock: 0 },
  ])
  expect(bench.collect().windows).toEqual([])
  expect(bench.take({ atMs: 3_000 }).collect()).toMatchObject({ deadLetters: [], windows: [{ closed: 1 }] })
})

it('has counted nothing of what was rolled back, and nothing of a message that failed (invariant 2 of closings.ts)', () => {
  const bench = new Bench(
    application(
      'a',
      from(ins).to(second, (state) => {
        state.n++
      }),
      from(ins).to(
        windowed('ten', tumbling(10_000), () => ({ n: 0 })),
        (_, { fails }) => {
          if (fails === true) throw new Error('fails')
        },
      ),
    ),
  )
  bench.take({ atMs: 2_500 }).collect()
  bench.take({ atMs: 100 })
  bench.processor.rollBack()
  expect(bench.collect().windows).toEqual([])
  // It is in careful mode now.
  const collected = bench.take({ atMs: 200, fails: true }).collect()
  expect(collected.windows).toEqual([])
  expect(collected.deadLetters.map(({ code }) => code)).toEqual(['COMPUTATION_FAILED'])
})

it('writes one entry for a session that continues and on (invariant 1)', () => {
  const visit = windowed('visit', session(1_000), () => ({ n: 0 }), { merge: () => undefined })
  const bench = new Bench(
    application(
      'a',
      from(ins).to(visit, (state) => {
        state.n++
      }),
    ),
  )
  for (let i = 0; i < 50; i++) bench.take({ atMs: i * 10 }).collect()
  expect(bench.dues).toEqual([1_000])
  // When that comes, the entry moves on to where the session ends now.
  for (let i = 50; i < 150; i++) bench.take({ atMs: i * 10 }).collect()
  expect(bench.dues).toEqual([1_000, 1_990])
})

it('gives nothing that is older than what is due says, also where interval joins alone lead into one another', () => {
  const within = { withinMs: 100 }
  const [asked, answered] = [
    from(ins).filter(({ fails }) => fails !== true),
    from(ins).filter(({ fails }) => fails === true),
  ]
  const first = intervalJoin('first', asked, answered, within)
  const second = intervalJoin('second', first.left, answered, within)
  const said: number[] = []
  const bench = new Bench(
    application(
      'a',
      second.left.to(
        stateObject('last', () => ({ atMs: 0 })),
        (state, _, { timestampMs }) => {
          state.atMs = timestampMs
          said.push(timestampMs)
        },
      ),
    ),
  )
  // What has met nothing in the first one, 100 ms after it came, is open in the second.
  bench.take({ atMs: 0 }, { atMs: 150 })
  const { nextOutputMs } = bench.processor.firings ?? {}
  bench.take({ atMs: 1_000 })
  expect(said[0]).toBe(200)
  expect(said[0]).toBeGreaterThanOrEqual(Number(nextOutputMs) - 1)
})
