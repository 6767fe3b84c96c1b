/**
 * Topics with their partitions, as requests with tagged fields (KIP-482) have them:
 *
 *     Topic => Name [Partition] Tags
 *
 * In some versions the topic's id stands in the place of its name.
 */
import type { ApiVersions } from './kafkajs.js'
import type { TopicGroup } from './requests.js'
import type { WireReader, WireWriter } from './wire.js'

/** `write` writes a partition whole, with the end of its tagged fields where it has such. */
export function writeTopics<T>(
  writer: WireWriter,
  topics: readonly TopicGroup<T>[],
  write: (partition: T) => void,
  writeTopic: WriteTopic = (to, topic) => to.compactString(topic),
): void {
  writer.compactArray(topics, ({ topic, partitions }) => {
    writeTopic(writer, topic).compactArray(partitions, write).unsignedVarint(0)
  })
}

export type WriteTopic = (writer: WireWriter, topic: string) => WireWriter
/** Gives the topic's name. */
export type ReadTopic = (reader: WireReader) => string

/**
 * The ids of all these topics, by name; undefined where one is not known, or the broker does not take that version, which has
 * ids: then it goes by names.
 */
export function idsOf(
  topics: readonly TopicGroup<unknown>[],
  known: TopicIds | undefined,
  { apiKey, apiVersion }: { readonly apiKey: number; readonly apiVersion: number },
  versions: ApiVersions,
): ReadonlyMap<string, string> | undefined {
  if ((versions[apiKey]?.maxVersion ?? 0) < apiVersion) return undefined
  const ids = new Map<string, string>()
  for (const { topic } of topics) {
    const id = known?.get(topic)
    if (id === undefined) return undefined
    ids.set(topic, id)
  }
  return ids
}

/** By name, as far as they are known. */
export type TopicIds = ReadonlyMap<string, string | undefined>

export const writeIdOf =
  (ids: ReadonlyMap<string, string>): WriteTopic =>
  (writer, topic) =>
    writer.uuid(ids.get(topic) ?? '')

export function readIdOf(ids: ReadonlyMap<string, string>): ReadTopic {
  const names = new Map([...ids].map(([topic, id]) => [id, topic]))
  return (reader) => names.get(reader.uuid() ?? '') ?? ''
}

/** `read` reads a partition up to its tagged fields. */
export function readTopics<T>(
  reader: WireReader,
  read: (topic: string) => T,
  readTopic: ReadTopic = (from) => from.compactString() ?? '',
): TopicGroup<T>[] {
  return reader.compactArray(() => {
    const topic = readTopic(reader)
    const partitions = reader.compactArray(() => {
      const partition = read(topic)
      reader.tags()
      return partition
    })
    reader.tags()
    return { topic, partitions }
  })
}
