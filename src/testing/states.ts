/** State objects of a driver's world: read from the changelogs, and written to them as a task's owner would. */
import type { OpenWindow, StateDefinition } from '../api/definition.js'
import { OpenWindows } from '../api/open-windows.js'
import { hasTimeWindows } from '../api/window-ranks.js'
import { bytesOf } from '../core/records/byte-string.js'
import { COMMIT_KEY, encodeCommitRecord } from '../core/commit/commit-record.js'
import { NO_TIMES } from '../core/state/header.js'
import { visibleState } from '../core/query/visible-state.js'
import { firstEnd } from '../core/processing/window-places.js'
import { decodeOffsetNote } from '../core/commit/offset-note.js'
import { pack, packer, unpack } from '../core/state/packing.js'
import { partitionOf } from '../core/plan/partitioner.js'
import { RecordWriter } from '../core/records/records.js'
import { MAX_KEY_BYTES, storeKeyOf } from '../core/state/store-key.js'
import { isDrivenByClock, subTopologiesBefore, timeFlow } from '../core/plan/time-flow.js'
import { hasChangelog, hasDues, ranksIn, type SubTopology } from '../core/plan/topology.js'
import { PotorooError } from '../errors.js'
import { isBrokerError } from '../memory/broker-error.js'
import type { ProducerIdentity } from '../memory/transactions.js'
import { Changelog } from './changelog.js'
import type { World } from './world.js'

const TRANSACTION_TIMEOUT_MS = 10_000

export class States {
  readonly #changelogs = new Map<SubTopology, Changelog>()

  readonly #flow: ReturnType<typeof timeFlow>

  constructor(private readonly world: World) {
    this.#flow = timeFlow(world.topology.subTopologies)
  }

  get(definition: StateDefinition, key: string): object | undefined {
    const bytes = this.#changelog(this.#home(definition)).get(definition.name, key)
    return bytes === undefined ? undefined : visibleState(definition, unpack(definition, bytes, key), key)
  }

  all(definition: StateDefinition): Map<string, object> {
    const entries = this.#changelog(this.#home(definition)).entries(definition.name)
    return new Map(entries.map(([key, bytes]) => [key, visibleState(definition, unpack(definition, bytes, key), key)]))
  }

  /** Whether something is due at that time or before that the clock triggers. */
  hasDue(atMs: number): boolean {
    return this.world.topology.subTopologies.some(
      (sub) =>
        hasDues(sub) && isDrivenByClock(this.#flow, sub) && this.#changelog(sub).hasDue(atMs, this.#behindMs(sub)),
    )
  }

  /** By how much the last message before them was older than allowed. */
  #behindMs(sub: SubTopology): number {
    const { cluster, names } = this.world
    const writers = subTopologiesBefore(this.#flow, sub).filter((one) => one !== sub)
    const behindMs = writers.flatMap((writer) =>
      hasChangelog(writer)
        ? this.#changelog(writer).behindMs
        : writer.sources.flatMap(({ topic: { name: topic } }) =>
            this.world
              .partitionsOf(topic)
              .map(
                ({ partition }) =>
                  decodeOffsetNote(cluster.committedNote(names.group, { topic, partition }) ?? '')?.behindMs ?? 0,
              ),
          ),
    )
    return Math.max(0, ...behindMs)
  }

  /**
   * Writes to the changelog under the task's transactional id. That fences the task's owner, whose memory is now
   * outdated. A marker on a source, which moves its position, makes the owner notice: it becomes active again, and
   * replays what was written. The caller then lets the world come to rest.
   */
  async set(definition: StateDefinition, key: string, state: object | undefined): Promise<void> {
    const { cluster, names, scheduler, options } = this.world
    const sub = this.#home(definition)
    const keyBytes = Buffer.from(key)
    if (keyBytes.length > MAX_KEY_BYTES)
      throw new PotorooError('KEY_TOO_LONG', `the key has ${String(keyBytes.length)} bytes`)
    const value = state === undefined ? null : packed(sub, definition, state)
    const partitioner = sub.sources.find(({ topic }) => topic.partitioner !== undefined)?.topic.partitioner
    // the partition of its records, whose keys may be other bytes
    const hexKeys = sub.sources.some(({ topic }) => topic.hexKeys === true)
    const recordKey = hexKeys ? Buffer.from(key, 'hex') : keyBytes
    const partition = partitionOf(partitioner ?? 'murmur2', recordKey, options.partitions)
    const identity = await this.#fence(names.transactionalId(sub.name, partition))

    const changelog = this.#changelog(sub)
    const commit = changelog.commit(partition)
    if (commit === undefined) throw new PotorooError('INTERNAL', `${changelog.topic} has no commit record`)
    const writer = new RecordWriter(cluster.describeTopic(changelog.topic)?.maxMessageBytes ?? 0)
    const nowMs = Math.floor(scheduler.nowMs)
    if (!writer.append(nowMs, bytesOf(storeKeyOf(definition.name, key)), value))
      throw new PotorooError('RECORD_TOO_LARGE', `state object ${definition.name} is larger than its changelog takes`)
    writer.append(nowMs, COMMIT_KEY, encodeCommitRecord({ ...commit, by: 'test', atMs: nowMs }))

    const { transactions } = cluster
    const to = { topic: changelog.topic, partition }
    const sources = sub.sources.map(({ topic }) => cluster.partition({ topic: topic.name, partition }))
    transactions.add(identity, [cluster.partition(to), ...sources])
    for (const chunk of writer.take()) cluster.produce(identity, to, chunk)
    const markersAt = sources.map(({ highWatermark }) => highWatermark)
    transactions.end(identity, 'commit')
    // Reads see it when this resolves, even while no worker runs; and the owner has something to commit.
    const log = cluster.partition(to)
    await scheduler.until(
      () =>
        log.lastStableOffset === log.highWatermark &&
        sources.every(({ highWatermark }, i) => highWatermark > (markersAt[i] ?? 0)),
    )
  }

  /** InitProducerId. */
  async #fence(transactionalId: string): Promise<ProducerIdentity> {
    const { cluster, scheduler } = this.world
    const init = (): ProducerIdentity | undefined => {
      try {
        return cluster.transactions.init(transactionalId, TRANSACTION_TIMEOUT_MS)
      } catch (error) {
        // A transaction that a killed worker left open is being aborted.
        if (isBrokerError(error, 'CONCURRENT_TRANSACTIONS')) return undefined
        throw error
      }
    }
    let identity = init()
    if (identity === undefined) await scheduler.until(() => (identity = init()) !== undefined)
    if (identity === undefined) throw new PotorooError('INTERNAL', `${transactionalId} could not be fenced`)
    return identity
  }

  #home(definition: StateDefinition): SubTopology {
    const { topology, application } = this.world
    const home = topology.subTopologies.find(({ states }) => states.some(({ name }) => name === definition.name))
    if (home !== undefined) return home
    const known = topology.subTopologies.flatMap(({ states }) => states.map(({ name }) => name)).join(', ')
    throw new PotorooError(
      'INVALID_TEST',
      `Application ${application.name} has no state object ${definition.name}: it has ${known || 'none'}.`,
    )
  }

  #changelog(sub: SubTopology): Changelog {
    const topic = this.world.names.changelog(sub.name)
    const there = this.#changelogs.get(sub)
    if (there !== undefined) return there
    const made = new Changelog(topic, this.world.partitionsOf(topic))
    this.#changelogs.set(sub, made)
    return made
  }
}

function packed(sub: SubTopology, definition: StateDefinition, state: object): Buffer | null {
  if (definition.windows === undefined) return bytesOf(pack(definition, state))
  const open = new OpenWindows()
  open.list = (state as readonly OpenWindow[]).map((one) => ({
    startMs: one.startMs,
    endMs: one.endMs,
    messages: one.messages,
    state: one.state,
  }))
  open.list.sort((a, b) => a.startMs - b.startMs)
  if (open.list.length === 0) return null
  const endsMs = hasTimeWindows(definition) ? firstEnd(open) + (ranksIn(sub).get(definition) ?? 0) : 0
  const length = packer.pack(definition, open, { ...NO_TIMES, endsMs })
  return Buffer.from(packer.bytes.subarray(0, length))
}
