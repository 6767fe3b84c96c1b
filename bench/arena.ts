/** One contender in one round: names of its own in Kafka, worker processes with state directories of their own. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Cluster, Progress } from './cluster.js'
import type { Contender, NamesInKafka, Place, WorkerSettings } from './contenders.js'
import { delay, until } from './waiting.js'
import { WorkerProcess } from './worker.js'

export const SOURCES = ['market-data', 'orders'] as const

const LOOK_MS = 50

export interface ArenaOptions {
  readonly cluster: Cluster
  readonly contender: Contender
  readonly place: Place
  readonly settings: WorkerSettings
  /** For state and logs. */
  readonly directory: string
}

export class Arena {
  readonly names: NamesInKafka
  readonly #workers: WorkerProcess[] = []
  readonly #home: string

  constructor(private readonly options: ArenaOptions) {
    const { contender, place, directory } = options
    this.names = contender.names(place)
    this.#home = join(directory, `${place.topicPrefix}${contender.name}-${String(place.round)}`)
  }

  get sources(): readonly string[] {
    return SOURCES.map((name) => `${this.options.place.topicPrefix}${name}`)
  }

  /** Lets `use` work in an empty arena, and leaves nothing: no process, no topic but the sources, no state. */
  async open<T>(partitions: number, use: () => Promise<T>): Promise<T> {
    const { cluster } = this.options
    const { group, rejections, others } = this.names
    const remove = (): Promise<void> => cluster.remove([rejections, ...others], [group])
    await remove()
    await cluster.createTopics([rejections], partitions)
    try {
      return await use()
    } finally {
      await Promise.all(this.#workers.map((worker) => worker.end('SIGKILL')))
      await remove()
      await rm(this.#home, { recursive: true, force: true })
    }
  }

  /** The same, with sources that nobody else reads, empty at first, and gone at the end. */
  async openWithSources<T>(partitions: number, use: () => Promise<T>): Promise<T> {
    const { cluster } = this.options
    await cluster.createTopics(this.sources, partitions)
    try {
      return await this.open(partitions, use)
    } finally {
      await cluster.remove(this.sources, [])
    }
  }

  /** A worker of an earlier name begins with the state that the earlier one left. */
  async start(name: string, env: Readonly<Record<string, string>> = {}): Promise<WorkerProcess> {
    const { contender, place, settings, directory } = this.options
    const command = contender.worker(name, this.stateDir(name), place, settings)
    const logFile = join(directory, `${place.topicPrefix}${contender.name}-${String(place.round)}-${name}.log`)
    const worker = await WorkerProcess.start(name, { ...command, env: { ...command.env, ...env } }, logFile)
    this.#workers.push(worker)
    return worker
  }

  stateDir(name: string): string {
    return join(this.#home, name)
  }

  /** Those that run, the first that was started first. */
  get alive(): readonly WorkerProcess[] {
    return this.#workers.filter(({ running }) => running)
  }

  assertAlive(): void {
    for (const worker of this.#workers) worker.assertAlive()
  }

  /** As soon as the group has committed everything that is in the sources. `looked` is told of every look before. */
  async caughtUp(timeoutMs: number, looked: (progress: Progress) => void = () => undefined): Promise<void> {
    const { cluster } = this.options
    await cluster.watch(this.names.group, this.sources, async (look) => {
      const caughtUp = async (): Promise<boolean> => {
        this.assertAlive()
        const progress = await look()
        looked(progress)
        return progress.left === 0
      }
      await until(`${this.names.group} has worked off its sources`, caughtUp, { timeoutMs, everyMs: LOOK_MS })
    })
  }

  /** Lets time pass, and rejects when a worker ends meanwhile. */
  async pass(ms: number): Promise<void> {
    const endMs = performance.now() + ms
    for (let leftMs = ms; leftMs > 0; leftMs = endMs - performance.now()) {
      this.assertAlive()
      await delay(Math.min(leftMs, 100))
    }
  }
}
