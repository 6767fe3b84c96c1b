/** A topic is not its name: sources, changelogs and groups that are deleted, recreated or emptied. */
import type { PlantedFault } from './planted-fault.js'

const restorePlan = 'src/core/commit/restore-plan.ts'
const committer = 'src/runtime/task/committer.ts'
const activation = 'src/runtime/activation.ts'
const topics = 'src/runtime/topics.ts'

export const topicsFaults: readonly PlantedFault[] = [
  {
    what: 'A3: a topic that was recreated is taken for the one before',
    plants: [
      {
        file: restorePlan,
        find: 'if (idThen !== undefined && id !== undefined && idThen !== id) {',
        replace: 'if (idThen === id && idThen !== id) {',
      },
    ],
  },
  {
    what: 'A3: an offset that a worker has committed is taken for a reset, where the topic was recreated',
    plants: [
      {
        file: restorePlan,
        find: "if (group === undefined || isGroupOurs) return 'replaced'",
        replace: "if (group === undefined) return 'replaced'",
      },
    ],
  },
  {
    what: 'C1: the commit record does not say of which topics its positions are',
    plants: [{ file: committer, find: '      topicIds: this.#idsWith(foreign.topicIds),\n', replace: '' }],
  },
  {
    what: "C2: nothing is noted beside the group's offsets",
    plants: [{ file: committer, find: ', note: this.#noteOf(i, activation, record) }', replace: ' }' }],
  },
  {
    what: 'A3: a changelog without a commit record is taken for a new one, whatever the group has',
    plants: [
      {
        file: activation,
        find: 'if (restored.commit === undefined) requireNew(plan, changelog, env, group)',
        replace: 'if (restored.commit === undefined) return group',
      },
    ],
  },
  {
    what: 'A2: a store is set aside for a changelog that has no commit record',
    plants: [
      {
        file: 'src/runtime/task-store.ts',
        find: 'if (!(await hasCommitRecord(probed, env, signal)))',
        replace: 'if (probed.end < 0)',
      },
    ],
  },
  {
    what: "A2: what was deleted from a changelog's start is not missed",
    plants: [
      {
        file: restorePlan,
        find: 'if (earliest > 0 && (store === undefined || store.changelogPosition < earliest))',
        replace: 'if (earliest < 0)',
      },
    ],
  },
  {
    what: 'A3: where an input begins is not committed before it has given something',
    plants: [{ file: activation, find: '      committed: known,\n', replace: '      committed: positions,\n' }],
  },
  {
    what: 'A4: whatever has the name of the source is read',
    plants: [
      {
        file: 'src/runtime/task/sources.ts',
        find: '      topic: input.topic,\n      topicId,\n',
        replace: '      topic: input.topic,\n',
      },
    ],
  },
  {
    what: 'C2: whatever has the name of the changelog is written to',
    plants: [
      {
        file: 'src/core/processing/processor.ts',
        find: 'records.unshift({ topic, topicId, partition, chunks: writer.take() })',
        replace: 'records.unshift({ topic, partition, chunks: writer.take() })',
      },
    ],
  },
  {
    what: 'a sink that was recreated while workers run is not noticed',
    plants: [
      {
        file: topics,
        find: 'if (before.id !== undefined && now.id !== undefined && now.id !== before.id)',
        replace: 'if (before.id !== before.id)',
      },
    ],
  },
]
