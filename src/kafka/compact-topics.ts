/**
 * Topics with their partitions, as requests with tagged fields (KIP-482) have them:
 *
 *     Topic => Name [Partition] Tags
 *
 * In some versions the topic's id stands in the place of its name.
 */
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
