/** Broadcasts: small reference data that every worker holds completely, so that messages of any key can read it. */
import type { BroadcastDefinition } from './definition.js'
import { checkName, invalid, shown } from './names.js'
import { topicDefinition, type Origin } from './topic.js'

const broadcastKey: unique symbol = Symbol.for('potoroo.broadcast')
declare const entry: unique symbol

export interface AnyBroadcast {
  readonly name: string
  readonly [broadcastKey]: BroadcastDefinition
}
export interface Broadcast<out V> extends AnyBroadcast {
  /** Exists only for the type checker. */
  readonly [entry]?: () => V
}

export interface BroadcastOptions {
  /**
   * The most memory that it may take on each worker, in bytes: keys and packed messages, plus 64 bytes per key; default
   * 64 MiB. It is not part of the worker's memory limit (docs/configuration.md). Workers stop with BROADCAST_TOO_LARGE
   * when it is exceeded.
   */
  readonly maxBytes?: number
}

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024

/**
 * A broadcast: the last message of each key of a topic; a record without a value deletes the key. Each worker reads the
 * whole topic from the beginning before it takes any task, and then follows it. A message that reads the broadcast
 * waits, for some milliseconds, until the worker has everything that was acknowledged before the message was written.
 * It may also find newer data, so a replay may find something else (docs/joins.md). The topic may be in any format, but
 * messages must be plain objects. It should be compacted. Throws INVALID_DEFINITION.
 */
export function broadcast<M extends object | null>(
  name: string,
  topic: Origin<M, 'keyed'>,
  { maxBytes = DEFAULT_MAX_BYTES }: BroadcastOptions = {},
): Broadcast<Exclude<M, null>> {
  checkName('a broadcast', name)
  const definition = topicDefinition(topic, `The topic of broadcast ${name}`)
  if (definition.key === undefined)
    throw invalid(`Broadcast ${name} reads topic ${definition.name}, which is declared without a key: it needs one.`)
  if (!Number.isSafeInteger(maxBytes) || maxBytes < 1)
    throw invalid(`Broadcast ${name} has maxBytes: ${shown(maxBytes)}. It must be a whole number, 1 or more.`)
  return { name, [broadcastKey]: { name, topic: definition, maxBytes } }
}

/** Undefined for anything else. */
export const broadcastIn = (value: unknown): BroadcastDefinition | undefined =>
  typeof value === 'object' && value !== null && broadcastKey in value
    ? (value as AnyBroadcast)[broadcastKey]
    : undefined

/** The definition behind a broadcast. Throws INVALID_DEFINITION for anything else, naming `where` it was found. */
export function broadcastDefinition(value: unknown, where: string): BroadcastDefinition {
  const definition = broadcastIn(value)
  if (definition !== undefined) return definition
  throw invalid(`${where} is ${shown(value)}: it must be a broadcast, created with broadcast().`)
}
