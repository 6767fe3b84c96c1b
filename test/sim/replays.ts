/**
 * Operators who replay and drop dead letters, several at once: a small world of its own beside that of simulation.ts, in every
 * third seed. They die, requests fail, leaders move; in the end all is well, and one does the rest. Then each dead letter was
 * replayed once and is marked so, or was dropped and is not in its source.
 */
import { decodeMark } from '../../src/core/processing/dead-letter-marks.js'
import { Outbox } from '../../src/core/processing/outbox.js'
import { namesOf } from '../../src/core/plan/topology.js'
import { RecordCursor, RecordWriter, BATCH_HEADER_BYTES } from '../../src/core/records/records.js'
import { isPotorooError, messageOf, PotorooError, type ErrorCode } from '../../src/errors.js'
import { MemoryCluster } from '../../src/memory/cluster.js'
import { SeededRandom } from '../../src/memory/random.js'
import { Scheduler, type SimulatedProcess } from '../../src/memory/scheduler.js'
import { finishLetters } from '../../src/runtime/dead-letters/finish.js'
import { LeaderTrouble } from './leader-trouble.js'
import { livedThrough, type OperatorOutcome } from './lived-through.js'
import { PartitionView, recordsOf } from './views.js'
import { drawClimate, Weather } from './weather.js'

const SOURCE = 'payments'
const TROUBLE_MS = 6_000
const CODES = ['COMPUTATION_FAILED', 'OUTPUT_INVALID', 'NOT_JSON'] as const
/** What may end an operator while there is trouble; run again, it continues. */
const passing: ReadonlySet<ErrorCode> = new Set([
  'FENCED',
  'BROKER_UNREACHABLE',
  'REQUEST_FAILED',
  'TRANSACTION_FAILED',
  'UNEXPECTED_ANSWER',
])

/** Undefined for the seeds that draw none. */
export async function simulateReplays(
  seed: number,
  options: { readonly trace?: boolean } = {},
): Promise<OperatorOutcome | undefined> {
  const random = new SeededRandom(seed ^ 0x5bd1e995)
  if (!random.chance(1 / 3)) return undefined
  return new ReplayWorld(seed, random, options.trace === true).run()
}

class ReplayWorld {
  readonly #scheduler = new Scheduler()
  readonly #names = namesOf('', 'bank')
  readonly #cluster: MemoryCluster
  readonly #weather: Weather
  readonly #problems: string[] = []
  readonly #trace: string[] = []
  readonly #alive = new Map<string, SimulatedProcess>()
  readonly #partitions: number
  readonly #letters: number
  /** By the dead letter's id: the value of its record. */
  readonly #values = new Map<string, string>()
  #operators = 0

  constructor(
    private readonly seed: number,
    private readonly random: SeededRandom,
    private readonly tracing: boolean,
  ) {
    this.#weather = new Weather(random.fork(), drawClimate(random), {
      crash: (process, why, afterMs) => {
        this.#scheduler.after(undefined, afterMs, () => {
          this.#kill(process, why)
        })
      },
      said: (what) => {
        this.#say(what)
      },
      sent: () => undefined,
      writeFailed: () => undefined,
      markerIsLate: () => undefined,
    })
    const leaders = new LeaderTrouble(seed, false)
    this.#cluster = new MemoryCluster({
      scheduler: this.#scheduler,
      faults: this.#weather,
      random: random.fork(),
      brokers: leaders.brokers(random.pick([1, 2])),
      withoutTopicIds: random.chance(0.1),
    })
    this.#partitions = 1 + random.below(3)
    this.#letters = 4 + random.below(30)
    this.#cluster.createTopic({ name: SOURCE, partitions: 3 })
    this.#cluster.createTopic({ name: this.#names.deadLetters, partitions: this.#partitions })
    this.#addLetters()
    // Whoever comes next is to find what was written meanwhile.
    leaders.plan(this.#cluster, this.#scheduler, [this.#names.deadLetterMarks, SOURCE], () => true, TROUBLE_MS, {
      said: (what) => {
        this.#say(what)
      },
      disturb: () => {
        const [first] = this.#alive.keys()
        if (first !== undefined) this.#kill(first, 'is disturbed')
        this.#start()
      },
    })
  }

  run(): Promise<OperatorOutcome> {
    const world = { scheduler: this.#scheduler, problems: this.#problems, trace: this.#trace }
    return livedThrough('replays', world, () => this.#live())
  }

  async #live(): Promise<void> {
    const { random } = this
    const operators = 2 + random.below(5)
    for (let i = 0; i < operators; i++)
      this.#scheduler.after(undefined, random.between(0, TROUBLE_MS * 0.8), () => {
        const process = this.#start()
        if (random.chance(0.4))
          this.#scheduler.after(undefined, random.between(0, 500), () => {
            this.#kill(process.name, 'is killed')
          })
      })
    await this.#scheduler.advance(TROUBLE_MS)
    this.#weather.calm = true
    // What was under way comes to its end, open transactions by their timeout at the latest.
    await this.#scheduler.advance(60_000)
    for (const name of [...this.#alive.keys()]) this.#kill(name, 'is at it still')
    await this.#last()
    this.#check()
  }

  #start(): SimulatedProcess {
    const { random } = this
    const process = this.#scheduler.process(`operator-${String(++this.#operators)}`)
    this.#alive.set(process.name, process)
    const how = random.chance(0.75) ? 'replay' : 'drop'
    const codes = how === 'drop' || random.chance(0.5) ? [random.pick(CODES)] : undefined
    const atOnce = random.pick([1, 2, 5, 500])
    this.#say(() => `${process.name} begins: ${how} ${codes?.join() ?? 'all'}, ${String(atOnce)} at once`)
    const { signal } = new AbortController()
    const env = { log: this.#cluster.log({ process }), clock: process.clock }
    finishLetters(env, this.#names, { how, choice: { codes }, atOnce, signal }).then(
      ({ done }) => {
        this.#say(() => `${process.name} is through, with ${String(done)}`)
        this.#alive.delete(process.name)
      },
      (error: unknown) => {
        this.#say(() => `${process.name} ends: ${messageOf(error)}`)
        this.#alive.delete(process.name)
        if (!isPotorooError(error) || !passing.has(error.code))
          this.#problems.push(`an operator ended: ${isPotorooError(error) ? error.code : messageOf(error)}`)
      },
    )
    return process
  }

  /** In good weather one goes through, and does the rest. */
  async #last(): Promise<void> {
    const process = this.#scheduler.process('last')
    const env = { log: this.#cluster.log({ process }), clock: process.clock }
    const { signal } = new AbortController()
    try {
      await this.#scheduler.run(finishLetters(env, this.#names, { how: 'replay', choice: {}, signal }), 120_000)
    } catch (error) {
      this.#problems.push(`the last one ends: ${isPotorooError(error) ? error.code : messageOf(error)}`)
    }
    await this.#scheduler.advance(1_000)
  }

  #check(): void {
    const found: string[] = []
    for (let partition = 0; partition < 3; partition++)
      for (const { key, value } of recordsOf(this.#cluster.partition({ topic: SOURCE, partition })))
        found.push(`${String(partition)} ${key} ${value}`)
    const marks = new Map<string, string>()
    new PartitionView(
      this.#cluster.partition({ topic: this.#names.deadLetterMarks, partition: 0 }),
      ({ buffer, keyStart, keyEnd, valueStart, valueEnd }) => {
        const id = buffer.toString('utf8', keyStart, keyEnd)
        const mark = valueStart < 0 ? undefined : decodeMark(buffer.subarray(valueStart, valueEnd))
        if (mark !== undefined && marks.has(id)) this.#problems.push('a dead letter is marked twice')
        if (mark === undefined) marks.delete(id)
        else marks.set(id, mark.done)
      },
    ).update()
    for (const [id, value] of this.#values) {
      const times = found.filter((one) => one === value).length
      const mark = marks.get(id)
      if (times > 1) this.#problems.push('a dead letter is replayed twice')
      else if (mark === undefined) this.#problems.push('a dead letter is left open')
      else if (times !== (mark === 'replayed' ? 1 : 0))
        this.#problems.push(`a dead letter is marked ${mark}, and is not`)
    }
    const due = new Set(this.#values.values())
    if (found.some((one) => !due.has(one))) this.#problems.push('a record is in a source that was no dead letter')
  }

  #addLetters(): void {
    const to = { topic: this.#names.deadLetters, partitions: this.#partitions, maxMessageBytes: 1_000_000 }
    const outbox = new Outbox()
    const nowMs = Math.floor(this.#scheduler.nowMs)
    const counts = Array.from({ length: this.#partitions }, () => 0)
    for (let n = 0; n < this.#letters; n++) {
      const partition = this.random.below(3)
      const writer = new RecordWriter(Infinity)
      const [key, value] = [`k${String(n)}`, `v${String(n)}`]
      writer.append(nowMs, key, value, [{ key: 'n', value: Buffer.from(String(n)) }])
      const cursor = new RecordCursor()
      for (const { bytes, end, count, baseTimestampMs } of writer.take())
        cursor.open({ baseOffset: n, baseTimestampMs, appendTimeMs: -1, count, bytes, start: BATCH_HEADER_BYTES, end })
      cursor.next()
      outbox.addDeadLetter(to, SOURCE, partition, cursor, new PotorooError(this.random.pick(CODES), 'why'), nowMs, [])
      const at = partition % this.#partitions
      this.#values.set(`${String(at)}:${String(counts[at] ?? 0)}`, `${String(partition)} ${key} ${value}`)
      counts[at] = (counts[at] ?? 0) + 1
    }
    for (const { topic, partition, chunks } of outbox.take()) this.#cluster.append({ topic, partition }, chunks)
  }

  #kill(name: string, why: string): void {
    const process = this.#alive.get(name)
    if (process === undefined) return
    this.#say(() => `${name} dies ${why}`)
    this.#alive.delete(name)
    process.kill()
  }

  #say(what: () => string): void {
    if (this.tracing) this.#trace.push(`${this.#scheduler.elapsedMs.toFixed(1)} ${what()}`)
  }
}
