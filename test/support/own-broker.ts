/** A broker that a test file has for itself, to be stopped, killed and started again on its data and its port. */
import { afterAll } from 'vitest'
import { startBroker, type LocalBroker } from '../../src/broker/local-broker.js'
import { kafkaVersion, knowsTransactionVersion } from './kafka-version.js'
import { silentLogger } from './silent-logger.js'
import { temporaryFolder } from './temporary.js'

export class OwnBroker {
  readonly #dataDir = temporaryFolder()
  #running: LocalBroker | undefined

  /** `features`: levels of the cluster's features; Kafka 3 has none that tests set, and is as if all of them were at 1. */
  constructor(private readonly features: Readonly<Record<string, number>> = {}) {
    afterAll(async () => {
      if (this.#running === undefined) return
      // A stopped process takes no other signal.
      this.signal('SIGCONT')
      await this.#running.stop('SIGKILL')
    })
  }

  /** `host:port`, the same after every start. */
  get brokers(): string {
    return this.#broker.brokers
  }

  get #broker(): LocalBroker {
    if (this.#running === undefined) throw new Error('the broker was not started')
    return this.#running
  }

  async start(): Promise<void> {
    const port = Number(this.#running?.brokers.split(':')[1] ?? 0)
    const features = knowsTransactionVersion ? this.features : {}
    this.#running = await startBroker({
      version: kafkaVersion,
      dataDir: this.#dataDir,
      port,
      logger: silentLogger,
      heap: '512m',
      features,
    })
  }

  /** Resolves when the process has ended. */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.#broker.stop(signal)
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    process.kill(this.#broker.pid, signal)
  }
}
