/** What a downstream reader sees: committed outputs, as they come, or all that are there. */
import { Tail, type TailRange } from '#potoroo/cli/tailing.js'
import { createKafkaLog } from '#potoroo/kafka/log.js'
import type { Fetcher, Log } from '#potoroo/ports/log.js'
import type { Cluster } from './cluster.js'

/** How long a fetch lingers at the broker: bounds what the reader itself could add to a latency. */
const MAX_WAIT_MS = 20

export class OutputReader {
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
  static async open(
    cluster: Cluster,
    topic: string,
    take: (value: unknown, atMs: number) => void,
  ): Promise<OutputReader> {
    const partitions = await cluster.partitionsOf([topic])
    const log = createKafkaLog({ ...cluster.options, fetch: { maxWaitMs: MAX_WAIT_MS } })
    await log.connect()
    const fetcher = log.fetcher()
    const ranges = partitions.map(({ partition }) => ({ partition, position: 0, end: undefined }))
    return new OutputReader(
      log,
      fetcher,
      tailOf(fetcher, topic, ranges, (value) => {
        take(value, performance.now())
      }),
    )
  }

  /** Throws when outputs can't be read any more. */
  assertReading(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  async close(): Promise<void> {
    this.tail.close()
    await this.fetcher.close()
    await this.log.close()
  }
}

/** Resolves when everything was taken that is in the topic now, each partition in its order. */
export async function readAll(cluster: Cluster, topic: string, take: (value: unknown) => void): Promise<void> {
  const partitions = await cluster.partitionsOf([topic])
  const ends = await cluster.log.listOffsets(partitions, 'end')
  const fetcher = cluster.log.fetcher()
  const ranges = partitions.map(({ partition }, i) => ({ partition, position: 0, end: ends[i] }))
  const tail = tailOf(fetcher, topic, ranges, take)
  try {
    await tail.done
  } finally {
    tail.close()
    await fetcher.close()
  }
}

const tailOf = (fetcher: Fetcher, topic: string, ranges: readonly TailRange[], take: (value: unknown) => void): Tail =>
  new Tail(fetcher, topic, ranges, {
    ready: () => true,
    take: ({ value }) => {
      take(JSON.parse(String(value)))
      return true
    },
  })
