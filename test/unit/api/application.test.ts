import * as z from 'zod'
import { describe, expect, it } from 'vitest'
import { application, definitionOf } from '../../../src/api/application.js'
import type { PipelineDefinition, TopicDefinition } from '../../../src/api/definition.js'
import { repartitionsOf, topicsOf } from '../../../src/api/graph.js'
import { from, merge, type Pipeline } from '../../../src/api/stream.js'
import { stateObject } from '../../../src/api/state-object.js'
import { topic } from '../../../src/api/topic.js'
import { isPotorooError } from '../../../src/errors.js'

interface Item {
  id: string
  n: number
}
const schema = z.object({ id: z.string(), n: z.number() })
const key = (item: Item): string => item.id
const named = (name: string) => topic(name, { schema, key })
const a = named('a')
const b = named('b')
const out = named('out')
const xx = topic('xx', { schema, key, partitioner: 'xxh64' })
const foreign = topic('foreign', { schema, key, partitioner: 'none' })
const counter = stateObject('counter', () => ({ n: 0 }))
const count = (state: { n: number }, item: Item): void => {
  state.n += item.n
}
const none = undefined as never
const lines = topic('lines', { schema })
const nothing = (): undefined => undefined
const times = { timestampMs: 0, timeMs: 0, set: nothing, clear: nothing }
const context = { key: 'k', ...times, header: nothing, forget: nothing, read: nothing, lookup: nothing }
const invalid = (act: () => unknown, message: RegExp): void => {
  expect(act).toThrow(
    expect.toSatisfy((error: unknown) => isPotorooError(error, 'INVALID_DEFINITION') && message.test(error.message)),
  )
}

describe('refused at definition', () => {
  const topicWith = (options: object) => () => topic('t', { schema, key, ...options } as never)
  const untyped = (pipeline: unknown) => () => application('app', pipeline as Pipeline)
  // what a caller without types can write
  const flow = () =>
    from(a) as unknown as Record<'filter' | 'map' | 'flatMap' | 'keyBy' | 'to' | 'sink', (...args: unknown[]) => never>
  const other = stateObject('counter', () => ({ n: 1 }))

  it.each<[string, () => unknown, RegExp]>([
    ['an application without a name', () => application(none, from(a).sink(out)), /name.*application/],
    ['an application name that is no topic name', () => application('ä', from(a).sink(out)), /"ä"/],
    ['an empty application', () => (application as (name: string) => unknown)('empty'), /empty has no pipelines/],
    ['something else as a pipeline', untyped(a), /Pipeline 1 of application app/],
    ['a pipeline that leads nowhere', untyped(from(a)), /Pipeline a leads nowhere/],
    ['the error type of an async computation', untyped('error'), /"error"/],
    [
      'one name for two sources',
      () => application('app', from(a, 'x').to(counter, count), from(b, 'x').sink(out)),
      /two pipelines named x, of topics a and b.*from\(topic, 'name'\)/,
    ],
    [
      'two state objects with one name',
      () => application('app', from(a).to(counter, count), from(b).to(other, count)),
      /two state objects named counter: define it once/,
    ],
    [
      'two topics with one name',
      () => application('app', from(a).to(counter, count), from(b).sink(named('a'))),
      /two topics named a/,
    ],
    [
      'one state object behind two partitioners',
      () => application('app', from(a).to(counter, count), from(xx).to(counter, count)),
      /a and xx share state object counter.*murmur2.*xxh64/,
    ],
    [
      'a pipeline without state named as a state object',
      () => application('app', from(a).to(counter, count), from(b, 'counter').sink(out)),
      /Pipeline counter/,
    ],
    [
      "Potoroo's own dead letters as a topic",
      () => application('app', from(named('app-dead-letters')).sink(out)),
      /own/,
    ],
    [
      "Potoroo's own manifest and repartitions as topics",
      () => {
        invalid(() => application('app', from(a).sink(named('app-manifest'))), /own/)
        return application('app', from(a).sink(named('app-a-counter-repartition')))
      },
      /own/,
    ],
    ["Potoroo's own changelog as a topic", () => application('app', from(a).sink(named('app-x-changelog'))), /own/],
    ['a source that is no topic', () => from(counter as never), /from\(\).*created with topic/],
    ['an illegal pipeline name', () => from(a, 'a b'), /"a b"/],
    ['a sink that is no topic', () => flow().sink(counter), /sink of pipeline a/],
    ['a sink without known partitioner', () => flow().sink(foreign), /foreign, has no known partitioner/],
    ['a computation on something else', () => flow().to(out, count), /to\(\) of pipeline a.*created with stateObject/],
    ['no computation', () => flow().to(counter), /computation of pipeline a is undefined/],
    ['an async computation', () => flow().to(counter, async () => Promise.resolve()), /pipeline a is AsyncFunction/],
    ['a generator as a computation', () => flow().to(counter, function* () {}), /GeneratorFunction/],
    ['an async step', () => flow().map(async () => Promise.resolve()), /map\(\) of pipeline a/],
    ['an async filter', () => flow().filter(async () => Promise.resolve()), /filter\(\) of pipeline a/],
    ['a key that is no function', () => flow().keyBy('id'), /keyBy\(\) of pipeline a/],
    ['a step that is no function', () => flow().flatMap([]), /flatMap\(\) of pipeline a/],
    [
      'a computation without a key',
      () => (from(lines) as unknown as ReturnType<typeof flow>).to(counter, count),
      /Pipeline lines has a computation, but its messages have no key: put keyBy\(\)/,
    ],
    ['a repartition with an illegal name', () => flow().keyBy(key, { name: 'a b' }), /"a b"/],
    [
      'two repartitions with one name',
      () => {
        const keyed = () => from(a).keyBy(key)
        return application('app', keyed().to(counter, count), keyed().to(counter, count))
      },
      /two repartitions named a-counter.*keyBy\(key, \{ name/,
    ],
    ['no streams to merge', () => (merge as () => unknown)(), /no stream/],
    ['something else to merge', () => merge(a as never), /Stream 1 of merge\(\) is/],
    [
      'a stream without key to merge',
      () => merge(from(a), from(lines) as never),
      /Stream 2 of merge\(\), lines, has no key/,
    ],
    ['an illegal topic name', () => named('a b'), /"a b"/],
    ['a topic name too long', () => named('a'.repeat(250)), /250 characters/],
    ['a topic without schema', topicWith({ schema: undefined }), /schema of topic t/],
    ['a schema of no Standard Schema', topicWith({ schema: { parse: () => 1 } }), /Standard Schema/],
    ['a key of a topic that is none', topicWith({ key: undefined }), /key of topic t/],
    ['no partitions', topicWith({ partitions: 0 }), /partitions: 0/],
    ['half a partition', topicWith({ partitions: 1.5 }), /partitions: 1.5/],
    ['an unknown partitioner', topicWith({ partitioner: 'crc32' }), /partitioner: "crc32"/],
    ['an unknown start', topicWith({ start: 'middle' }), /start: "middle"/],
    ['configuration that is no text', topicWith({ config: { 'retention.ms': 5 } }), /retention.ms: 5/],
  ])('%s', (_, act, message) => {
    invalid(act, message)
  })

  it('something else where an application is expected', () => {
    invalid(() => definitionOf({ name: 'app' }), /not an application/)
    invalid(() => definitionOf(undefined), /undefined is not an application/)
  })
})

const [sourceOf, endOf] = [
  (pipeline: Pipeline) => topicsOf(definitionOf(application('app', pipeline)))[0] as TopicDefinition,
  (pipeline: Pipeline) => definitionOf(application('app', pipeline)).pipelines[0] as PipelineDefinition,
]

describe('a topic', () => {
  it('has defaults', () => {
    expect(sourceOf(from(a).sink(out))).toMatchObject({
      name: 'a',
      partitions: 8,
      partitioner: 'murmur2',
      start: 'earliest',
      config: {},
    })
  })
  it('is defined as it was declared', () => {
    const config = { 'cleanup.policy': 'compact' }
    const declared = topic('t', { schema, key, partitions: 3, partitioner: 'none', start: 'latest', config })
    expect(sourceOf(from(declared).sink(out))).toMatchObject({
      partitions: 3,
      partitioner: undefined,
      start: 'latest',
      config,
    })
  })
  it('without a key has none', () => {
    expect(sourceOf(from(lines).sink(out)).key).toBeUndefined()
  })
})

describe('a stream', () => {
  it('is a value: going on from it twice leaves it one node', () => {
    const big = from(a).filter((item) => item.n > 1)
    const { pipelines } = definitionOf(
      application('app', big.filter((item) => item.n > 2).sink(out), big.to(counter, count)),
    )
    const [one, two] = pipelines
    expect(one?.upstream.kind === 'filter' && one.upstream.upstream).toBe(two?.upstream)
  })

  it('may be begun twice from one topic', () => {
    expect(() => application('app', from(a).to(counter, count), from(a).sink(out))).not.toThrow()
  })

  it('keeps its key through steps and computations; keyBy() is what changes it', () => {
    const many = stateObject('many', () => ({ n: 0 }))
    const app = application(
      'app',
      from(a)
        .map((item) => ({ ...item, n: 1 }))
        .to(counter, (_, item) => item)
        .filter(() => true)
        .to(many, count),
    )
    expect(repartitionsOf(definitionOf(app))).toEqual([])
  })

  it('goes through a repartition where a computation stands after keyBy(), named after what is on both sides', () => {
    const many = stateObject('many', () => ({ n: 0 }))
    const perId = from(lines, 'log').keyBy((item) => item.id)
    const app = application(
      'app',
      perId
        .to(counter, (_, item) => item)
        .keyBy((item) => String(item.n))
        .to(many, count),
      perId.map((item) => item).to(many, count),
      from(a)
        .keyBy((item) => item.id)
        .sink(out),
      merge(from(a), from(b))
        .keyBy((item) => item.id, { name: 'both' })
        .to(many, count),
    )
    expect(repartitionsOf(definitionOf(app)).map(({ name }) => name)).toEqual(['log-counter', 'counter-many', 'both'])
  })

  it('says so when keyBy() gives no string', () => {
    const end = endOf(
      from(a)
        .keyBy((item) => item.n as unknown as string)
        .to(counter, count),
    )
    const keyBy = end.upstream
    expect(() => keyBy.kind === 'keyBy' && keyBy.key({ id: '1', n: 5 })).toThrow(
      expect.toSatisfy((error) => isPotorooError(error, 'OUTPUT_INVALID')),
    )
  })

  it.each([
    [
      'with',
      (compute: () => unknown) =>
        from(a)
          .to(counter, compute as () => Item)
          .sink(out),
    ],
    ['without', (compute: () => unknown) => from(a).to(counter, compute as () => undefined)],
  ])('%s sink refuses a promise that types did not see, and takes its failure', async (_, define) => {
    const end = endOf(define(() => Promise.reject(new Error('unheard'))))
    const computation = end.kind === 'compute' ? end : end.upstream
    if (computation.kind !== 'compute') expect.unreachable('there is a computation')
    invalid(() => computation.compute({}, {}, context), /pipeline a returned a promise/)
    // an unhandled rejection would fail this test file
    await new Promise(setImmediate)
  })
})
