/**
 * One cluster of several brokers that a test file has for itself: each is broker and controller, with its own data
 * directory and fixed ports, to be stopped, killed and started again. Topics get a replica on each broker.
 */
import { afterAll } from 'vitest'
import { freePorts } from '../../src/broker/free-ports.js'
import { type LocalBroker, newClusterId, startBroker } from '../../src/broker/local-broker.js'
import { kafkaVersion } from './kafka-version.js'
import { silentLogger } from './silent-logger.js'
import { temporaryFolder } from './temporary.js'

interface Node {
  /** Kafka's node.id. */
  readonly id: number
  readonly port: number
  readonly controllerPort: number
  readonly dataDir: string
  running: LocalBroker | undefined
}

export class SeveralBrokers {
  readonly #clusterId = newClusterId()
  #nodes: readonly Node[] = []

  /** `properties`: broker settings put over those that this makes. */
  constructor(
    private readonly count = 3,
    private readonly properties: Readonly<Record<string, string>> = {},
  ) {
    afterAll(async () => {
      await Promise.all(
        this.#nodes.map(async ({ running }) => {
          if (running === undefined) return
          // A process that SIGSTOP holds takes no other signal.
          sendTo(running, 'SIGCONT')
          await running.stop('SIGKILL')
        }),
      )
    })
  }

  /** Of all brokers, running or not: `host:port,host:port`. The same after every start. */
  get brokers(): string {
    return this.#nodes.map(({ port }) => `127.0.0.1:${String(port)}`).join()
  }

  /** Node ids: 1, 2, … */
  get ids(): readonly number[] {
    return this.#nodes.map(({ id }) => id)
  }

  /** All of them. Resolves when each one answers. */
  async start(): Promise<void> {
    const ports = await freePorts(this.count * 2)
    this.#nodes = Array.from({ length: this.count }, (_, i) => ({
      id: i + 1,
      port: ports[2 * i] ?? 0,
      controllerPort: ports[2 * i + 1] ?? 0,
      dataDir: temporaryFolder(),
      running: undefined,
    }))
    // Together: one that is alone has no quorum, and waits for the others.
    await Promise.all(this.ids.map((id) => this.startAgain(id)))
  }

  async startAgain(id: number): Promise<void> {
    const node = this.#node(id)
    const { port, controllerPort, dataDir } = node
    const replicas = String(this.count)
    const voters = this.#nodes.map((other) => `${String(other.id)}@127.0.0.1:${String(other.controllerPort)}`)
    node.running = await startBroker({
      version: kafkaVersion,
      port,
      dataDir,
      logger: silentLogger,
      heap: '512m',
      clusterId: this.#clusterId,
      properties: {
        'node.id': String(id),
        'controller.quorum.voters': voters.join(),
        listeners: `PLAINTEXT://127.0.0.1:${String(port)},CONTROLLER://127.0.0.1:${String(controllerPort)}`,
        'default.replication.factor': replicas,
        'offsets.topic.replication.factor': replicas,
        'transaction.state.log.replication.factor': replicas,
        ...this.properties,
      },
    })
  }

  /** Resolves when the process has ended. */
  async stop(id: number, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.#running(id).stop(signal)
  }

  signal(id: number, signal: 'SIGSTOP' | 'SIGCONT'): void {
    sendTo(this.#running(id), signal)
  }

  #node(id: number): Node {
    const node = this.#nodes.find((other) => other.id === id)
    if (node === undefined) throw new Error(`there is no broker ${String(id)}`)
    return node
  }

  #running(id: number): LocalBroker {
    const { running } = this.#node(id)
    if (running === undefined) throw new Error(`broker ${String(id)} was not started`)
    return running
  }
}

function sendTo({ pid }: LocalBroker, signal: 'SIGSTOP' | 'SIGCONT'): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    // It has ended.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
