/** src/kafka on a network that does one thing wrong, always: what comes of it, and by whose clock. */
import { expect, test, vi } from 'vitest'
import { isPotorooError } from '../../../src/errors.js'
import type { Faults, RequestInfo } from '../../../src/memory/faults.js'
import { noFaults } from '../../../src/memory/faults.js'
import { SeededRandom } from '../../../src/memory/random.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { silentLogger } from '../../support/silent-logger.js'
import { chunksOf, recordsFrom } from '../../support/records.js'
import { fairClimate, WireWeather, type WireClimate } from './climate.js'
import { WireCluster } from './cluster.js'

const quiet: WireClimate = { ...fairClimate, pieceRate: 0, topicIds: false }

interface World {
  readonly scheduler: Scheduler
  readonly cluster: WireCluster
  readonly nonsense: readonly string[]
  readonly log: ReturnType<WireCluster['log']>
}

async function inWorld(
  climate: Partial<WireClimate>,
  body: (world: World) => Promise<void>,
  request: Faults['request'] = (info) => noFaults.request(info),
): Promise<void> {
  const scheduler = new Scheduler()
  const nonsense: string[] = []
  const cluster = new WireCluster({
    scheduler,
    brokers: 1,
    faults: { ...noFaults, request },
    weather: new WireWeather(new SeededRandom(1), { ...quiet, ...climate }, () => false),
    logger: () => silentLogger,
    said: () => undefined,
    nonsense: (what) => nonsense.push(what),
    troubleMs: 0,
  })
  const process = scheduler.process('test')
  const log = cluster.log({ process, connectTimeoutMs: 12_000, requestTimeoutMs: 5_000 })
  try {
    await scheduler.run(body({ scheduler, cluster, nonsense, log }))
  } finally {
    cluster.close()
  }
}

const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return isPotorooError(error) ? error.code : String(error)
}

test('a connection that is never made is given up by the clock, and leaves no timer of real time', async () => {
  const [set, cleared] = [vi.spyOn(globalThis, 'setTimeout'), vi.spyOn(globalThis, 'clearTimeout')]
  try {
    await inWorld({ hangRate: 1 }, async ({ log, scheduler }) => {
      expect(await codeOf(log.connect())).toBe('BROKER_UNREACHABLE')
      // Two tries of 5 s, and pauses.
      expect(scheduler.elapsedMs).toBeGreaterThan(10_000)
      expect(scheduler.elapsedMs).toBeLessThan(20_000)
    })
    expect(set.mock.calls.length).toBeGreaterThan(0)
    const gone = new Set<unknown>(cleared.mock.calls.map(([timer]) => timer))
    expect(set.mock.results.filter(({ value }) => !gone.has(value))).toEqual([])
  } finally {
    vi.restoreAllMocks()
  }
})

test('a connection that has gone silent is given up when an answer is due', async () => {
  await inWorld({ stallRate: 1 }, async ({ log, scheduler }) => {
    expect(await codeOf(log.connect())).toBe('BROKER_UNREACHABLE')
    expect(scheduler.elapsedMs).toBeGreaterThan(5_000)
  })
})

test('a frame of which single bytes come is read whole', async () => {
  await inWorld({ pieceRate: 1 }, async ({ log, cluster }) => {
    await log.createTopics([{ name: 'topic', partitions: 3 }])
    const producer = await log.producer('id')
    for (let i = 0; i < 50; i++) {
      const records = [{ topic: 'topic', partition: i % 3, chunks: chunksOf(recordsFrom(i, 1)) }]
      await producer.commit({ records, group: 'group', positions: [{ topic: 'topic', partition: 0, position: i }] })
    }
    expect(cluster.partition({ topic: 'topic', partition: 0 }).highWatermark).toBe(34)
  })
})

/** Once: the first request of that kind. */
function once(
  api: RequestInfo['api'],
  fault: 'request-lost' | 'answer-lost' | 'cut',
  toBrokerMs = 0.2,
): Faults['request'] {
  let left = 1
  return (request) => {
    if (request.api !== api || left-- <= 0) return noFaults.request(request)
    return { toBrokerMs, toClientMs: 0.2, fault }
  }
}
const commitOne = async ({ log }: World): Promise<string> => {
  await log.createTopics([{ name: 'topic', partitions: 1 }])
  const producer = await log.producer('id')
  const records = [{ topic: 'topic', partition: 0, chunks: chunksOf(recordsFrom(0, 1)) }]
  return codeOf(producer.commit({ records, group: '', positions: [] }))
}

for (const transactions of ['version 1', 'version 2'] as const)
  for (const api of ['produce', 'endTxn'] as const) {
    test(`${transactions}: a lost answer to ${api} fails the commit, and is not asked for again`, async () => {
      const asked: string[] = []
      const lose = once(api, 'answer-lost')
      const request: Faults['request'] = (info) => {
        asked.push(info.api)
        return lose(info)
      }
      const body = async (world: World): Promise<void> => {
        expect(await commitOne(world)).toBe('TRANSACTION_FAILED')
        expect(asked.filter((one) => one === api)).toHaveLength(1)
        expect(world.nonsense).toEqual([])
      }
      await inWorld({ transactions }, body, request)
    })
  }

test('the end of a transaction that comes late, from a connection that is gone, ends nothing of the next activation', async () => {
  const body = async (world: World): Promise<void> => {
    const { log, cluster, scheduler } = world
    expect(await commitOne(world)).toBe('TRANSACTION_FAILED')
    // What is under way comes when the next activation has begun a transaction.
    const next = await log.producer('id')
    const records = [{ topic: 'topic', partition: 0, chunks: chunksOf(recordsFrom(1, 1)) }]
    await next.commit({ records, group: '', positions: [] })
    await new Promise<void>((resolve) => scheduler.after(undefined, 1_000, resolve))
    const read = cluster.partition({ topic: 'topic', partition: 0 }).read(0, Infinity)
    expect(read.batches).toHaveLength(1)
    expect(world.nonsense).toEqual([])
  }
  await inWorld({ transactions: 'version 1' }, body, once('endTxn', 'cut', 500))
})

test('a client that sends nonsense is told of', async () => {
  await inWorld({}, async ({ log, nonsense, cluster }) => {
    await log.createTopics([{ name: 'topic', partitions: 1 }])
    const producer = await log.producer('id')
    const [chunk] = chunksOf(recordsFrom(0, 2))
    if (chunk === undefined) throw new RangeError('two records make a chunk')
    // A count that its records don't have: the checksum is right, and the broker counts.
    const wrong = { ...chunk, count: 0 }
    const commit = producer.commit({
      records: [{ topic: 'topic', partition: 0, chunks: [wrong] }],
      group: '',
      positions: [],
    })
    expect(await codeOf(commit)).toBe('RECORD_REFUSED')
    expect(nonsense.join()).toContain('INVALID_RECORD')
    expect(cluster.partition({ topic: 'topic', partition: 0 }).highWatermark).toBe(0)
  })
})
