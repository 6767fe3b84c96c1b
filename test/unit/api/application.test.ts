import * as z from 'zod'
import { describe, expect, it } from 'vitest'
import { application, definitionOf } from '../../../src/api/application.js'
import type { PipelineDefinition } from '../../../src/api/definition.js'
import { from, type Pipeline } from '../../../src/api/pipeline.js'
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
const context = { key: 'k', timestampMs: 0, header: () => undefined, forget: () => undefined }
const pipelineOf = (pipeline: Pipeline): PipelineDefinition =>
  definitionOf(application('app', pipeline)).pipelines[0] as PipelineDefinition

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
    from(a) as unknown as Record<'filter' | 'map' | 'keyBy' | 'to' | 'sink', (...args: unknown[]) => never>
  const other = stateObject('counter', () => ({ n: 1 }))

  it.each<[string, () => unknown, RegExp]>([
    ['an application without a name', () => application(none, from(a).sink(out)), /name.*application/],
    ['an application name that is no topic name', () => application('ä', from(a).sink(out)), /"ä"/],
    ['an empty application', () => (application as (name: string) => unknown)('empty'), /empty has no pipelines/],
    ['something else as a pipeline', untyped(a), /Pipeline 1 of application app/],
    ['a pipeline that leads nowhere', untyped(from(a)), /Pipeline a leads nowhere/],
    ['the error type of an async computation', untyped('error'), /"error"/],
    [
      'two pipelines with one name',
      () => application('app', from(a).to(counter, count), from(a).sink(out)),
      /two pipelines named a.*from\(topic, 'name'\)/,
    ],
    [
      'two state objects with one name',
      () => application('app', from(a).to(counter, count), from(b).to(other, count)),
      /two state objects named counter, in pipelines a and b/,
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
    ["Potoroo's own changelog as a topic", () => application('app', from(a).sink(named('app-x-changelog'))), /own/],
    ['a source that is no topic', () => from(counter as never), /from\(\).*made with topic/],
    ['an illegal pipeline name', () => from(a, 'a b'), /"a b"/],
    ['a sink that is no topic', () => flow().sink(counter), /sink of pipeline a/],
    ['a sink without known partitioner', () => flow().sink(foreign), /foreign, has no known partitioner/],
    ['a computation on something else', () => flow().to(out, count), /to\(\) of pipeline a.*made with stateObject/],
    ['no computation', () => flow().to(counter), /computation of pipeline a is undefined/],
    ['an async computation', () => flow().to(counter, async () => Promise.resolve()), /pipeline a is AsyncFunction/],
    ['a generator as a computation', () => flow().to(counter, function* () {}), /GeneratorFunction/],
    ['an async step', () => flow().map(async () => Promise.resolve()), /map\(\) of pipeline a/],
    ['an async filter', () => flow().filter(async () => Promise.resolve()), /filter\(\) of pipeline a/],
    ['a key that is no function', () => flow().keyBy('id'), /keyBy\(\) of pipeline a/],
    [
      'a computation after map()',
      () => (from(a).map((item) => item) as unknown as ReturnType<typeof flow>).to(counter, count),
      /a computation after map\(\).*keyBy\(\)/,
    ],
    [
      'a second computation',
      () => (from(a).to(counter, count) as unknown as ReturnType<typeof flow>).to(counter, count),
      /write them to a topic with sink\(\), and start another pipeline/,
    ],
    [
      'keyBy() after a computation',
      () => (from(a).to(counter, count) as unknown as ReturnType<typeof flow>).keyBy(key),
      /write them to a topic with sink\(\)/,
    ],
    ['an illegal topic name', () => named('a b'), /"a b"/],
    ['a topic name too long', () => named('a'.repeat(250)), /250 characters/],
    ['a topic without schema', topicWith({ schema: undefined }), /schema of topic t/],
    ['a schema of no Standard Schema', topicWith({ schema: { parse: () => 1 } }), /Standard Schema/],
    ['a topic without key', topicWith({ key: undefined }), /key of topic t/],
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

describe('a topic', () => {
  it('has defaults', () => {
    expect(pipelineOf(from(a).sink(out)).source).toMatchObject({
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
    expect(pipelineOf(from(declared).sink(out)).source).toMatchObject({
      partitions: 3,
      partitioner: undefined,
      start: 'latest',
      config,
    })
  })
})

describe('a pipeline', () => {
  it('is named after its source, unless told otherwise', () => {
    const { pipelines } = definitionOf(application('app', from(a).to(counter, count), from(a, 'copy').sink(out)))
    expect(pipelines.map(({ name }) => name)).toEqual(['a', 'copy'])
  })

  it('keeps steps on their side of the computation', () => {
    const keep = (item: Item): boolean => item.n > 0
    const pipeline = pipelineOf(
      from(a)
        .filter(keep)
        .map((item) => ({ id: item.id, n: item.n * 2 }))
        .keyBy((item) => `k${item.id}`)
        .to(counter, (_, item) => item)
        .map((item) => ({ ...item, n: item.n + 1 }))
        .sink(out),
    )
    expect(pipeline.before.map(({ kind }) => kind)).toEqual(['filter', 'map'])
    expect(pipeline.after.map(({ kind }) => kind)).toEqual(['map'])
    expect(pipeline.key({ id: '1', n: 0 })).toBe('k1')
    expect(pipeline.sink?.name).toBe('out')
    expect(pipeline.state?.name).toBe('counter')
  })

  it('has the key of its topic, also after filter()', () => {
    const keep = (): boolean => true
    expect(pipelineOf(from(a).filter(keep).to(counter, count)).key({ id: '7', n: 0 })).toBe('7')
  })

  it('without computation is checked for the key where it still has one', () => {
    const pipeline = pipelineOf(
      from(a)
        .filter(() => true)
        .map((item) => item)
        .filter(() => true)
        .sink(out),
    )
    expect(pipeline.before.map(({ kind }) => kind)).toEqual(['filter'])
    expect(pipeline.after.map(({ kind }) => kind)).toEqual(['map', 'filter'])
    expect(pipeline.key({ id: '7', n: 0 })).toBe('7')
    expect(pipeline.compute).toBeUndefined()
  })

  it('can be gone on with in two ways', () => {
    const big = from(a, 'one').filter((item) => item.n > 1)
    const one = pipelineOf(big.filter((item) => item.n > 2).sink(out))
    const two = pipelineOf(big.to(counter, count))
    expect([one.before.length, two.before.length]).toEqual([2, 1])
  })

  it('says so when its key is no string', () => {
    const pipeline = pipelineOf(
      from(a)
        .keyBy((item) => item.n as unknown as string)
        .to(counter, count),
    )
    expect(() => pipeline.key({ id: '1', n: 5 })).toThrow(
      expect.toSatisfy((error) => isPotorooError(error, 'KEY_MISMATCH')),
    )
  })

  it('ignores what a computation without sink returns', () => {
    const state = { n: 0 }
    const returning: typeof count = (s, item) => (s.n = item.n)
    const pipeline = pipelineOf(from(a).to(counter, returning))
    expect(pipeline.compute?.(state, { id: '1', n: 5 }, context)).toBeUndefined()
    expect(state.n).toBe(5)
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
    const pipeline = pipelineOf(define(() => Promise.reject(new Error('unheard'))))
    invalid(() => pipeline.compute?.({}, {}, context), /pipeline a gave a promise/)
    // an unhandled rejection would fail this test file
    await new Promise(setImmediate)
  })
})
