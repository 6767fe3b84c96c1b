/** src/kafka: the codec, connections, error codes, the requests of a transaction. Worlds of bytes find them. */
import type { PlantedFault } from './planted-fault.js'

const transactions = 'src/kafka/transactions.ts'
const round = 'src/kafka/produce-round.ts'

const faults: readonly PlantedFault[] = [
  {
    what: 'wire: requests that end a transaction are sent again after a lost connection, and so may come late',
    plants: [
      { file: transactions, find: 'if (!(error instanceof LinkError)) throw error\n', replace: 'throw error\n' },
    ],
  },
  {
    what: 'wire: the answer to the end of a transaction is not looked at',
    plants: [
      {
        file: transactions,
        find: "      const { errorCode } = await this.cluster.call(this.#lanes.control, node, request)\n      if (errorCode !== 0) throw new BrokerError(errorCode, 'ending the transaction', 'EndTxn')\n",
        replace: '      await this.cluster.call(this.#lanes.control, node, request)\n',
      },
    ],
  },
  {
    what: 'wire: positions that the group refuses count as committed',
    plants: [
      {
        file: transactions,
        find: "          throw new BrokerError(errorCode, `position of ${topic}-${String(partition)}`, 'TxnOffsetCommit')\n",
        replace: '',
      },
    ],
  },
  {
    what: 'wire: the epoch that the end of a transaction gives out is not used',
    plants: [{ file: transactions, find: '      this.#identity = next\n', replace: '' }],
  },
  {
    what: 'wire: sequences go on in a new epoch',
    plants: [{ file: transactions, find: 'writer.restart()', replace: 'void writer' }],
  },
  {
    what: 'wire: the sequence stays where it was when a batch is acknowledged',
    plants: [{ file: round, find: '(this.#sequence + count) % SEQUENCES', replace: 'this.#sequence' }],
  },
  {
    what: 'wire: a batch is sent again, as a new one, when its answer says that it timed out',
    plants: [
      {
        file: round,
        find: "      if (error.kind === 'record') throw",
        // REQUEST_TIMED_OUT
        replace:
          "      if (answer.errorCode === 7) {\n        writer?.again()\n        refused = error\n        continue\n      }\n      if (error.kind === 'record') throw",
      },
      {
        file: round,
        find: '  acknowledged(baseOffset: number): void {\n',
        replace:
          '  again(): void {\n    this.#sealed = undefined\n    this.#sequence += this.#chunks[this.#sent]?.count ?? 0\n  }\n\n  acknowledged(baseOffset: number): void {\n',
      },
    ],
  },
  {
    what: 'wire: a batch that its leader refuses counts as written',
    plants: [
      {
        file: round,
        find: "      if (error.kind !== 'again') throw error\n",
        replace: "      if (error.kind !== 'again') {\n        writer?.passOver()\n        continue\n      }\n",
      },
      {
        file: round,
        find: '  /** Throws LandedElsewhere. */\n',
        replace:
          '  passOver(): void {\n    const count = this.#chunks[this.#sent]?.count ?? 0\n    this.#sent += 1\n    this.#sealed = undefined\n    this.#sequence += count\n    if (this.#sent === this.#chunks.length) {\n      this.#chunks = []\n      this.#sent = 0\n    }\n  }\n\n  /** Throws LandedElsewhere. */\n',
      },
    ],
  },
  {
    what: 'wire: batches of aborted transactions are read',
    plants: [
      { file: 'src/kafka/record-batch.ts', find: 'aborted?.has(raw, start, baseOffset) === true', replace: 'false' },
    ],
  },
  {
    what: 'wire: markers are read as records',
    plants: [
      {
        file: 'src/kafka/record-batch.ts',
        find: 'if (attributes & CONTROL) aborted',
        replace: 'if (attributes & 0) aborted',
      },
    ],
  },
  {
    what: 'wire: an answer is decoded as soon as its first piece is there',
    plants: [{ file: 'src/kafka/frames.ts', find: 'if (there === size) this', replace: 'if (there > 0) this' }],
  },
  {
    what: "wire: a partition that can't be read now counts as empty",
    plants: [
      {
        file: 'src/kafka/node-reader.ts',
        find: 'if (answer.errorCode === 0) this',
        replace: 'if (answer.errorCode !== 1) this',
      },
    ],
  },
  {
    what: 'wire: an input that rests goes on resting when the poll that it waits for breaks',
    plants: [
      {
        file: 'src/kafka/node-reader.ts',
        find: 'if ([...this.#places].some(({ rested }) => rested)) this.wake()\n',
        replace: '',
      },
    ],
  },
  {
    what: 'wire: a topic is missing by one answer, if nobody answered before that',
    plants: [
      {
        file: 'src/kafka/admin.ts',
        find: 'if (!isUnknownTopic(error)) unknownSince = undefined\n      else if',
        replace: 'unknownSince ??= askedMs\n      if (isUnknownTopic(error)) if',
      },
    ],
  },
  {
    what: 'wire: a topic is missing by when the answer came, not by when it was asked for',
    plants: [
      {
        file: 'src/kafka/admin.ts',
        find: 'else if (askedMs - (',
        replace: 'else if (cluster.now() - (',
      },
    ],
  },
  {
    what: 'wire: leaders are never looked up again',
    plants: [
      {
        file: 'src/kafka/cluster.ts',
        find: '  forgetTopic(topic: string): void {\n    this.#topics.delete(topic)\n',
        replace: '  forgetTopic(topic: string): void {\n    void topic\n',
      },
    ],
  },
  {
    what: 'wire: coordinators are never looked up again',
    plants: [{ file: 'src/kafka/cluster.ts', find: '    this.#coordinators.delete(key(kind, of))\n', replace: '' }],
  },
  {
    what: 'wire: a connection that has gone silent is never given up',
    plants: [
      {
        file: 'src/kafka/in-flight.ts',
        find: "if (this.#isOverdue) this.broken('an answer did not come in time')\n        else {",
        replace: 'if (!this.#isOverdue) {',
      },
    ],
  },
  {
    what: 'wire: a broker that is gone is back when somebody reads from it, which nobody may',
    plants: [{ file: 'src/kafka/gone-brokers.ts', find: '    void this.#pollUntilAnswered(broker)\n', replace: '' }],
  },
]

export const wireFaults: readonly PlantedFault[] = faults.map((fault) => ({ ...fault, wire: true }))
