/** A field that older state objects do not have, counted up: `undefined + 1` is NaN, and is not stored without a word. */
import { describe, expect, test } from 'vitest'
import { application, from, stateObject, topic, type Application } from '../../../src/index.js'
import { MemoryWorkers } from '../../support/memory-workers.js'
import { anySchema } from '../../support/schemas.js'

interface Hit {
  readonly page: string
}
const hits = topic('hits', { schema: anySchema<Hit>(), key: ({ page }) => page })
const SAID =
  'a state object is stored with NaN where a number was meant: is the field missing in older objects (undefined + ' +
  '1)? Add it with upgrades of stateObject()'

/** As it was, when pages had no bytes. */
const before = application(
  'site',
  from(hits).to(
    stateObject('page', () => ({ hits: 0 })),
    (page) => {
      page.hits++
    },
  ),
)
const withState = <S extends object>(initial: () => S, compute: (state: S) => void): Application => {
  const page = stateObject<object>('page', initial)
  return application(
    'site',
    from(hits).to(page, (state) => {
      compute(state as S)
    }),
  )
}

/** Hits of two keys on two partitions, done by the first application and then by the second. */
async function upgraded(after: Application): Promise<MemoryWorkers> {
  const workers = new MemoryWorkers({ application: before, topics: ['hits'], partitions: 2 })
  for (const [i, app] of [before, after].entries()) {
    for (const page of ['a', 'b', 'c', 'd']) workers.append('hits', page, { page })
    await workers.start(`w${String(i)}`, app)
    await workers.rest()
    for (const page of ['a', 'b', 'c', 'd']) workers.append('hits', page, { page })
    await workers.rest()
    expect(workers.endOf(`w${String(i)}`)).toBeUndefined()
    await workers.stop(`w${String(i)}`)
  }
  return workers
}

describe('NaN in a field is said once', () => {
  test('for all keys and tasks of a worker, with state object, field and a key', async () => {
    const workers = await upgraded(
      withState(
        () => ({ hits: 0, bytes: 0 }),
        (page) => {
          page.bytes += 1
        },
      ),
    )
    expect(workers.said(SAID)).toEqual([
      expect.objectContaining({
        level: 'warn',
        state: 'page',
        field: 'bytes',
        key: expect.stringMatching(/^[abcd]$/) as unknown,
      }),
    ])
  })

  test.each<[string, Application]>([
    [
      'in.a',
      withState(
        () => ({ in: { a: 0 } }),
        (page) => {
          page.in = { a: NaN }
        },
      ),
    ],
    [
      'list[].a',
      withState(
        () => ({ list: [{ a: 0 }] }),
        (page) => {
          page.list = [{ a: 1 }, { a: NaN }]
        },
      ),
    ],
    [
      'byDay.<value>',
      withState(
        () => ({ byDay: new Map([['mon', 1]]) }),
        (page) => {
          page.byDay = new Map([['tue', NaN]])
        },
      ),
    ],
    [
      'days.<element>',
      withState(
        () => ({ days: new Set([1]) }),
        (page) => {
          page.days = new Set([NaN])
        },
      ),
    ],
  ])('at any depth: %s', async (field, after) => {
    const workers = await upgraded(after)
    expect(workers.said(SAID).map((line) => line['field'])).toEqual([field])
  })

  test.each<[string, Application]>([
    [
      'that begins as NaN',
      withState(
        () => ({ hits: 0, best: NaN }),
        (page) => {
          page.best = NaN
        },
      ),
    ],
    [
      'of a typed array',
      withState(
        () => ({ samples: new Float64Array(1) }),
        (page) => {
          page.samples = Float64Array.of(NaN)
        },
      ),
    ],
    [
      'that is a number',
      withState(
        () => ({ hits: 0, bytes: 0 }),
        (page) => {
          page.bytes = -0.5
        },
      ),
    ],
  ])('and not of one %s', async (_, after) => {
    expect((await upgraded(after)).said(SAID)).toEqual([])
  })
})
