/** Timers and times to live after keyBy(): see docs/time.md. */
import { expect, it } from 'vitest'
import { application, from, stateObject, timer, topic } from '../../../src/index.js'
import { TestDriver } from '../../../src/testing/index.js'
import { anySchema } from '../../support/schemas.js'

interface Click {
  readonly id: string
  readonly page: string
}
const clicks = topic('clicks', { schema: anySchema<Click>(), key: ({ id }) => id })
const pages = topic('pages', { schema: anySchema<{ page: string; n: number }>(), key: ({ page }) => page })
const page = stateObject('page', () => ({ n: 0 }), { ttlMs: 600_000 })
const quiet = timer('quiet', page)
const app = application(
  'quiet-pages',
  from(clicks)
    .keyBy((click) => click.page)
    .to(page, (state, _, context) => {
      state.n++
      context.set(quiet, context.timestampMs + 60_000)
    }),
  from(quiet)
    .to(page, (state, { key }) => ({ page: key, n: state.n }))
    .sink(pages),
)

it.each([
  [1, 1],
  [5, 2],
])(
  'a timer after keyBy() fires when nothing comes any more (%i partitions, %i workers)',
  async (partitions, workers) => {
    const driver = await TestDriver.start(app, { partitions, workers })
    try {
      await driver.pipe(clicks, [
        { id: 'a', page: 'p' },
        { id: 'b', page: 'p' },
        { id: 'c', page: 'q' },
      ])
      await driver.settle()
      expect(driver.read(pages)).toEqual([])
      await driver.advance(59_000)
      await driver.settle()
      expect(driver.read(pages)).toEqual([])
      await driver.advance(1_010)
      await driver.settle()
      expect(new Map(driver.read(pages).map(({ page, n }) => [page, n]))).toEqual(
        new Map([
          ['p', 2],
          ['q', 1],
        ]),
      )
    } finally {
      await driver.close()
    }
  },
)

it('where the past is piped, time goes on from there, and settles', async () => {
  const driver = await TestDriver.start(app, { partitions: 2 })
  try {
    // By then it is known when what comes was written, at the earliest.
    await driver.advance(5_000)
    const timestampMs = driver.nowMs - 3_600_000
    for (const id of ['a', 'b', 'c', 'd']) await driver.pipe(clicks, { id, page: 'p' }, { timestampMs })
    await driver.settle()
    expect(driver.read(pages)).toEqual([])
    await driver.advance(70_000)
    await driver.settle()
    expect(driver.read(pages)).toEqual(expect.arrayContaining([{ page: 'p', n: 4 }]))
  } finally {
    await driver.close()
  }
})
