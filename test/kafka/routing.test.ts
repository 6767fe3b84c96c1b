/** What the runtime owns for routing, on a real broker: repartition topics, the manifest, and what becomes of both. */
import { createRequire } from 'node:module'
import type * as Kafkajs from 'kafkajs'
import { beforeAll, describe, expect, it } from 'vitest'
import { application, from, merge, stateObject, topic } from '../../src/index.js'
import { encodeOffsetNote } from '../../src/core/commit/offset-note.js'
import { partitionOf } from '../../src/core/plan/partitioner.js'
import { RecordWriter } from '../../src/core/records/records.js'
import type { Log, PartitionPosition } from '../../src/ports/log.js'
import { runCli } from '../support/cli.js'
import { ExampleBench } from '../support/example-bench.js'
import { changelogRecords, lastCommits } from '../support/changelogs.js'
import { kafkaWorkers, type KafkaWorkers } from '../support/kafka-workers.js'
import { openLog } from '../support/open-logs.js'
import { readCommitted } from '../support/read-committed.js'
import { anySchema } from '../support/schemas.js'
import { SeveralBrokers } from '../support/several-brokers.js'
import { createTopics, produce, withAdmin } from '../support/topics.js'
import { until } from '../support/until.js'

interface Reading {
  readonly device: string
  readonly site: string
  readonly value: number
}
const readings = topic('readings', { schema: anySchema<Reading>(), key: ({ device }) => device })
const sums = topic('sums', { schema: anySchema<{ name: string; sum: number }>(), key: ({ name }) => name })
const site = stateObject('site', () => ({ sum: 0 }))
const bySite = application(
  'plant',
  from(readings)
    .keyBy((one) => one.site)
    .to(site, (state, { site: name, value }) => ({ name, sum: (state.sum += value) }))
    .sink(sums),
)
const REPARTITION = 'plant-readings-site-repartition'
const PARTITIONS = 2

const readingsFrom = (first: number, count: number): Reading[] =>
  Array.from({ length: count }, (_, i) => {
    const n = first + i
    return { device: `d${String(n % 7)}`, site: `s${String(n % 5)}`, value: 1 }
  })
const keyed = (all: readonly Reading[]) => all.map((one) => ({ key: one.device, value: JSON.stringify(one) }))

const workersOf = kafkaWorkers(['readings', 'sums'], PARTITIONS)

/** Some readings were done, and the worker was stopped. */
async function done(): Promise<KafkaWorkers> {
  const workers = await workersOf(bySite)
  await workers.start('w1')
  await produce(workers.names.topic('readings'), keyed(readingsFrom(0, 20)))
  await readCommitted(workers.names.topic('sums'), 20)
  await workers.stop('w1')
  return workers
}

async function deleteTopic(name: string): Promise<void> {
  await withAdmin(async (admin) => {
    await admin.deleteTopics({ topics: [name] })
    await until('the topic is gone', async () => !(await admin.listTopics()).includes(name))
  })
}
async function recreate(name: string): Promise<void> {
  await deleteTopic(name)
  const { log } = await openLog()
  await log.createTopics([{ name, partitions: PARTITIONS }])
}

const allOf = (topicName: string) =>
  Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: topicName, partition }))

describe('a repartition', () => {
  it('is purged up to positions that are committed and never further, also when idle', async () => {
    const purged: { readonly asked: PartitionPosition; readonly committed: number }[] = []
    /** Before a purge is asked for, what it goes by is in the changelog. */
    const watched = (log: Log): Log =>
      new Proxy(log, {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name)
          if (name === 'deleteRecords')
            return async (upTo: readonly PartitionPosition[]) => {
              const commits = await lastCommits(workers.names.changelog('site'))
              for (const asked of upTo)
                purged.push({ asked, committed: commits.get(asked.partition)?.positions[asked.topic] ?? 0 })
              return target.deleteRecords(upTo)
            }
          return typeof value === 'function' ? (value.bind(target) as unknown) : value
        },
      })
    const purge = { lookMs: 100, records: 50, afterMs: 500 }
    const workers: KafkaWorkers = await workersOf(bySite, { purge }, undefined, watched)
    await workers.start('w1')
    await workers.start('w2')
    const repartition = workers.names.topic(REPARTITION)
    const { log } = await openLog()
    for (let round = 0; round < 10; round++) {
      await produce(workers.names.topic('readings'), keyed(readingsFrom(round * 100, 100)))
      await readCommitted(workers.names.topic('sums'), (round + 1) * 100)
    }
    // Nothing is committed any more: by timer it is emptied up to what was.
    await until('the repartition is emptied', async () => {
      const starts = await log.listOffsets(allOf(repartition), 'earliest')
      const commits = await lastCommits(workers.names.changelog('site'))
      return starts.every((start, partition) => start > 0 && start === commits.get(partition)?.positions[repartition])
    })
    expect(purged.length).toBeGreaterThan(4)
    expect(purged.filter(({ asked, committed }) => asked.position > committed)).toEqual([])
    // Whoever comes next finds what it needs.
    await workers.stop('w1')
    await workers.stop('w2')
    await workers.start('w3')
    await produce(workers.names.topic('readings'), keyed(readingsFrom(0, 10)))
    const out = await readCommitted(workers.names.topic('sums'), 1010)
    const last = new Map(out.map(({ key, value }) => [key, (JSON.parse(value ?? '') as { sum: number }).sum]))
    expect(Object.fromEntries(last)).toEqual({ s0: 202, s1: 202, s2: 202, s3: 202, s4: 202 })
  })

  it('that is missing while the manifest has it is lost, and what to do can be copied', async () => {
    const workers = await done()
    const repartition = workers.names.topic(REPARTITION)
    await deleteTopic(repartition)
    // As brokers forget what a group has of a topic that was deleted: the manifest knows.
    await withAdmin((admin) => admin.deleteGroups([workers.names.group]))
    const failure = await workers.refused('w1')
    expect(failure).toMatchObject({ code: 'REPARTITION_LOST', exitCode: 7 })
    expect(failure.message).toContain(
      `${repartition} does not exist, but the manifest ${workers.names.manifest} has it`,
    )
    expect(failure.cure).toContain('potoroo reset')
    expect(failure.cure).toContain(`--create --topic ${repartition} --partitions 2 --config cleanup.policy=delete`)
    expect(failure.cure).toContain(
      `--group ${workers.names.group} --topic ${repartition} --reset-offsets --to-earliest --execute`,
    )
  })

  it('that was recreated while no worker ran is lost, until somebody says where to continue in it', async () => {
    const workers = await done()
    const repartition = workers.names.topic(REPARTITION)
    await recreate(repartition)
    for (let again = 0; again < 2; again++) {
      const failure = await workers.refused('w1')
      expect(failure).toMatchObject({ code: 'REPARTITION_LOST', exitCode: 7 })
      expect(failure.message).toContain('was deleted and recreated')
      expect(failure.cure).not.toContain('--create')
    }
    // As kafka-consumer-groups does, one partition after another.
    const { group } = workers.names
    const set = (partition: number) =>
      withAdmin((admin) =>
        admin.setOffsets({ groupId: group, topic: repartition, partitions: [{ partition, offset: '0' }] }),
      )
    await set(0)
    expect(await workers.refused('w1')).toMatchObject({ code: 'REPARTITION_LOST' })
    await set(1)
    await workers.start('w1')
    await produce(workers.names.topic('readings'), keyed(readingsFrom(20, 10)))
    const out = await readCommitted(workers.names.topic('sums'), 30)
    // With the state objects as they were.
    expect(Math.max(...out.map(({ value }) => (JSON.parse(value ?? '') as { sum: number }).sum))).toBe(6)
    await workers.stop('w1')
    // It is the repartition now.
    await workers.start('w1')
  })

  it('that was recreated before its reader had committed anything is lost, too', async () => {
    const workers = await workersOf(bySite)
    await workers.start('w1')
    await workers.stop('w1')
    await recreate(workers.names.topic(REPARTITION))
    expect(await workers.refused('w1')).toMatchObject({ code: 'REPARTITION_LOST' })
  })

  it('that is recreated while workers run stops them, and stays lost', async () => {
    const workers = await workersOf(bySite)
    await workers.start('w1')
    await produce(workers.names.topic('readings'), keyed(readingsFrom(0, 20)))
    await readCommitted(workers.names.topic('sums'), 20)
    await recreate(workers.names.topic(REPARTITION))
    const end = await workers.endOf('w1')
    expect(end).toMatchObject({ code: 'REPARTITION_LOST', exitCode: 7 })
    expect(end.cure).toContain('--reset-offsets --to-earliest --execute')
    expect(await workers.refused('w2')).toMatchObject({ code: 'REPARTITION_LOST' })
  })

  describe('without the right to delete', () => {
    const cluster = new SeveralBrokers(1, {
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'allow.everyone.if.no.acl.found': 'true',
    })
    beforeAll(() => cluster.start())

    it('grows, which is warned of once', async () => {
      const brokers = cluster.brokers.split(',')
      const purge = { lookMs: 50, records: 1, afterMs: 50 }
      const workers = await workersOf(bySite, { purge }, brokers)
      const repartition = workers.names.topic(REPARTITION)
      await deny(repartition, brokers)
      await workers.start('w1')
      const { log } = await openLog({ brokers })
      for (let round = 0; round < 3; round++) {
        await send(log, workers.names.topic('readings'), readingsFrom(round * 20, 20))
        await readCommitted(workers.names.topic('sums'), (round + 1) * 20, { brokers })
        await until('it is warned', () => workers.said(GROWS).length > 0)
      }
      expect(workers.said(GROWS)).toEqual([expect.objectContaining({ level: 'warn', topics: [repartition] })])
      expect(await log.listOffsets(allOf(repartition), 'earliest')).toEqual([0, 0])
      expect(workers.lines.filter(({ level }) => level === 'error')).toEqual([])
    })
  })
})

const GROWS = 'repartition topics are not purged, and grow: grant this user Delete on them, and restart the worker'

async function send(log: Log, name: string, all: readonly Reading[]): Promise<void> {
  const producer = await log.producer(`${name}-feed`)
  const records = Array.from({ length: PARTITIONS }, (_, partition) => {
    const writer = new RecordWriter(1_000_000)
    for (const one of all)
      if (partitionOf('murmur2', Buffer.from(one.device), PARTITIONS) === partition)
        writer.append(Date.now(), one.device, JSON.stringify(one))
    return { topic: name, partition, chunks: writer.take() }
  })
  await producer.commit({ records, group: 'none', positions: [] })
  await producer.close()
}

/** Everything but Delete on that topic. */
async function deny(name: string, brokers: readonly string[]): Promise<void> {
  const kafkajs = createRequire(import.meta.url)('kafkajs') as typeof Kafkajs
  const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs
  const acl = { resourceType: AclResourceTypes.TOPIC, resourceName: name, principal: 'User:ANONYMOUS', host: '*' }
  const literal = { ...acl, resourcePatternType: ResourcePatternTypes.LITERAL }
  await withAdmin(
    (admin) =>
      admin.createAcls({
        acl: [
          { ...literal, operation: AclOperationTypes.ALL, permissionType: AclPermissionTypes.ALLOW },
          { ...literal, operation: AclOperationTypes.DELETE, permissionType: AclPermissionTypes.DENY },
        ],
      }),
    brokers,
  )
}

describe('sources that do not fit together', () => {
  const manual = topic('manual', { schema: anySchema<Reading>(), key: ({ device }) => device, partitioner: 'none' })
  const device = stateObject('device', () => ({ sum: 0 }))
  const add = (state: { sum: number }, { device: name, value }: Reading) => ({ name, sum: (state.sum += value) })
  const others = [
    ['with another partition count', 3],
    ['with a partitioner that is not known', PARTITIONS],
  ] as const

  it.each(others)('%s: one that is rekeyed works with the other', async (_, partitions) => {
    const app = application(
      'plant',
      merge(
        from(readings),
        from(manual).keyBy((one) => one.device),
      )
        .to(device, add)
        .sink(sums),
    )
    const workers = await workersOf(app)
    const name = workers.names.topic('manual')
    await createTopics([{ name, partitions }])
    await workers.start('w1')
    await workers.start('w2')
    await produce(workers.names.topic('readings'), keyed(readingsFrom(0, 70)))
    // Wherever they lie.
    await produce(
      name,
      keyed(readingsFrom(0, 70)).map((message, i) => ({ ...message, partition: i % partitions })),
    )
    const out = await readCommitted(workers.names.topic('sums'), 140)
    for (const n of [0, 1, 2, 3, 4, 5, 6]) {
      const mine = out.filter(({ key }) => key === `d${String(n)}`)
      const seen = mine.map(({ value }) => (JSON.parse(value ?? '') as { sum: number }).sum)
      expect(seen).toEqual(Array.from({ length: 20 }, (__, i) => i + 1))
    }
  })

  it('are refused as they are, and keyBy() is named', async () => {
    const app = application('plant', merge(from(readings), from(manual)).to(device, add).sink(sums))
    const workers = await workersOf(app)
    await createTopics([{ name: workers.names.topic('manual'), partitions: 3 }])
    const failure = await workers.refused('w1')
    expect(failure).toMatchObject({ code: 'PARTITION_COUNTS_DIFFER', exitCode: 3 })
    expect(failure.message).toMatch(/readings has 2, .*manual has 3/)
    expect(failure.cure).toContain('put keyBy() after one of them')
  })
})

it('an application from before the manifest goes on, byte for byte', async () => {
  const device = stateObject('device', () => ({ sum: 0 }))
  const app = application(
    'plant',
    from(readings)
      .to(device, (state, { device: name, value }) => ({ name, sum: (state.sum += value) }))
      .sink(sums),
  )
  const workers = await workersOf(app)
  const { names } = workers
  const [source, changelog] = [names.topic('readings'), names.changelog('device')]
  const { log } = await openLog()
  await log.createTopics([{ name: changelog, partitions: PARTITIONS, config: { 'cleanup.policy': 'compact' } }])
  await produce(source, [{ key: 'd2', value: JSON.stringify(readingsFrom(2, 1)[0]), partition: 0 }])
  const topicId = (await log.describeTopics([source])).get(source)?.id
  // What the version before wrote: { sum: 41 } packed, the commit record, and the note beside the group's offset.
  const identity = '4f2d8c1a-6f0e-4b39-9d2b-0d1c6f2b7e55/device'
  const packed = Buffer.from([0x81, 0xa3, 0x73, 0x75, 0x6d, 0x29])
  const commit = `{"v":1,"identity":"${identity}","positions":{"${source}":1},"topicIds":{"${source}":"${topicId ?? ''}"},"by":"w0","atMs":1790000000000}`
  const producer = await log.producer(names.transactionalId('device', 0))
  const writer = new RecordWriter(1_000_000)
  writer.append(1_790_000_000_000, Buffer.from('device\0d2'), packed)
  writer.append(1_790_000_000_000, Buffer.from([0xff, 0x63]), commit)
  await producer.commit({
    records: [{ topic: changelog, partition: 0, chunks: writer.take() }],
    group: names.group,
    positions: [
      {
        topic: source,
        partition: 0,
        position: 1,
        note: `{"potoroo":1,"topicId":"${topicId ?? ''}","changelog":"${identity}"}`,
      },
    ],
  })
  await producer.close()
  expect(encodeOffsetNote({ topicId, changelog: identity })).toBe(
    `{"potoroo":1,"topicId":"${topicId ?? ''}","changelog":"${identity}"}`,
  )

  await workers.start('w1')
  await produce(source, [{ key: 'd2', value: JSON.stringify(readingsFrom(2, 1)[0]), partition: 0 }])
  const [out] = await readCommitted(names.topic('sums'), 1)
  expect(out?.value).toBe('{"name":"d2","sum":42}')
  await workers.stop('w1')
  expect(workers.lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([])
  const own = (await changelogRecords(changelog)).filter(({ partition }) => partition === 0)
  // What was there, and after it the same in the same form.
  const [state, record] = own.slice(2)
  expect(own.slice(0, 2).map(({ value }) => value?.toString('hex'))).toEqual(
    [packed, Buffer.from(commit)].map((bytes) => bytes.toString('hex')),
  )
  expect(state).toEqual({
    partition: 0,
    key: Buffer.from('device\0d2'),
    value: Buffer.from([0x81, 0xa3, 0x73, 0x75, 0x6d, 0x2a]),
  })
  expect(record?.key).toEqual(Buffer.from([0xff, 0x63]))
  const { atMs, ...rest } = JSON.parse(record?.value?.toString() ?? '') as Record<string, unknown>
  expect(typeof atMs).toBe('number')
  expect(rest).toMatchObject({ v: 1, identity, positions: { [source]: 2 }, topicIds: { [source]: topicId }, by: 'w1' })
  // Now there is one.
  const [manifest] = await readCommitted(names.manifest, 1)
  expect(JSON.parse(manifest?.value ?? '')).toEqual({
    v: 1,
    generation: 1,
    subTopologies: [
      {
        name: 'device',
        partitions: PARTITIONS,
        partitioner: 'murmur2',
        sources: [{ topic: 'readings', isRepartition: false }],
        states: [{ name: 'device' }],
        plans: [expect.any(String)],
      },
    ],
  })
  await workers.start('w2')
})

it('potoroo topology --against says what a deployment would create, keep and refuse', async () => {
  const bench = new ExampleBench('site-totals')
  const against = (module: string) =>
    runCli(['topology', module, '--against', bench.brokers.join(), '--topic-prefix', bench.prefix])
  const rows = (lines: readonly string[]) => lines.slice(1).map((line) => line.trim().split(/\s{2,}/))
  const all = [
    ['sub-topology', 'meter'],
    ['sub-topology', 'site'],
  ]
  const before = await against('dist/examples/site-totals/application.js')
  // A worker makes what is the application's alone, and not its sources and sinks.
  expect([before.code, before.stderr]).toEqual([
    3,
    [expect.stringMatching(/^error TOPIC_MISSING: .*readings, .*site-totals/)],
  ])
  const topics = [
    ['topic (manifest)', bench.names.manifest],
    ['topic (dead letters)', bench.names.deadLetters],
    ['topic (changelog)', bench.names.changelog('meter')],
    ['topic (changelog)', bench.names.changelog('site')],
    ['topic (repartition)', bench.names.topic('site-totals-meter-site-repartition')],
  ]
  expect(rows(before.stdout)).toEqual([...all, ...topics].map((row) => ['created', ...row]))
  await bench.createTopics()
  const worker = bench.worker('w1')
  await worker.line(/"worker started"/)
  const after = await against('dist/examples/site-totals/application.js')
  expect(after).toMatchObject({ code: 0, stderr: [] })
  expect(rows(after.stdout)).toEqual([
    ['kept', 'sub-topology', 'meter'],
    ['kept', 'state object', 'meter'],
    ['kept', 'source', 'readings'],
    ['kept', 'sub-topology', 'site'],
    ['kept', 'state object', 'site'],
    ['kept', 'repartition', 'site-totals-meter-site-repartition'],
  ])
  const merged = await against('test/fixtures/site-totals-merged.mjs')
  expect(merged.code).toBe(3)
  expect(merged.stderr).toHaveLength(1)
  expect(merged.stderr[0]).toMatch(
    /^error TOPOLOGY_INCOMPATIBLE: state objects meter \(changelog of meter\) and state objects site \(changelog of site\) of site-totals are separate/,
  )
  // And a worker of it says the same.
  const refused = await runCli([
    'run',
    'test/fixtures/site-totals-merged.mjs',
    '--topic-prefix',
    bench.prefix,
    '--name',
    'w2',
    '--state-dir',
    bench.stateDir('w2'),
  ])
  expect(refused.code).toBe(3)
  worker.kill('SIGTERM')
  expect((await worker.exited).code).toBe(0)
})
