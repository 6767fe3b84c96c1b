/** How large topics are, looked at again and again: in records by any broker, in bytes where its folder is on this machine. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Cluster } from './cluster.js'

/** What a file takes on disk is counted in these: Kafka's index files are long, and mostly empty. */
const BLOCK_BYTES = 512

interface Look {
  readonly atMs: number
  readonly records: number
  readonly bytes: number | undefined
}

export interface DiskFigures {
  readonly writtenRecords: number
  readonly mostRecords: number
  readonly lastRecords: number
  /** Undefined where the broker's disk is out of sight. */
  readonly writtenBytes: number | undefined
  readonly largestBytes: number | undefined
  readonly lastBytes: number | undefined
  readonly looks: readonly Look[]
}

export class DiskWatch {
  readonly #looks: Look[] = []
  readonly #began = performance.now()
  #writtenRecords = 0
  #writtenBytes: number | undefined
  /** The bytes of each segment file, as it was seen last. */
  readonly #segments = new Map<string, number>()

  constructor(
    private readonly cluster: Cluster,
    private readonly topics: readonly string[],
    private readonly brokerLogs: string | undefined,
  ) {}

  /** Topics that are not there yet take nothing. */
  async look(): Promise<void> {
    const partitions = await this.cluster.partitionsOf(this.topics)
    const [starts, ends] = [
      await this.cluster.log.listOffsets(partitions, 'earliest'),
      await this.cluster.log.listOffsets(partitions, 'end'),
    ]
    this.#writtenRecords = sum(ends)
    this.#looks.push({
      atMs: Math.round(performance.now() - this.#began),
      records: sum(ends) - sum(starts),
      bytes: this.brokerLogs === undefined ? undefined : await this.#bytes(this.brokerLogs),
    })
  }

  figures(): DiskFigures {
    const looks = this.#looks
    const last = looks.at(-1)
    const bytes = looks.flatMap((look) => look.bytes ?? [])
    return {
      writtenRecords: this.#writtenRecords,
      mostRecords: Math.max(...looks.map(({ records }) => records)),
      lastRecords: last?.records ?? 0,
      writtenBytes: this.#writtenBytes,
      largestBytes: bytes.length === 0 ? undefined : Math.max(...bytes),
      lastBytes: last?.bytes,
      looks,
    }
  }

  /** Of all files of the topics' partitions; what was written is what their segments have grown by. */
  async #bytes(logs: string): Promise<number> {
    let taken = 0
    const isTheirs = (folder: string): boolean => this.topics.includes(folder.replace(/-\d+$/, ''))
    for (const folder of (await readdir(logs)).filter(isTheirs))
      for (const file of await readdir(join(logs, folder)).catch(() => [])) {
        // Kafka may have removed it by now.
        const found = await stat(join(logs, folder, file)).catch(() => undefined)
        if (found === undefined) continue
        taken += found.blocks * BLOCK_BYTES
        if (!file.endsWith('.log')) continue
        const segment = join(folder, file)
        this.#writtenBytes = (this.#writtenBytes ?? 0) + Math.max(0, found.size - (this.#segments.get(segment) ?? 0))
        this.#segments.set(segment, found.size)
      }
    return taken
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
