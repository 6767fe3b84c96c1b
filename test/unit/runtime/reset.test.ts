/** Starting again from the sources: whatever the reset dies at, run again it continues to the end, and nothing of before is left. */
import { describe, expect, it } from 'vitest'
import { definitionOf, type Application } from '../../../src/api/application.js'
import { topologyOf } from '../../../src/core/plan/topology.js'
import { application, from, stateObject, topic } from '../../../src/index.js'
import { isPotorooError } from '../../../src/errors.js'
import { noFaults, type Api, type Faults, type RequestInfo } from '../../../src/memory/faults.js'
import { SeededRandom } from '../../../src/memory/random.js'
import { planReset, type ResetPlan, type ResetTarget } from '../../../src/runtime/reset.js'
import { MemoryWorkers } from '../../support/memory-workers.js'
import { anySchema } from '../../support/schemas.js'

interface Reading {
  readonly device: string
  readonly site: string
}
const readings = topic('readings', { schema: anySchema<Reading>(), key: ({ device }) => device })
const sums = topic('sums', { schema: anySchema<{ name: string; n: number }>(), key: ({ name }) => name })
const seen = topic('seen', { schema: anySchema<{ name: string }>(), key: ({ name }) => name })
const site = stateObject('site', () => ({ n: 0 }))
const count = (state: { n: number }, { site: name }: Reading) => ({ name, n: ++state.n })
/** Two sub-topologies: one without state, one after a repartition. */
const plant = application(
  'plant',
  from(readings)
    .keyBy((one) => one.site)
    .to(site, count)
    .sink(sums),
  from(readings)
    .map(({ device: name }) => ({ name }))
    .sink(seen),
)
const CHANGELOG = 'plant-site-changelog'
const REPARTITION = 'plant-readings-site-repartition'
const SET_ASIDE = 'the store is set aside, and rebuilt from the changelog'
const [PARTITIONS, READINGS, SITES] = [2, 24, 3]

interface World {
  readonly workers: MemoryWorkers
  /** What the network does to requests of the reset. */
  onRequest: (request: RequestInfo) => ReturnType<Faults['request']>
}

/** Readings were done by w1, which was stopped. */
async function done(app: Application = plant): Promise<World> {
  const world: { -readonly [K in keyof World]: World[K] } = {
    onRequest: (request) => noFaults.request(request),
    workers: new MemoryWorkers({
      application: app,
      topics: ['readings', 'sums', 'seen'],
      partitions: PARTITIONS,
      faults: {
        ...noFaults,
        request: (request) =>
          request.process.startsWith('reset') ? world.onRequest(request) : noFaults.request(request),
      },
    }),
  }
  append(world.workers, READINGS)
  await world.workers.start('w1')
  await world.workers.rest()
  await world.workers.stop('w1')
  return world
}

function append(workers: MemoryWorkers, many: number): void {
  for (let n = 0; n < many; n++)
    workers.append('readings', `d${String(n % 7)}`, { device: `d${String(n % 7)}`, site: `s${String(n % SITES)}` })
}

let resets = 0
const envOf = ({ workers }: World, name = `reset-${String(++resets)}`) => {
  const process = workers.scheduler.process(name)
  return {
    process,
    log: workers.cluster.log({ process }),
    clock: process.clock,
    random: new SeededRandom(1_000 + resets),
  }
}
const topologyAs = (app: Application) => topologyOf(definitionOf(app))
const plan = (world: World, app = plant, env = envOf(world)): Promise<ResetPlan> =>
  planReset(topologyAs(app), world.workers.names, env)
const reset = (world: World, target: ResetTarget = 'earliest', app = plant): Promise<void> =>
  world.workers.scheduler.run(plan(world, app).then((planned) => planned.run(target, {})))

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: unknown) => (isPotorooError(error) ? error.code : String(error)),
  )

const outOf = (workers: MemoryWorkers, name = 'sums'): string[] => workers.records(name).map(({ value }) => value)
/** What comes out when so many readings are done from the beginning. */
const once = (many = READINGS): string[] =>
  Array.from({ length: many }, (_, n) =>
    JSON.stringify({ name: `s${String(n % SITES)}`, n: Math.floor(n / SITES) + 1 }),
  )

/** w1, with the store that it had, and a worker without one do all from the beginning, and continue with what comes. */
async function expectStartedOver({ workers }: World, times: number): Promise<void> {
  await workers.start('w1')
  await workers.start('w2')
  await workers.rest()
  append(workers, SITES)
  await workers.rest()
  expect([workers.endOf('w1'), workers.endOf('w2')]).toEqual([undefined, undefined])
  const again = Array.from({ length: times }, () => once()).flat()
  expect(outOf(workers).sort()).toEqual([...again, ...once(READINGS + SITES)].sort())
  expect(outOf(workers, 'seen')).toHaveLength(times * READINGS + READINGS + SITES)
  const warned = workers.lines.filter(({ level }) => level === 'warn' || level === 'error')
  expect(warned.filter(({ msg }) => msg !== SET_ASIDE)).toEqual([])
}

const reads: ReadonlySet<Api> = new Set(['describeTopics', 'listOffsets', 'offsetFetch', 'fetch', 'describeGroup'])

/** It is killed when it sends that request. Resolves with why a worker does not start then, before it is run again. */
async function killedAt(at: number, fault: 'done' | 'request-lost'): Promise<string> {
  const world = await done()
  const { workers } = world
  const env = envOf(world)
  let requests = 0
  world.onRequest = (request) => {
    const fate = noFaults.request(request)
    if (++requests !== at) return fate
    env.process.kill()
    return fault === 'request-lost' ? { ...fate, fault } : fate
  }
  void plan(world, plant, env).then((planned) => planned.run('earliest', {}))
  await workers.scheduler.until(() => !env.process.alive)
  // What it had under way arrives.
  await workers.scheduler.advance(1_000)
  world.onRequest = (request) => noFaults.request(request)
  const before = outOf(workers).length
  await workers.start('w9')
  const refusal = workers.endOf('w9')?.code ?? 'none'
  expect(['none', 'RESET_UNFINISHED'], `request ${String(at)}, ${fault}`).toContain(refusal)
  // Where it had not begun, nothing has changed; where it had ended, all is done once more.
  if (refusal === 'none') await workers.rest()
  await workers.stop('w9')
  const after = outOf(workers).length
  expect(after === before || (refusal === 'none' && after === 2 * READINGS)).toBe(true)
  await reset(world)
  await expectStartedOver(world, after / READINGS)
  return refusal
}

describe('a reset', () => {
  it('starts again from the sources, with stores of before set aside at once', async () => {
    const world = await done()
    const { workers } = world
    expect(outOf(workers).sort()).toEqual(once().sort())
    const planned = await workers.scheduler.run(plan(world))
    expect(planned).toMatchObject({
      isResumed: false,
      deletes: [CHANGELOG, REPARTITION],
      sources: ['readings'],
      sinks: ['seen', 'sums'],
      states: ['site'],
      group: 'plant',
    })
    expect([...planned.transactionalIds].sort()).toEqual(
      ['plant-readings-0', 'plant-readings-1', 'plant-site-0', 'plant-site-1'].sort(),
    )
    await reset(world)
    const beganMs = workers.scheduler.elapsedMs
    await workers.start('w1')
    await workers.scheduler.until(() => workers.active('w1').length === 2 * PARTITIONS)
    // Not after the time that an end which is short is given.
    expect(workers.scheduler.elapsedMs - beganMs).toBeLessThan(2_000)
    expect(workers.said(SET_ASIDE).map(({ why }) => why)).toEqual(
      Array.from({ length: PARTITIONS }, () => expect.stringContaining('its changelog was recreated') as string),
    )
    expect(workers.said('task was handed over')).toEqual([])
    await workers.stop('w1')
    await expectStartedOver(world, 1)
  })

  it('is found out by a store whose position the new changelog has passed', async () => {
    const world = await done()
    const { workers } = world
    await reset(world)
    append(workers, 20 * SITES)
    await workers.start('w2')
    for (let i = 0; i < 40; i++) {
      append(workers, SITES)
      await workers.scheduler.advance(200)
    }
    await workers.stop('w2')
    await workers.start('w1')
    append(workers, SITES)
    await workers.rest()
    expect(workers.endOf('w1')).toBeUndefined()
    const last = Math.max(...outOf(workers).map((value) => (JSON.parse(value) as { n: number }).n))
    expect(last).toBe(READINGS / SITES + 20 + 40 + 1)
  })

  it(
    'continues where it was killed, at whatever request, and no worker starts meanwhile',
    { timeout: 120_000 },
    async () => {
      const asked: Api[] = []
      const whole = await done()
      whole.onRequest = (request) => {
        asked.push(request.api)
        return noFaults.request(request)
      }
      await reset(whole)
      expect(asked.length).toBeGreaterThan(40)
      const outcomes: string[] = []
      for (let at = 1; at <= asked.length; at++) {
        outcomes.push(await killedAt(at, 'done'))
        // Of what changes nothing, it makes no difference whether it arrives.
        if (!reads.has(asked[at - 1] ?? 'ping')) outcomes.push(await killedAt(at, 'request-lost'))
      }
      expect(new Set(outcomes)).toEqual(new Set(['none', 'RESET_UNFINISHED']))
      expect(outcomes.filter((code) => code === 'RESET_UNFINISHED').length).toBeGreaterThan(40)
    },
  )

  it('is refused while there are members, which it names, and changes nothing', async () => {
    const world = await done()
    const { workers } = world
    await workers.start('w1')
    await workers.rest()
    const failure: unknown = await workers.scheduler.run(plan(world).catch((error: unknown) => error))
    expect(failure).toMatchObject({
      code: 'WORKERS_RUNNING',
      message: expect.stringMatching(/plant has members: w1$/) as string,
    })
    await workers.stop('w1')
    await workers.start('w1')
    expect(workers.endOf('w1')).toBeUndefined()
  })

  it('deletes nothing where a worker came in between; ends when it is run again', async () => {
    const world = await done()
    const { workers } = world
    const planned = await workers.scheduler.run(plan(world))
    await workers.start('w1')
    await workers.rest()
    const before = workers.cluster.describeTopic(CHANGELOG)?.id
    expect(await workers.scheduler.run(codeOf(planned.run('earliest', {})))).toBe('WORKERS_RUNNING')
    expect(workers.cluster.describeTopic(CHANGELOG)?.id).toBe(before)
    await workers.stop('w1')
    await workers.start('w2')
    expect(workers.endOf('w2')).toMatchObject({ code: 'RESET_UNFINISHED' })
    await reset(world)
    await expectStartedOver(world, 1)
  })

  it('fences a worker that stood still: what it had under way is none of the new beginning', async () => {
    const world = await done()
    const { workers } = world
    await workers.start('w1')
    await workers.rest()
    append(workers, SITES)
    workers.process('w1').pause()
    // Until its session has ended.
    await workers.rest()
    await reset(world)
    workers.process('w1').resume()
    await workers.rest()
    await workers.stop('w1')
    await workers.start('w3')
    await workers.rest()
    expect(workers.endOf('w3')).toBeUndefined()
    expect(outOf(workers).sort()).toEqual([...once(), ...once(READINGS + SITES)].sort())
  })

  it('goes to the end of the sources, or to a time, where that is asked for', async () => {
    const world = await done()
    const { workers } = world
    await reset(world, 'latest')
    await workers.start('w2')
    await workers.rest()
    expect(outOf(workers)).toHaveLength(READINGS)
    const atMs = Math.floor(workers.scheduler.nowMs)
    append(workers, SITES)
    await workers.rest()
    await workers.stop('w2')
    await reset(world, atMs)
    await workers.start('w2')
    await workers.rest()
    // Three of the end, and the same again from that time.
    expect(outOf(workers).sort()).toEqual([...once(), ...once(SITES), ...once(SITES)].sort())
    expect(workers.endOf('w2')).toBeUndefined()
  })

  it('is the way out of a change that is incompatible', async () => {
    const world = await done()
    const { workers } = world
    // By device now: other keys.
    const other = application(
      'plant',
      from(readings)
        .to(site, (state, { device: name }) => ({ name, n: ++state.n }))
        .sink(sums),
    )
    await workers.start('w1', other)
    expect(workers.endOf('w1')).toMatchObject({ code: 'TOPOLOGY_INCOMPATIBLE' })
    await reset(world, 'earliest', other)
    await workers.start('w1', other)
    await workers.rest()
    expect(workers.endOf('w1')).toBeUndefined()
    expect(outOf(workers)).toHaveLength(2 * READINGS)
    expect(workers.cluster.describeTopic(REPARTITION)).toBeUndefined()
  })

  it('is the way out where brokers were recreated and stores were not, and the error says so', async () => {
    const world = await done()
    const { workers } = world
    const { cluster, names } = workers
    const { manifest, deadLetters, group } = names
    for (const name of ['readings', 'sums', 'seen', CHANGELOG, REPARTITION, manifest, deadLetters])
      cluster.deleteTopic(name)
    cluster.deleteOffsets(group)
    // As `potoroo topics` does.
    for (const name of ['readings', 'sums', 'seen', deadLetters]) cluster.createTopic({ name, partitions: PARTITIONS })
    for (const name of [CHANGELOG, REPARTITION])
      cluster.createTopic({
        name,
        partitions: PARTITIONS,
        config: name === CHANGELOG ? { 'cleanup.policy': 'compact' } : {},
      })
    await workers.start('w1')
    await workers.rest()
    expect(workers.endOf('w1')?.code).toBe('CHANGELOG_LOST')
    expect(workers.endOf('w1')?.cure).toContain('To start again from the sources')
    expect(workers.endOf('w1')?.cure).toContain('npx potoroo reset <application>')
    workers.lines.splice(0)
    await reset(world)
    append(workers, READINGS)
    await expectStartedOver(world, 0)
  })

  it('leaves alone what is not in the manifest, whatever its name is', async () => {
    const world = await done()
    const { workers } = world
    const extra = stateObject('extra', () => ({ n: 0 }))
    const other = application(
      'plant',
      from(readings)
        .keyBy((one) => one.site)
        .to(extra, count)
        .sink(sums),
    )
    workers.cluster.createTopic({ name: 'plant-other-changelog', partitions: 1 })
    workers.cluster.createTopic({ name: 'plant-extra-changelog', partitions: PARTITIONS })
    workers.append('plant-extra-changelog', 'k', {})
    expect(await workers.scheduler.run(codeOf(plan(world, other)))).toBe('CHANGELOG_UNFIT')
    const { id } = workers.cluster.describeTopic('plant-other-changelog') ?? {}
    await reset(world)
    expect(workers.cluster.describeTopic('plant-other-changelog')?.id).toBe(id)
  })

  it('of an application from before the manifest goes by the changelogs that are there', async () => {
    const world = await done()
    const { workers } = world
    workers.cluster.deleteTopic('plant-manifest')
    await reset(world)
    await expectStartedOver(world, 1)
  })
})
