/** Broadcasts: small reference data, whole on every worker, so that messages of any key can read it. */
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
  /** Exists for the type checker alone. */
  readonly [entry]?: () => V
}

export interface BroadcastOptions {
  /**
   * What it may take in the memory of each worker, in bytes of its keys and its messages, packed, and 64 for each key; default
   * 64 MiB. It comes on top of the worker's memory (docs/configuration.md). More, and workers stop: BROADCAST_TOO_LARGE.
   */
  readonly maxBytes?: number
}

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024

/**
 * A broadcast: the last message of each key of a topic; a record without a value deletes. Each worker reads all of the topic,
 * from its beginning, before it takes any task, and follows it. A message that reads it waits until the worker has all that was
 * acknowledged before the message was written: some milliseconds. It may find newer data, too: so a replay does not
 * repeat what was found (docs/joins.md). Its topic may be in any format; messages have to be plain objects. It should be
 * compacted. Throws INVALID_DEFINITION.
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
