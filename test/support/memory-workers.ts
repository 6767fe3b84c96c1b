/** Workers of the real runtime on brokers and disks in memory, under virtual time. Disks outlive the workers on them. */
import type { Meter } from '@opentelemetry/api'
import { definitionOf, type Application } from '../../src/api/application.js'
import { partitionOf } from '../../src/core/plan/partitioner.js'
import { RecordWriter } from '../../src/core/records/records.js'
import { namesOf } from '../../src/core/plan/topology.js'
import type { HeldStatus } from '../../src/core/group/worker-status.js'
import { isPotorooError, type PotorooError } from '../../src/errors.js'
import { MemoryCluster, type MemoryClusterOptions } from '../../src/memory/cluster.js'
import { noFaults, type Faults } from '../../src/memory/faults.js'
import { MemoryPeerNetwork } from '../../src/memory/peers.js'
import { SeededRandom } from '../../src/memory/random.js'
import { Scheduler, type SimulatedProcess } from '../../src/memory/scheduler.js'
import { MemoryDisk } from '../../src/memory/stores.js'
import type { Readiness, WorkerFigures } from '../../src/ports/figures.js'
import { WorkerMetrics } from '../../src/metrics/worker-metrics.js'
import type { Observer, RuntimeEvent } from '../../src/ports/observer.js'
import { defaults, type RuntimeOptions } from '../../src/runtime/options.js'
import { Worker } from '../../src/runtime/worker.js'
import { recordsOf, type SeenRecord } from '../sim/views.js'

export interface MemoryWorkersOptions {
  readonly application: Application
  /** Sources and sinks. */
  readonly topics: readonly string[]
  /** Default 1. */
  readonly partitions?: number
  readonly runtime?: Partial<RuntimeOptions>
  readonly faults?: Faults
  readonly withoutTopicIds?: boolean
  /** What brokers refuse. */
  readonly policy?: MemoryClusterOptions['policy']
  /** Where workers count; default: nowhere. */
  readonly meter?: Meter
}

export interface LoggedLine extends Readonly<Record<string, unknown>> {
  readonly worker: string
  readonly level: string
  readonly msg: string
}

interface Life {
  readonly process: SimulatedProcess
  readonly worker: Worker
  readonly observers: readonly Observer[]
}

/** Longer than whatever a group or a worker does by itself. */
const LONG_MS = 30_000

export class MemoryWorkers {
  readonly scheduler = new Scheduler()
  readonly cluster: MemoryCluster
  readonly names
  readonly lines: LoggedLine[] = []
  readonly disks = new Map<string, MemoryDisk>()
  /** What ended a worker, by its name; of the last life. */
  readonly ends = new Map<string, unknown>()
  readonly #lives = new Map<string, Life>()
  readonly #network = new MemoryPeerNetwork(this.scheduler)
  readonly #partitions: number

  constructor(private readonly options: MemoryWorkersOptions) {
    const { faults = noFaults, partitions = 1, topics, policy } = options
    this.#partitions = partitions
    this.names = namesOf('', definitionOf(options.application).name)
    this.cluster = new MemoryCluster({
      scheduler: this.scheduler,
      faults,
      withoutTopicIds: options.withoutTopicIds === true,
      policy,
    })
    for (const name of topics) this.cluster.createTopic({ name, partitions })
  }

  /** Resolves when it is a member of the group, or has failed: see `codeOf`. */
  async start(name: string, application = this.options.application): Promise<void> {
    const { scheduler, cluster } = this
    const { faults = noFaults, runtime = {} } = this.options
    const disk = this.disks.get(name) ?? new MemoryDisk()
    this.disks.set(name, disk)
    this.ends.delete(name)
    const process = scheduler.process(name)
    const log =
      (level: string) =>
      (fields: object, msg: string): void => {
        this.lines.push({ ...fields, worker: name, level, msg })
      }
    const { meter } = this.options
    const measured = {
      application: this.names.group,
      worker: name,
      isReady: (): boolean => worker.readiness.ready,
      figures: (): WorkerFigures => worker.figures(),
    }
    const observers = meter === undefined ? [] : [new WorkerMetrics(meter, measured)]
    const worker: Worker = new Worker(
      definitionOf(application),
      { ...defaults, ...runtime, name },
      {
        log: cluster.log({ process }),
        stores: disk.open({ process, faults }),
        peers: this.#network.peers({ process, faults }),
        clock: process.clock,
        random: new SeededRandom(this.#lives.size + 1),
        logger: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
        observers,
      },
    )
    this.#lives.set(name, { process, worker, observers })
    worker.ended.catch((error: unknown) => this.ends.set(name, error))
    await scheduler.run(worker.start().catch((error: unknown) => this.ends.set(name, error)))
  }

  async stop(name: string): Promise<void> {
    const life = this.#lives.get(name)
    if (life === undefined) return
    await this.scheduler.run(life.worker.stop(), LONG_MS)
    life.process.kill()
  }

  /** Within what the world does already. */
  stopSoon(name: string): Promise<void> {
    return this.#lives.get(name)?.worker.stop() ?? Promise.resolve()
  }

  kill(name: string): void {
    this.#lives.get(name)?.process.kill()
  }

  process(name: string): SimulatedProcess {
    const life = this.#lives.get(name)
    if (life === undefined) throw new RangeError(`there is no worker ${name}`)
    return life.process
  }

  /** Its metrics, that something has happened which has not. */
  tell(name: string, event: RuntimeEvent): void {
    for (const observer of this.#lives.get(name)?.observers ?? []) observer.observe(event)
  }

  readiness(name: string): Readiness | undefined {
    return this.#lives.get(name)?.worker.readiness
  }

  /** What of its tasks stands still. */
  held(name: string): readonly HeldStatus[] {
    const { tasks = [] } = this.#lives.get(name)?.worker.figures() ?? {}
    return tasks.flatMap(({ running }) => running?.held ?? [])
  }

  active(name: string): readonly string[] {
    return this.#lives.get(name)?.worker.active ?? []
  }

  /** Long enough for all that workers do by themselves. */
  async rest(): Promise<void> {
    await this.scheduler.advance(LONG_MS)
  }

  /** Why the worker has ended; undefined while it runs, and where it was told to. */
  endOf(name: string): PotorooError | undefined {
    const end = this.ends.get(name)
    if (end === undefined) return undefined
    if (!isPotorooError(end)) throw new Error('the worker ended by something else', { cause: end })
    return end
  }

  said(msg: string): readonly LoggedLine[] {
    return this.lines.filter((line) => line.msg === msg)
  }

  append(topic: string, key: string, message: object | null, timestampMs = Math.floor(this.scheduler.nowMs)): void {
    const writer = new RecordWriter(1_000_000)
    writer.append(timestampMs, key, message === null ? null : JSON.stringify(message))
    const partition = partitionOf('murmur2', Buffer.from(key), this.#partitions)
    this.cluster.append({ topic, partition }, writer.take())
  }

  /** Committed records, partition by partition. */
  records(topic: string): SeenRecord[] {
    const partitions = this.cluster.describeTopic(topic)?.partitions ?? 0
    return Array.from({ length: partitions }, (_, partition) => this.cluster.partition({ topic, partition })).flatMap(
      recordsOf,
    )
  }
}
