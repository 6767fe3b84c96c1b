/** What a downstream reader sees: committed rejections, as they come. */
import { Tail } from '#potoroo/cli/tailing.js'
import { createKafkaLog } from '#potoroo/kafka/log.js'
import type { Fetcher, Log } from '#potoroo/ports/log.js'
import type { Rejection } from '#topics/rejections.js'
import type { Cluster } from './cluster.js'

/** How long a fetch lingers at the broker: bounds what the reader itself could add to a latency. */
const MAX_WAIT_MS = 20

export interface Arrival {
  readonly atMs: number
  readonly rejection: Rejection
}

export class RejectionReader {
  #failure: Error | undefined

  private constructor(
    private readonly log: Log,
    private readonly fetcher: Fetcher,
    private readonly tail: Tail,
  ) {
    tail.done.catch((error: unknown) => {
      this.#failure = error instanceof Error ? error : new Error(String(error))
    })
  }

  /** On a connection of its own: the cluster's other requests hold it up nowhere. */
  static async open(cluster: Cluster, topic: string, take: (arrival: Arrival) => void): Promise<RejectionReader> {
    const partitions = await cluster.partitionsOf([topic])
    const log = createKafkaLog({ ...cluster.options, fetch: { maxWaitMs: MAX_WAIT_MS } })
    await log.connect()
    const fetcher = log.fetcher()
    const ranges = partitions.map(({ partition }) => ({ partition, position: 0, end: undefined }))
    const tail = new Tail(fetcher, topic, ranges, {
      ready: () => true,
      take: (value) => {
        take({ atMs: performance.now(), rejection: JSON.parse(String(value)) as Rejection })
        return true
      },
    })
    return new RejectionReader(log, fetcher, tail)
  }

  /** Throws when rejections can't be read any more. */
  assertReading(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  async close(): Promise<void> {
    this.tail.close()
    await this.fetcher.close()
    await this.log.close()
  }
}
