import type { TaskPlan } from '../../../../src/runtime/task-plan.js'

/** A task with a state, one source `in`, and one sink `out`; its graph is empty. */
export function planOf(over: Partial<TaskPlan> = {}): TaskPlan {
  const destination = (topic: string, retentionMs?: number) => ({
    topic,
    partitions: 1,
    maxMessageBytes: 1_000_000,
    retentionMs,
  })
  return {
    id: 'sub_0',
    partition: 0,
    transactionalId: 'app-sub-0',
    version: { number: 0, hash: '', upgrades: 0 },
    group: 'app',
    sources: [{ topic: 'in', id: 'id-in', start: 'earliest', isRepartition: false }],
    changelog: { topic: 'changelog', deleteRetentionMs: 86_400_000 },
    broadcasts: [],
    processor: {
      subTopology: {
        name: 'sub',
        sources: [],
        states: [],
        timed: [],
        broadcasts: [],
        sinks: [],
        depth: 0,
      },
      partition: 0,
      partitions: 1,
      sinks: new Map([['out', destination('out', 1000)]]),
      deadLetters: destination('dead-letters'),
      changelog: destination('changelog'),
      onError: 'dead-letter',
    },
    ...over,
  }
}
