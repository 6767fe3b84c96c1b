/** A log whose user may not delete records. */
import { PotorooError } from '../../src/errors.js'
import type { Log } from '../../src/ports/log.js'

export function withoutDeletes(log: Log, refused: () => void): Log {
  return {
    bootstrapServers: log.bootstrapServers,
    connect: () => log.connect(),
    describeTopics: (names) => log.describeTopics(names),
    createTopics: (topics) => log.createTopics(topics),
    listOffsets: (partitions, which, options) => log.listOffsets(partitions, which, options),
    committedPositions: (group, partitions) => log.committedPositions(group, partitions),
    committedOffsets: (group, partitions) => log.committedOffsets(group, partitions),
    deleteRecords: (upTo) => {
      refused()
      const topics = [...new Set(upTo.map(({ topic }) => topic))].join(', ')
      return Promise.reject(new PotorooError('NOT_AUTHORIZED', `deleting records of ${topics}: not allowed`))
    },
    offsetsAt: (partitions, atMs) => log.offsetsAt(partitions, atMs),
    deleteTopics: (names) => log.deleteTopics(names),
    groupMembers: (group) => log.groupMembers(group),
    deleteGroup: (group) => log.deleteGroup(group),
    fetcher: () => log.fetcher(),
    producer: (transactionalId, signal) => log.producer(transactionalId, signal),
    group: (groupId) => log.group(groupId),
    close: () => log.close(),
  }
}
