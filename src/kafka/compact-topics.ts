/**
 * Topics with their partitions, as requests with tagged fields (KIP-482) have them:
 *
 *     Topic => Name [Partition] Tags
 */
import type { TopicGroup } from './requests.js'
import type { WireReader, WireWriter } from './wire.js'

/** `write` writes a partition whole, with the end of its tagged fields where it has such. */
export function writeTopics<T>(
  writer: WireWriter,
  topics: readonly TopicGroup<T>[],
  write: (partition: T) => void,
): void {
  writer.compactArray(topics, ({ topic, partitions }) => {
    writer.compactString(topic).compactArray(partitions, write).unsignedVarint(0)
  })
}

/** `read` reads a partition up to its tagged fields. */
export function readTopics<T>(reader: WireReader, read: (topic: string) => T): TopicGroup<T>[] {
  return reader.compactArray(() => {
    const topic = reader.compactString() ?? ''
    const partitions = reader.compactArray(() => {
      const partition = read(topic)
      reader.tags()
      return partition
    })
    reader.tags()
    return { topic, partitions }
  })
}
