/** Requests and records that brokers refuse, throttle or can't take. */
import type { PlantedFault } from './planted-fault.js'

const isolation = 'src/runtime/task/isolation.ts'
const suspicion = 'src/core/processing/suspicion.ts'
const producer = 'src/memory/producer.ts'

export const refusalsFaults: readonly PlantedFault[] = [
  {
    what: 'refused: the same records are committed again as they were',
    plants: [
      {
        file: isolation,
        find: '    this.#suspicion = suspect(before, refused)\n',
        replace: '    this.#suspicion = before ?? suspect(before, refused)\n',
      },
    ],
  },
  {
    what: 'refused: the last of several messages counts as the failing one',
    plants: [
      { file: suspicion, find: 'if (before === undefined || messages > 1)', replace: 'if (before === undefined)' },
    ],
  },
  {
    what: 'refused: the messages after the failing one go with it',
    plants: [
      {
        file: suspicion,
        find: '  suspicion?.failingMessage?.input === input &&\n  suspicion.failingMessage.offset === offset',
        replace: '  suspicion?.failingMessage?.input === input',
      },
      { file: suspicion, find: 'return { ...before, failingMessage: undefined }', replace: 'return before' },
    ],
  },
  {
    what: 'refused: the failing message is skipped without a dead letter',
    plants: [
      {
        file: 'src/runtime/task/runner.ts',
        find: 'processor.condemn(input, guilt, now)',
        replace: 'processor.messages++',
      },
    ],
  },
  {
    what: 'a clock that is ahead: a refusal for the time of changelog records is taken for one of the messages',
    plants: [
      { file: isolation, find: '    return ++this.#untimely <= MOST_UNTIMELY\n', replace: '    return false\n' },
    ],
  },
  {
    what: 'a clock that is ahead: what other tasks of the worker had made with the time is not tried again',
    plants: [
      {
        file: isolation,
        find: '    this.env.recordTime.refused(cause)\n    return ++this.#untimely <= MOST_UNTIMELY\n',
        replace:
          '    const isFirst = this.env.recordTime.now() >= 0\n    this.env.recordTime.refused(cause)\n    return isFirst\n',
      },
    ],
  },
  {
    what: 'chunks: of a changelog that takes a commit in several, the last one counts',
    plants: [
      {
        file: 'src/core/processing/processor.ts',
        find: 'records.unshift({ topic, topicId, partition, chunks: writer.take() })',
        replace: 'records.unshift({ topic, topicId, partition, chunks: writer.take().slice(-1) })',
      },
    ],
  },
  {
    what: 'chunks: one whose answer is lost, or refuses it for the moment, is passed over, and the next one sent',
    plants: [
      {
        file: producer,
        find: '      this.#sequences.set(subject, sequence + chunk.count)\n      position = ',
        replace:
          '      if (offset < 0) continue\n      this.#sequences.set(subject, sequence + chunk.count)\n      position = ',
      },
      {
        file: producer,
        find: '        leaders.noteFailure(to, error)\n        throw refusalOf(to, error)\n',
        replace:
          "        leaders.noteFailure(to, error)\n        if (to.chunks.length > 1 && isBrokerError(error, 'CONNECTION_LOST')) return -1\n        throw refusalOf(to, error)\n",
      },
    ],
  },
  {
    what: 'chunks: the position of a commit record is that of the first chunk',
    plants: [
      {
        file: producer,
        find: '      position = landing.landed(offset, chunk.count)\n',
        replace:
          '      const landed = landing.landed(offset, chunk.count)\n      if (position < 0) position = landed\n',
      },
    ],
  },
]
