/**
 * A worker's copy of a broadcast: the last message of each key of a topic. Loading it and following it are the same: answers
 * are taken as they come, and how far that is proven says what may be looked up.
 *
 * Invariants
 * 1. What is proven for a tick has all that was acknowledged before it: an answer that was asked for later left nothing unread,
 *    in each partition. An answer proves nothing for when it arrived, nor does one of a leader that may have to catch up.
 * 2. A lookup gives a copy: what becomes of it changes nothing here.
 * 3. What can't be taken is told, and leaves its key what it had; never is it dropped in silence.
 * 4. No more than `maxBytes` is kept.
 */
import type { BroadcastDefinition, StateDefinition, TopicDefinition } from '../../api/definition.js'
import { shown } from '../../api/names.js'
import { visible } from '../../api/visible.js'
import { messageOf, PotorooError } from '../../errors.js'
import { partitionOf } from '../plan/partitioner.js'
import type { ByteString } from '../records/byte-string.js'
import type { Fetched } from '../records/fetched.js'
import { RecordCursor } from '../records/records.js'
import { pack, unpack } from '../state/packing.js'
import { recordKey } from './record-key.js'

/** Of each key, beside its bytes and its message's. */
export const ENTRY_BYTES = 64

/** A record that no entry was made of. */
export interface RefusedRecord {
  readonly partition: number
  readonly offset: number
  readonly error: PotorooError
}

interface Followed {
  position: number
  /** The last tick that it is proven for. */
  proven: number
}

export class BroadcastCopy {
  #bytes = 0
  readonly #entries = new Map<string, ByteString>()
  readonly #packing: StateDefinition
  readonly #cursor = new RecordCursor()
  #partitions: readonly Followed[] = []

  constructor(
    readonly definition: BroadcastDefinition,
    private readonly refused: (record: RefusedRecord) => void,
  ) {
    this.#packing = {
      name: `of broadcast ${definition.name}`,
      partitions: undefined,
      beginsAlike: true,
      prototype: Object.prototype,
      initial: () => ({}),
      toPlain: (message) => message,
      fromPlain: (plain) => plain as object,
      upgrades: [],
    }
  }

  get entries(): number {
    return this.#entries.size
  }
  get bytes(): number {
    return this.#bytes
  }

  /** From nothing: positions to read from, by partition. */
  begin(positions: readonly number[]): void {
    this.#entries.clear()
    this.#bytes = 0
    this.#partitions = positions.map((position) => ({ position, proven: -1 }))
  }

  /** Where to read on. */
  position(partition: number): number {
    return this.#partitions[partition]?.position ?? 0
  }

  isProvenFor(partition: number, tick: number): boolean {
    return tick <= (this.#partitions[partition]?.proven ?? -1)
  }

  /** Invariant 1: the last tick that all of it is proven for; -1 before there is one. */
  get provenUpTo(): number {
    let least = Infinity
    for (const { proven } of this.#partitions) if (proven < least) least = proven
    return least === Infinity ? -1 : least
  }

  /** Throws BROADCAST_TOO_LARGE, INVALID_DEFINITION for an asynchronous schema, or CORRUPT_BATCH. */
  accept(fetched: Fetched): void {
    const followed = this.#partitions[fetched.partition]
    try {
      if (followed === undefined || fetched.position !== followed.position) return
      for (const batch of fetched.batches) {
        this.#cursor.open(batch)
        while (this.#cursor.next())
          if (this.#cursor.offset >= followed.position) this.#take(this.#cursor, fetched.partition)
      }
      followed.position = fetched.nextPosition
      const isAll = fetched.nextPosition >= fetched.lastStableOffset
      if (isAll && fetched.mayLag !== true) followed.proven = Math.max(followed.proven, fetched.asked)
    } finally {
      // What is kept was copied.
      fetched.release()
    }
  }

  /** Invariant 2. */
  get(key: string): object | undefined {
    const packed = this.#entries.get(key)
    return packed === undefined ? undefined : unpack(this.#packing, packed, key)
  }

  #take(cursor: RecordCursor, partition: number): void {
    const { offset } = cursor
    try {
      this.#checkPlace(cursor, partition)
      const message = cursor.valueStart < 0 ? null : this.#decode(cursor)
      const key = keyIn(this.definition.topic, cursor, message)
      this.#set(key, message === null ? undefined : pack(this.#packing, message))
    } catch (error) {
      if (!(error instanceof PotorooError) || unfit.has(error.code)) throw error
      this.refused({ partition, offset, error })
    }
  }

  #checkPlace({ buffer, keyStart, keyEnd }: RecordCursor, partition: number): void {
    const { partitioner } = this.definition.topic
    if (keyStart < 0) throw new PotorooError('KEY_MISSING', 'the record has no key')
    // On another partition, which of its messages is the last one would be chance.
    const right =
      partitioner === undefined
        ? partition
        : partitionOf(partitioner, buffer, this.#partitions.length, keyStart, keyEnd)
    if (right === partition) return
    const key = visible(buffer.toString('utf8', keyStart, Math.min(keyEnd, keyStart + 100)))
    throw new PotorooError(
      'WRONG_PARTITION',
      `key '${key}' belongs on partition ${String(right)} by ${String(partitioner)}, but lies on ${String(partition)}`,
    )
  }

  #decode({ buffer, valueStart, valueEnd }: RecordCursor): object {
    const message = this.definition.topic.decode(buffer, valueStart, valueEnd)
    if (typeof message === 'object' && message !== null && Object.getPrototypeOf(message) === Object.prototype)
      return message
    throw new PotorooError(
      'STATE_NOT_PACKABLE',
      `Broadcast ${this.definition.name} was given ${shown(message)}: it takes object literals, and records without a value, which delete.`,
    )
  }

  #set(key: string, packed: ByteString | undefined): void {
    const { name, topic, maxBytes } = this.definition
    const before = this.#entries.get(key)
    if (before !== undefined) this.#bytes -= sizeOf(key, before)
    if (packed === undefined) {
      this.#entries.delete(key)
      return
    }
    this.#bytes += sizeOf(key, packed)
    // Invariant 4
    if (this.#bytes > maxBytes)
      throw new PotorooError(
        'BROADCAST_TOO_LARGE',
        `broadcast ${name} of topic ${topic.name} takes more than its ${String(maxBytes)} bytes: with ${String(this.#entries.size)} keys, and ` +
          `more to come perhaps, it is at ${String(this.#bytes)}`,
      )
    this.#entries.set(key, packed)
  }
}

function keyIn(topic: TopicDefinition, cursor: RecordCursor, message: object | null): string {
  try {
    return recordKey(topic, cursor, message)
  } catch (error) {
    if (error instanceof PotorooError) throw error
    throw new PotorooError('COMPUTATION_FAILED', messageOf(error), { cause: error })
  }
}

/** Not of one record: nothing can go on. */
const unfit: ReadonlySet<string> = new Set(['BROADCAST_TOO_LARGE', 'INVALID_DEFINITION', 'INTERNAL'])

const sizeOf = (key: string, packed: ByteString): number => Buffer.byteLength(key) + packed.length + ENTRY_BYTES
