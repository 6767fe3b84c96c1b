/** Applications of several stages, any of them: with one partition and with seven the results are the same. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  application,
  from,
  merge,
  stateObject,
  topic,
  type Application,
  type Keyed,
  type Pipeline,
  type StateObject,
} from '../../../src/index.js'
import { TestDriver } from '../../../src/testing/index.js'
import { anySchema } from '../../support/schemas.js'

interface Item {
  readonly id: string
  readonly keys: readonly string[]
  readonly n: number
}
interface Output {
  readonly key: string
  readonly id: string
  readonly sum: number
}
const firstKey = ({ keys: [key = ''] }: Item): string => key
const left = topic('left', { schema: anySchema<Item>(), key: firstKey })
const right = topic('right', { schema: anySchema<Item>(), key: firstKey })
const loose = topic('loose', { schema: anySchema<Item>() })
const sinks = [0, 1, 2].map((i) => topic(`out-${String(i)}`, { schema: anySchema<Output>(), key: ({ key }) => key }))

interface Total {
  n: number
  sum: number
}

/** What comes behind a source, and behind each step of that. */
interface Stage {
  readonly step: 'filter' | 'map' | 'flatMap' | 'keyBy' | 'to'
  readonly which: number
  readonly isSink: boolean
}
interface Plan {
  readonly source: 'left' | 'right' | 'both' | 'loose'
  readonly stages: readonly Stage[]
  /** Goes on from there once more. */
  readonly branch: readonly Stage[]
}

const stage: fc.Arbitrary<Stage> = fc.record({
  step: fc.constantFrom('filter', 'map', 'flatMap', 'keyBy', 'to', 'to'),
  which: fc.nat({ max: 2 }),
  isSink: fc.boolean(),
})
const plan: fc.Arbitrary<Plan> = fc.record({
  source: fc.constantFrom('left', 'right', 'both', 'loose'),
  stages: fc.array(stage, { minLength: 1, maxLength: 4 }),
  branch: fc.array(stage, { maxLength: 3 }),
})
const item = fc.record({
  keys: fc.array(fc.constantFrom('a', 'b', 'ç', 'd'), { minLength: 3, maxLength: 3 }),
  n: fc.nat({ max: 9 }),
})

/** Totals are the same in whatever order the messages of one key come; outputs say what was added, not the sum so far. */
function build(plans: readonly Plan[]): {
  readonly app: Application
  readonly states: readonly StateObject<Total>[]
  readonly written: readonly (typeof sinks)[number][]
} {
  const states: StateObject<Total>[] = []
  const pipelines: Pipeline[] = []
  const written = new Set<(typeof sinks)[number]>()
  const end = (stream: Keyed<Item>, which: number, keyOf: (one: Item) => string): void => {
    const sink = sinks[which] ?? expect.unreachable()
    written.add(sink)
    pipelines.push(stream.map((one) => ({ key: keyOf(one), id: one.id, sum: one.n })).sink(sink))
  }
  let keys = 0
  const goOn = (begin: Keyed<Item>, stages: readonly Stage[]): Keyed<Item> => {
    let stream = begin
    for (const { step, which, isSink } of stages) {
      if (step === 'filter') stream = stream.filter(({ n }) => n % 3 !== which)
      else if (step === 'map') stream = stream.map((one) => ({ ...one, n: one.n + which }))
      else if (step === 'flatMap')
        stream = stream.flatMap((one) =>
          Array.from({ length: which }, (_, i) => ({ ...one, id: `${one.id}.${String(i)}` })),
        )
      else if (step === 'keyBy') stream = stream.keyBy((one) => one.keys[which] ?? '', { name: `by-${String(keys++)}` })
      else {
        // Each is used once, so that all computations on it are of one pipeline.
        const state = stateObject(`state-${String(states.length)}`, (): Total => ({ n: 0, sum: 0 }))
        states.push(state)
        stream = stream.to(state, (total, one) => {
          total.n++
          total.sum += one.n
          return one
        })
      }
      if (isSink) end(stream, which, ({ keys: all }) => all[which] ?? '')
    }
    end(stream, 0, () => 'end')
    return stream
  }
  for (const { source, stages, branch } of plans) {
    const begin =
      source === 'loose'
        ? from(loose).keyBy(firstKey, { name: `by-${String(keys++)}` })
        : source === 'both'
          ? merge(from(left), from(right))
          : from(source === 'left' ? left : right)
    const reached = goOn(begin, stages)
    if (branch.length > 0) goOn(reached, branch)
  }
  const [first, ...rest] = pipelines
  if (first === undefined) return expect.unreachable()
  return { app: application('any', first, ...rest), states, written: [...written] }
}

async function resultsOf(
  plans: readonly Plan[],
  items: readonly Omit<Item, 'id'>[],
  partitions: number,
  workers: number,
) {
  const { app, states, written } = build(plans)
  const driver = await TestDriver.start(app, { partitions, workers })
  try {
    const reads = new Set(plans.flatMap(({ source }) => (source === 'both' ? ['left', 'right'] : [source])))
    for (const [i, one] of items.entries()) {
      const message = { ...one, id: `#${String(i)}` }
      if (reads.has('left')) await driver.pipe(left, message)
      if (reads.has('right')) await driver.pipe(right, message)
      if (reads.has('loose')) await driver.pipe(loose, message)
    }
    await driver.settle()
    const outputs = written.flatMap((sink) =>
      driver.readRecords(sink).map(({ key, message }) => `${sink.name} ${String(key)} ${JSON.stringify(message)}`),
    )
    const kept = states.flatMap((state) =>
      [...driver.states(state)].map(([key, value]) => `${state.name} ${key} ${JSON.stringify(value)}`),
    )
    return { outputs: outputs.sort(), states: kept.sort(), deadLetters: driver.readDeadLetters() }
  } finally {
    await driver.close()
  }
}

test(
  'one partition, seven, and two workers give the same outputs and state objects',
  { timeout: 120_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(plan, { minLength: 1, maxLength: 2 }),
        fc.array(item, { minLength: 1, maxLength: 12 }),
        async (plans, items) => {
          const one = await resultsOf(plans, items, 1, 1)
          expect(one.deadLetters).toEqual([])
          expect(await resultsOf(plans, items, 7, 1)).toEqual(one)
          expect(await resultsOf(plans, items, 7, 2)).toEqual(one)
        },
      ),
      { numRuns: 15 },
    )
  },
)
