/** Workers of an application in this process, on a broker, with stores on disk: for what a test has to hold in its hands. */
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { definitionOf, type Application } from '../../src/api/application.js'
import type { OpenMessages, Queries } from '../../src/api/queries.js'
import type { StateObject } from '../../src/api/state-object.js'
import type { Pairs } from '../../src/api/stream.js'
import type { Closed, Windowed } from '../../src/api/windows.js'
import { namesOf } from '../../src/core/plan/topology.js'
import { isPotorooError, type PotorooError } from '../../src/errors.js'
import { createKafkaLog } from '../../src/kafka/log.js'
import { openStateStores } from '../../src/lmdb/stores.js'
import { createPeers } from '../../src/peers/peers.js'
import type { Log } from '../../src/ports/log.js'
import { defaults, type RuntimeOptions } from '../../src/runtime/options.js'
import { askedDefinition } from '../../src/runtime/queries/state-queries.js'
import { Worker } from '../../src/runtime/worker.js'
import { systemClock, systemRandom } from '../../src/system.js'
import { testBrokers, uniqueName } from './broker.js'
import { temporaryFolder } from './temporary.js'
import { createTopics } from './topics.js'

export interface LoggedLine extends Readonly<Record<string, unknown>> {
  readonly level: string
  readonly msg: string
}

interface Life {
  readonly worker: Worker
  readonly ended: Promise<void>
}

/** For the tests of a file: what it gives have these topics, and are closed behind each test. */
export function kafkaWorkers(
  topics: readonly string[],
  partitions: number,
): (...args: ConstructorParameters<typeof KafkaWorkers>) => Promise<KafkaWorkers> {
  const opened: KafkaWorkers[] = []
  afterEach(async () => {
    for (const workers of opened.splice(0)) await workers.close()
  })
  return async (...args) => {
    const workers = new KafkaWorkers(...args)
    opened.push(workers)
    await createTopics(
      topics.map((name) => ({ name: workers.names.topic(name), partitions })),
      args[2],
    )
    return workers
  }
}

export class KafkaWorkers {
  readonly prefix = `${uniqueName('routing')}-`
  readonly names
  readonly lines: LoggedLine[] = []
  readonly #directory = temporaryFolder()
  readonly #lives = new Map<string, Life>()

  constructor(
    readonly application: Application,
    private readonly options: Partial<RuntimeOptions> = {},
    private readonly brokers: readonly string[] = testBrokers(),
    /** What is put between worker and log. */
    private readonly through: (log: Log) => Log = (log) => log,
  ) {
    this.names = namesOf(this.prefix, definitionOf(application).name)
  }

  /** Resolves when it has checked all and joins its group. Rejects with what it refuses. */
  async start(name: string, application = this.application): Promise<void> {
    const at =
      (level: string) =>
      (fields: object, msg: string): void => {
        this.lines.push({ ...fields, worker: name, level, msg })
      }
    const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
    const stores = await openStateStores({ directory: join(this.#directory, name), logger, worker: name })
    const worker = new Worker(
      definitionOf(application),
      {
        ...defaults,
        memoryBytes: 64 * 1024 * 1024,
        ...this.options,
        bufferBytes: 16 * 1024 * 1024,
        topicPrefix: this.prefix,
        name,
      },
      {
        log: this.through(createKafkaLog({ brokers: this.brokers, clientId: name, logger, clock: systemClock })),
        stores,
        peers: createPeers({ logger, clock: systemClock }),
        clock: systemClock,
        random: systemRandom,
        logger,
      },
    )
    const { ended } = worker
    ended.catch(() => undefined)
    this.#lives.set(name, { worker, ended })
    await worker.start()
  }

  /** What it refuses at its start. */
  async refused(name: string, application?: Application): Promise<PotorooError> {
    return failureOf(this.start(name, application))
  }

  /** What ends it. */
  async endOf(name: string): Promise<PotorooError> {
    return failureOf(this.#life(name).ended)
  }

  async stop(name: string): Promise<void> {
    await this.#life(name).worker.stop()
  }
  async close(): Promise<void> {
    await Promise.all([...this.#lives.values()].map(({ worker }) => worker.stop()))
  }

  query<S extends object>(name: string, state: StateObject<S>): Queries<S>
  query<S extends object>(name: string, windows: Windowed<S>): Queries<readonly Closed<S>[]>
  query<L, R>(name: string, pairs: Pairs<L, R>): Queries<OpenMessages<L, R>>
  query(name: string, state: unknown): Queries<unknown> {
    return this.#life(name).worker.query(askedDefinition(state))
  }
  tasksOf(name: string): readonly string[] {
    return this.#life(name).worker.active
  }

  said(msg: string): LoggedLine[] {
    return this.lines.filter((line) => line.msg === msg)
  }

  #life(name: string): Life {
    const life = this.#lives.get(name)
    if (life === undefined) throw new Error(`there is no worker ${name}`)
    return life
  }
}

async function failureOf(promise: Promise<void>): Promise<PotorooError> {
  const failure: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!isPotorooError(failure)) throw new Error(`no PotorooError: ${String(failure)}`, { cause: failure })
  return failure
}
