/**
 * src/runtime/dead-letters/finish.ts: dead letters are replayed once each, whatever becomes of who replays them. Its invariants are
 * at the head of that file.
 */
import { describe, expect, it } from 'vitest'
import { namesOf } from '../../../src/core/plan/topology.js'
import type { RecordCursor } from '../../../src/core/records/records.js'
import { isPotorooError } from '../../../src/errors.js'
import { MemoryCluster } from '../../../src/memory/cluster.js'
import { noFaults, type Fate, type RequestInfo } from '../../../src/memory/faults.js'
import { SeededRandom } from '../../../src/memory/random.js'
import { Scheduler, type SimulatedProcess } from '../../../src/memory/scheduler.js'
import { finishLetters, type Finished, type FinishOptions } from '../../../src/runtime/dead-letters/finish.js'
import { lettersOf, describeLetters, readMarks } from '../../../src/runtime/dead-letters/letters.js'
import { deadLetterChunks, type TestLetter } from '../../support/dead-letters.js'
import { PartitionView } from '../../sim/views.js'

const names = namesOf('', 'bank')
const [PARTITIONS, LETTERS] = [2, 9]

interface Seen {
  readonly partition: number
  readonly key: string | null
  readonly value: string | null
  readonly timestampMs: number
  readonly headers: readonly string[]
}

const letterOf = (n: number): TestLetter => ({
  topic: 'payments',
  partition: n % PARTITIONS,
  offset: n,
  key: n % 3 === 0 ? Uint8Array.of(0xff, n) : `k${String(n)}`,
  value: n === 4 ? null : `{"n":${String(n)}}`,
  timestampMs: 100 + n,
  headers: [{ key: 'n', value: Buffer.from(String(n)) }],
  message: `failed ${String(n)}`,
  code: n % 2 === 0 ? 'COMPUTATION_FAILED' : 'OUTPUT_INVALID',
  atMs: 1_000 + n,
})
const seenOf = (n: number): Seen => {
  const { key, value = null, timestampMs = 0 } = letterOf(n)
  const text = typeof key === 'string' ? key : Buffer.from(key ?? []).toString('latin1')
  return { partition: n % PARTITIONS, key: text, value, timestampMs, headers: [`n=${String(n)}`] }
}

class World {
  readonly scheduler = new Scheduler({ startMs: 1_000_000 })
  onRequest: (request: RequestInfo) => Fate = (request) => noFaults.request(request)
  readonly cluster = new MemoryCluster({
    scheduler: this.scheduler,
    faults: { ...noFaults, request: (request) => this.onRequest(request) },
  })
  #operators = 0

  constructor(letters: readonly TestLetter[] = Array.from({ length: LETTERS }, (_, n) => letterOf(n))) {
    this.cluster.createTopic({ name: 'payments', partitions: PARTITIONS })
    this.cluster.createTopic({ name: names.deadLetters, partitions: PARTITIONS })
    this.add(letters)
  }

  add(letters: readonly TestLetter[]): void {
    const chunks = deadLetterChunks({ topic: names.deadLetters, partitions: PARTITIONS }, letters)
    for (const [partition, mine] of chunks) this.cluster.append({ topic: names.deadLetters, partition }, mine)
  }

  operator(): {
    readonly process: SimulatedProcess
    readonly run: (options?: Partial<FinishOptions>) => Promise<Finished>
  } {
    const process = this.scheduler.process(`operator-${String(++this.#operators)}`)
    const env = { log: this.cluster.log({ process }), clock: process.clock }
    return {
      process,
      run: (options = {}) => {
        const all = { how: 'replay', choice: {}, atOnce: 4, signal: new AbortController().signal, ...options } as const
        return finishLetters(env, names, all)
      },
    }
  }

  async finish(options: Partial<FinishOptions> = {}): Promise<Finished> {
    const finished = await this.scheduler.run(this.operator().run(options))
    // The markers of the last transaction are under way.
    await this.scheduler.advance(10)
    return finished
  }

  /** What is open, by the offsets that the records had. */
  async open(): Promise<readonly number[]> {
    const log = this.cluster.log({ process: this.scheduler.process(`reader-${String(++this.#operators)}`) })
    const { signal } = new AbortController()
    const read = async (): Promise<number[]> => {
      const topic = await describeLetters(log, names)
      const marks = await readMarks(log, names, topic, signal)
      const open: number[] = []
      for await (const letter of lettersOf(log, topic, {}, signal))
        if (marks.of(letter) === undefined) open.push(letter.block.origin.offset)
      return open.sort((a, b) => a - b)
    }
    return this.scheduler.run(read())
  }

  /** What a reader that reads committed finds in a topic. */
  seen(topic = 'payments'): Seen[] {
    return Array.from({ length: PARTITIONS }, (_, partition) => {
      const records: Seen[] = []
      new PartitionView(this.cluster.partition({ topic, partition }), (cursor: RecordCursor) => {
        const { buffer, keyStart, keyEnd, valueStart, valueEnd, timestampMs } = cursor
        const headers = cursor.headers().map(({ key, value }) => `${key}=${Buffer.from(value ?? []).toString()}`)
        const key =
          keyStart < 0 ? null : buffer.toString(buffer[keyStart] === 0xff ? 'latin1' : 'utf8', keyStart, keyEnd)
        const value = valueStart < 0 ? null : buffer.toString('utf8', valueStart, valueEnd)
        records.push({ partition, key, value, timestampMs, headers })
      }).update()
      return records
    }).flat()
  }
}

/** Each partition's in the order in which they became dead letters. */
const all = (chosen: (n: number) => boolean = () => true): Seen[] =>
  Array.from({ length: PARTITIONS }, (_, partition) =>
    Array.from({ length: LETTERS }, (_, n) => n)
      .filter((n) => n % PARTITIONS === partition && chosen(n))
      .map(seenOf),
  ).flat()

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: unknown) => (isPotorooError(error) ? error.code : String(error)),
  )

describe('a replay', () => {
  it('writes each dead letter to its partition as the record was, and none a second time', async () => {
    const world = new World()
    expect(await world.finish()).toEqual({ done: LETTERS, before: 0, refused: 0, stopped: false })
    expect(world.seen()).toEqual(all())
    expect(await world.open()).toEqual([])
    expect(await world.finish()).toEqual({ done: 0, before: LETTERS, refused: 0, stopped: false })
    expect(world.seen()).toEqual(all())
  })

  it('takes those that are chosen: by code, time, key, and place', async () => {
    const world = new World()
    await world.finish({ choice: { codes: ['OUTPUT_INVALID'], sinceMs: 1_002, untilMs: 1_006 } })
    expect(world.seen()).toEqual(all((n) => n === 3 || n === 5))
    await world.finish({ choice: { isKey: (key) => key?.toString() === 'k7' } })
    await world.finish({ choice: { places: [{ partition: 1, offset: 0 }] } })
    await world.finish({ choice: { topic: 'other' } })
    await world.finish({ choice: { partition: 0, topic: 'payments' } })
    expect(await world.open()).toEqual([])
    expect(world.seen()).toHaveLength(LETTERS)
  })

  it('gives the present time where that is wanted', async () => {
    const world = new World()
    await world.finish({ timestamps: 'now' })
    expect(world.seen().every(({ timestampMs }) => timestampMs >= 1_000_000)).toBe(true)
  })

  it('refuses a dead letter that is not there, and names it', async () => {
    const world = new World()
    const missing = world.operator().run({ choice: { places: [{ partition: 1, offset: 44 }] } })
    expect(await world.scheduler.run(codeOf(missing))).toBe('INVALID_CONFIGURATION')
  })

  it("leaves open what can't go back, says why, and replays the others", async () => {
    const world = new World([
      letterOf(0),
      { ...letterOf(1), topic: 'gone' },
      { ...letterOf(2), partition: 40 },
      { ...letterOf(3), value: 'v'.repeat(2_000_000) },
      letterOf(5),
    ])
    const reasons: string[] = []
    const refused: FinishOptions['refused'] = (_, reason) => void reasons.push(reason)
    expect(await world.finish({ refused })).toEqual({ done: 2, before: 0, refused: 3, stopped: false })
    expect(reasons.sort()).toEqual([
      expect.stringMatching(/^the dead letter has only the beginning of it: its value had 2000000 bytes/),
      expect.stringMatching(/^topic gone, .* does not exist/),
      expect.stringMatching(/^topic payments has 2 partitions, and it came from partition 40/),
    ])
    expect(world.seen()).toEqual(all((n) => n === 0 || n === 5))
    expect(await world.open()).toEqual([1, 2, 3])
  })

  it('finds the ones that a broker refuses among others, and replays these', async () => {
    const isOld = (n: number): boolean => n === 4 || n === 7
    const world = new World(
      Array.from({ length: LETTERS }, (_, n) => ({ ...letterOf(n), timestampMs: isOld(n) ? 1 : 999_000 })),
    )
    world.cluster.alterTopic('payments', { 'message.timestamp.before.max.ms': '500000' })
    const refused: number[] = []
    const outcome = await world.finish({ refused: ({ block }) => void refused.push(block.origin.offset) })
    expect(outcome).toEqual({ done: LETTERS - 2, before: 0, refused: 2, stopped: false })
    expect(refused.sort()).toEqual([4, 7])
    expect(await world.open()).toEqual([4, 7])
    expect(world.seen().map(({ key }) => key)).toEqual(all((n) => !isOld(n)).map(({ key }) => key))
  })

  it('takes marks away whose dead letters are gone, and takes those of a topic before for nothing', async () => {
    const world = new World()
    await world.finish()
    world.cluster.deleteTopic(names.deadLetters)
    world.cluster.createTopic({ name: names.deadLetters, partitions: PARTITIONS })
    world.add([letterOf(0), letterOf(1)])
    expect(await world.open()).toEqual([0, 1])
    expect(await world.finish()).toMatchObject({ done: 2, before: 0 })
    expect(world.seen()).toHaveLength(LETTERS + 2)
  })
})

describe('a drop', () => {
  it('writes nothing, and leaves nothing open; the dead letters stay', async () => {
    const world = new World()
    expect(await world.finish({ how: 'drop', choice: { codes: ['OUTPUT_INVALID'] } })).toMatchObject({ done: 4 })
    expect(world.seen()).toEqual([])
    expect(await world.open()).toEqual([0, 2, 4, 6, 8])
    expect(await world.finish()).toMatchObject({ done: 5, before: 4 })
    expect(world.seen()).toEqual(all((n) => n % 2 === 0))
    expect(world.seen(names.deadLetters)).toHaveLength(LETTERS)
  })
})

/** It dies, or a request of it fails, at that one; then it is run again. Returns how many requests there were. */
async function disturbedAt(at: number, fault: 'killed before' | 'killed behind' | Fate['fault']): Promise<number> {
  const world = new World()
  const { process, run } = world.operator()
  let requests = 0
  const isKilled = fault === 'killed before' || fault === 'killed behind'
  world.onRequest = (request) => {
    const fate = noFaults.request(request)
    if (request.process !== process.name || ++requests !== at) return fate
    if (isKilled) process.kill()
    if (fault === 'killed before') return { ...fate, fault: 'request-lost' }
    return isKilled ? fate : { ...fate, fault }
  }
  let isOver = false
  const work = run().then(
    () => (isOver = true),
    () => (isOver = true),
  )
  void work
  await world.scheduler.until(() => isOver || !process.alive)
  // What it had under way arrives.
  await world.scheduler.advance(1_000)
  const half = world.seen().length
  const open = await world.open()
  expect(half + open.length, `${String(fault)} at ${String(at)}`).toBe(LETTERS)
  await world.finish()
  expect(world.seen(), `${String(fault)} at ${String(at)}`).toEqual(all())
  return requests
}

describe('each is replayed once', () => {
  it.each(['killed before', 'killed behind', 'request-lost', 'answer-lost', 'cut', 'refused'] as const)(
    'when it is %s at any of its requests, and run again (invariants 1, 2 and 4)',
    async (fault) => {
      let at = 1
      while ((await disturbedAt(at, fault)) >= at) at++
      expect(at).toBeGreaterThan(12)
    },
  )

  it('by several operators at once, whatever fails: 150 seeds (invariants 2 and 3)', async () => {
    const ends = new Set<string>()
    for (let seed = 1; seed <= 150; seed++) {
      const random = new SeededRandom(seed)
      const world = new World()
      world.onRequest = () => ({
        toBrokerMs: random.between(0.1, 4),
        toClientMs: random.between(0.1, 4),
        ...(random.chance(0.03)
          ? { fault: random.pick(['request-lost', 'answer-lost', 'cut', 'refused'] as const) }
          : {}),
      })
      const operators = [world.operator(), world.operator(), world.operator()]
      const over = new Set<number>()
      for (const [i, { process, run }] of operators.entries()) {
        world.scheduler.after(undefined, random.between(0, 60), () => {
          void codeOf(run({ atOnce: 2 })).then((code) => {
            ends.add(code)
            over.add(i)
          })
        })
        if (random.chance(0.3))
          world.scheduler.after(undefined, random.between(5, 100), () => {
            process.kill()
            over.add(i)
          })
      }
      await world.scheduler.until(() => over.size === operators.length)
      await world.scheduler.advance(20_000)
      world.onRequest = (request) => noFaults.request(request)
      await world.finish()
      expect(world.seen().length, `seed ${String(seed)}`).toBe(LETTERS)
      const byKey = (one: Seen): string => JSON.stringify(one)
      expect(world.seen().map(byKey).sort(), `seed ${String(seed)}`).toEqual(all().map(byKey).sort())
      expect(await world.open()).toEqual([])
    }
    // They did get into each other's way.
    expect([...ends]).toContain('FENCED')
    expect([...ends]).toContain('none')
  })
})
