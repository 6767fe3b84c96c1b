import type { RecordBatch } from './records.js'

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}
/** What one fetch gave for one partition; also when it gave nothing, for an empty answer proves that nothing was there. */
export interface Fetched extends TopicPartition {
  /** The position that was asked for. */
  readonly position: number
  /** Where to read on: after the last whole batch, control batches and aborted ones included. */
  readonly nextPosition: number
  readonly highWatermark: number
  /** Everything below is decided: a read-committed reader gets no further. */
  readonly lastStableOffset: number
  readonly batches: readonly RecordBatch[]
  /** Bytes of memory that the batches pin. */
  readonly bytes: number
  /**
   * To be called once when nothing reads the batches any more: what comes next is then read to their memory. Who never
   * calls it leaves the whole answer, with what it brought for others, to the garbage collector.
   */
  readonly release: () => void
  /**
   * Ticks of one counter of the process, raised whenever a fetch is sent or answered: `asked` before the request was
   * sent, `arrived` when the answer came. All partitions of one answer share `arrived`.
   */
  readonly asked: number
  /** Whether records may be missing that were acknowledged before it was asked for: see core/processing/election-proof.ts. Default false. */
  readonly mayLag?: boolean
  readonly arrived: number
}
