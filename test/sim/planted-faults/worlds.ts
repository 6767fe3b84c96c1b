/** Transactions of version 2, tasks without a changelog, several state objects, timestamps of any kind. */
import type { PlantedFault } from './planted-fault.js'

const committer = 'src/runtime/task/committer.ts'
const activation = 'src/runtime/activation.ts'
const processor = 'src/core/processing/processor.ts'
const stateTable = 'src/core/state/state-table.ts'
const merge = 'src/core/processing/merge.ts'
const producer = 'src/memory/producer.ts'

export const worldsFaults: readonly PlantedFault[] = [
  {
    what: 'C2: a task without a changelog gives its positions to the group late, as one with a changelog may',
    plants: [
      {
        file: committer,
        find: '      this.plan.changelog !== undefined &&\n      group !== undefined &&',
        replace: '      group !== undefined &&',
      },
    ],
  },
  {
    what: 'C2: the group is given positions of what is fetched, not of what is committed',
    plants: [
      {
        file: committer,
        find: 'inputs.map(({ topic }, i) => {\n            const position = record.positions[topic] ?? 0\n',
        replace: 'inputs.map(({ topic, end: position }, i) => {\n',
      },
    ],
  },
  {
    what: 'C1: of the chunks of a commit for the changelog, only the last is written',
    plants: [
      {
        file: processor,
        find: 'partition, chunks: writer.take() })',
        replace: 'partition, chunks: writer.take().slice(-1) })',
      },
    ],
  },
  {
    what: 'C1: of the chunks of a commit for a sink, the second is left out',
    plants: [
      {
        file: 'src/core/processing/outbox.ts',
        find: 'chunks: writer.take() })',
        replace: 'chunks: writer.take().filter((_, i) => i !== 1) })',
      },
    ],
  },
  {
    what: 'C3: the store gets the first chunk of a commit only',
    plants: [
      {
        file: stateTable,
        find: 'for (const part of this.#collected ?? []) {',
        replace: 'for (const part of this.#collected?.slice(0, 1) ?? []) {',
      },
    ],
  },
  {
    what: 'C3: what a later commit supersedes is looked for in the first chunk of the one before',
    plants: [
      {
        file: stateTable,
        find: 'this.#unstored.length + parts.length - 1, part.count)',
        replace: 'this.#unstored.length, part.count)',
      },
    ],
  },
  {
    what: 'state: objects of two kinds with the same key lie in one place',
    plants: [
      {
        file: stateTable,
        find: 'new KeyPrefix(i, definition.name, secret)',
        replace: 'new KeyPrefix(i, definitions[0]?.name ?? definition.name, secret)',
      },
    ],
  },
  {
    what: 'state: of a message that throws, only the object that it touched last is rolled back',
    plants: [
      {
        file: stateTable,
        find: '    for (let age = this.#oldest; age > 0; age--) this.#drop(this.#slot(age))\n',
        replace: '    if (this.#oldest > 0) this.#drop(this.#slot(1))\n',
      },
    ],
  },
  {
    what: 'careful mode: what a message has put out before it threw goes out',
    plants: [
      {
        file: processor,
        find: '      this.#run(operators, message, collecting(outputs, this.#context))',
        replace: '      this.#run(operators, message, this.#addOutput)',
      },
    ],
  },
  {
    what: 'order: of records with the same timestamp the source that was declared last goes first',
    plants: [
      {
        file: merge,
        find: 'input.cursor.timestampMs < best.cursor.timestampMs',
        replace: 'input.cursor.timestampMs <= best.cursor.timestampMs',
      },
    ],
  },
  {
    what: 'order: of records with the same timestamp the one with the lower position goes first',
    plants: [
      {
        file: merge,
        find: 'input.cursor.timestampMs < best.cursor.timestampMs',
        replace:
          'input.cursor.timestampMs < best.cursor.timestampMs || (input.cursor.timestampMs === best.cursor.timestampMs && input.position < best.position)',
      },
    ],
  },
  {
    what: 'order: records without a timestamp are held back forever',
    plants: [
      {
        file: merge,
        find: 'else if (best === undefined ||',
        replace: 'else if (input.cursor.timestampMs < 0) continue\n      else if (best === undefined ||',
      },
    ],
  },
  {
    what: 'order: records of the future are held back until then',
    plants: [
      {
        file: merge,
        find: 'else if (best === undefined ||',
        replace:
          'else if (input.cursor.timestampMs > 1_704_067_200_000 + 3_600_000) continue\n      else if (best === undefined ||',
      },
    ],
  },
  {
    what: 'A3: a group that has what a later owner committed is taken for one that was reset',
    plants: [
      {
        file: activation,
        find: '  await requireUnmoved(plan, changelog, restored.end, env, undefined, signal)\n',
        replace: '',
      },
    ],
  },
  {
    what: 'Kafka: with version 2 the epoch that the end of a transaction gives out is not taken',
    plants: [{ file: producer, find: 'this.#identity = await this.#timed(', replace: 'await this.#timed(' }],
  },
  {
    what: 'Kafka: with version 2 sequences go on in the next epoch',
    plants: [{ file: producer, find: '    this.#sequences.clear()\n', replace: '' }],
  },
  {
    what: 'Kafka: with version 1 sequences begin again with each transaction, in the same epoch',
    plants: [
      {
        file: producer,
        find: "        cluster.transactions.end(identity, 'commit')\n      }),\n    )\n",
        replace:
          "        cluster.transactions.end(identity, 'commit')\n      }),\n    )\n    this.#sequences.clear()\n",
      },
    ],
  },
  {
    what: 'Kafka: with version 2 an end whose transaction was aborted is taken for a failure that passes',
    plants: [{ file: producer, find: "(['INVALID_TXN_STATE'] as const)", replace: '([] as const)' }],
  },
  {
    what: 'membership: a confirmation is taken from a heartbeat that was sent before the failure',
    plants: [
      {
        file: 'src/runtime/membership.ts',
        find: 'const due = this.#confirmations.filter(({ after }) => sent > after)',
        replace: 'const due = this.#confirmations',
      },
    ],
  },
  {
    what: 'membership: before joining again commits are awaited, however long they take',
    plants: [
      {
        file: 'src/runtime/worker.ts',
        find: 'await atMost(ports.clock, FLUSH_MS, Promise.all([...this.#tasks.values()].map((task) => task.flush())))',
        replace: 'await Promise.all([...this.#tasks.values()].map((task) => task.flush()))',
      },
    ],
  },
]
