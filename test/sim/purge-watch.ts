/**
 * Purging under observation: a repartition begins at most where its reader stands by a transaction that was acknowledged;
 * nothing but repartitions is purged; and one that has gone quiet ends up empty.
 */
import { decodeCommitRecord, isCommitKey, type Positions } from '../../src/core/commit/commit-record.js'
import { RecordCursor } from '../../src/core/records/records.js'
import { taskId } from '../../src/core/plan/topology.js'
import type { MemoryCluster } from '../../src/memory/cluster.js'
import type { EndedTransaction } from '../../src/memory/transactions.js'
import type { TopicPartition } from '../../src/ports/log.js'
import type { Places, SubTopologyPlace } from './places.js'

interface Reader {
  readonly topic: string
  readonly partition: number
  /** Up to here its commits were looked for. */
  scanned: number
  positions: Positions
}

export class PurgeWatch {
  readonly #cursor = new RecordCursor()
  /** By task. */
  readonly #readers = new Map<string, Reader>()
  /** Partitions of repartitions that were purged. */
  purged = 0
  /** By partition, where readers stood when all was processed. */
  readonly #stood = new Map<string, number>()

  constructor(
    private readonly places: Places,
    private readonly cluster: () => MemoryCluster,
  ) {}

  /** A transaction's end was decided: from here on its sender may be told. */
  ended({ transactionalId, kind }: EndedTransaction): void {
    if (kind !== 'commit') return
    const [, subTopology = '', partition = ''] =
      new RegExp(`^${this.places.names.group}-(.+)-(\\d+)$`).exec(transactionalId) ?? []
    const place = this.places.subTopologies.find(({ name }) => name === subTopology)
    const reader = place && this.#readerOf(place, Number(partition))
    if (reader !== undefined) this.#scan(reader)
  }

  /** The problems with what was deleted below that position. */
  deleted(of: TopicPartition, before: number): string[] {
    const { topic, partition } = of
    const what = `purged: ${topic}-${String(partition)} up to ${String(before)}`
    if (!this.places.repartitions.includes(topic)) return [`${what}, which is no repartition`]
    this.purged++
    const position = this.#positionIn(of)
    return before <= position ? [] : [`${what}, but acknowledged is ${String(position)}`]
  }

  /** From now on what was processed by now has to go. */
  stand(): void {
    for (const topic of this.places.repartitions) {
      const { partitions = 0 } = this.cluster().describeTopic(topic) ?? {}
      for (let partition = 0; partition < partitions; partition++)
        this.#stood.set(`${topic}-${String(partition)}`, this.#positionIn({ topic, partition }))
    }
  }

  /** A repartition that is not empty, though all of it was processed. */
  unpurged(isLater: boolean): string | undefined {
    const unread = isLater
      ? []
      : this.places.subTopologies.flatMap(({ isNew, sources, laterSources }) => (isNew ? sources : laterSources))
    for (const topic of this.places.repartitions.filter((name) => !unread.includes(name))) {
      const { partitions = 0 } = this.cluster().describeTopic(topic) ?? {}
      for (let partition = 0; partition < partitions; partition++) {
        const { logStart } = this.cluster().partition({ topic, partition })
        const position = this.#stood.get(`${topic}-${String(partition)}`) ?? 0
        if (logStart < position)
          return `${topic}-${String(partition)} begins at ${String(logStart)}, and is processed up to ${String(position)}`
      }
    }
    return undefined
  }

  #positionIn({ topic, partition }: TopicPartition): number {
    const place = this.places.subTopologies.find(
      ({ sources, laterSources }) => sources.includes(topic) || laterSources.includes(topic),
    )
    return (place && this.#readerOf(place, partition)?.positions[topic]) ?? 0
  }

  #readerOf({ name, changelog }: SubTopologyPlace, partition: number): Reader | undefined {
    if (changelog === undefined) return undefined
    const task = taskId(name, partition)
    let reader = this.#readers.get(task)
    if (reader === undefined)
      this.#readers.set(task, (reader = { topic: changelog, partition, scanned: 0, positions: {} }))
    return reader
  }

  /** Also what has no marker yet: a changelog has one writer, and that has decided. */
  #scan(reader: Reader): void {
    const log = this.cluster().partition(reader)
    const { batches, nextPosition } = log.read(reader.scanned, Infinity, log.logEnd)
    reader.scanned = nextPosition
    for (const batch of batches) {
      this.#cursor.open(batch)
      while (this.#cursor.next()) {
        const { buffer, keyStart, keyEnd, valueStart, valueEnd } = this.#cursor
        if (isCommitKey(buffer, keyStart, keyEnd))
          reader.positions = decodeCommitRecord(buffer.subarray(valueStart, valueEnd), reader.topic).positions
      }
    }
  }
}
