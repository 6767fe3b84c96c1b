/** One worker of a driver's world: its disk, which stays, and the process that runs on it, which comes and goes. */
import type { ApplicationDefinition } from '../api/definition.js'
import { isPotorooError, messageOf, PotorooError } from '../errors.js'
import type { Scheduler, SimulatedProcess } from '../memory/scheduler.js'
import { MemoryDisk } from '../memory/stores.js'
import type { WorkerFigures } from '../ports/figures.js'
import type { Ports, RuntimeOptions } from '../runtime/options.js'
import { Worker } from '../runtime/worker.js'

export interface WorkerParts {
  readonly definition: ApplicationDefinition
  readonly options: RuntimeOptions
  readonly ports: Ports
}

export class WorkerSlot {
  readonly disk = new MemoryDisk()
  #lives = 0
  #life: { readonly process: SimulatedProcess; readonly worker: Worker } | undefined
  #failure: PotorooError | undefined

  constructor(readonly name: string) {}

  get isRunning(): boolean {
    return this.#life !== undefined
  }

  /** Ids of the tasks that it is processing. */
  get active(): readonly string[] {
    return this.#life?.worker.active ?? []
  }

  /** What it does now; undefined while it is down. */
  get figures(): WorkerFigures | undefined {
    return this.#life?.worker.figures()
  }

  /** What ended the worker, until it is read. */
  get failure(): PotorooError | undefined {
    return this.#failure
  }

  takeFailure(): PotorooError | undefined {
    const failure = this.#failure
    this.#failure = undefined
    return failure
  }

  /**
   * Resolves when the worker is about to join its group. If something ends it, then or later, that is its `failure`.
   */
  async start(assemble: (process: SimulatedProcess) => WorkerParts, scheduler: Scheduler): Promise<void> {
    const process = scheduler.process(`${this.name}.${String(++this.#lives)}`)
    const { definition, options, ports } = assemble(process)
    const worker = new Worker(definition, options, ports)
    const gone = died(process)
    this.#life = { process, worker }
    this.#failure = undefined
    const ended = (error: unknown): void => {
      if (this.#life?.process !== process) return
      this.kill()
      this.#failure = isPotorooError(error)
        ? error
        : new PotorooError('INTERNAL', `${this.name}: ${messageOf(error)}`, { cause: error })
    }
    worker.ended.catch(ended)
    await Promise.race([worker.start().catch(ended), gone])
  }

  /** Like SIGTERM. */
  async stop(): Promise<void> {
    const life = this.#life
    if (life === undefined) return
    const gone = died(life.process)
    await Promise.race([life.worker.stop(), gone])
    if (this.#life === life) this.kill()
  }

  /** Like SIGKILL. */
  kill(): void {
    const life = this.#life
    this.#life = undefined
    life?.process.kill()
  }
}

/** What a killed process had started never ends. */
const died = (process: SimulatedProcess): Promise<void> =>
  new Promise((resolve) => {
    process.onDeath(resolve)
  })
