/** Several stages: repartitions, their positions and their purging, branches, and topologies that change. */
import type { PlantedFault } from './planted-fault.js'

const committer = 'src/runtime/task/committer.ts'
const sources = 'src/runtime/task/sources.ts'
const manifest = 'src/core/plan/manifest.ts'
const purge = 'src/runtime/purge.ts'
const commitCall =
  'ends = await activation.producer.commit({ records: this.#landing(collected), group: plan.group, positions })'
const isRepartition = "one.topic.endsWith('-repartition')"

export const routingFaults: readonly PlantedFault[] = [
  {
    what: 'purge: up to what was fetched',
    plants: [
      {
        file: committer,
        find: '    this.#sayAcknowledged(({ topic }) => record.positions[topic])\n',
        replace: '    this.#sayAcknowledged((_, i) => inputs[i]?.end)\n',
      },
    ],
  },
  {
    what: 'purge: before the commit is acknowledged',
    plants: [
      {
        file: committer,
        find: `      ${commitCall}`,
        replace: `      this.#sayAcknowledged(({ topic }) => record.positions[topic])\n      ${commitCall}`,
      },
    ],
  },
  {
    what: 'purge: whoever takes a task over waits for its own commits',
    plants: [
      { file: committer, find: '    this.#sayAcknowledged((_, i) => work.activation.positions[i])\n', replace: '' },
    ],
  },
  {
    what: 'purge: only when commits come',
    plants: [
      {
        file: purge,
        find: 'this.#timer = anyLeft && !this.#isStopped() ?',
        replace: 'this.#timer = anyLeft && this.#isStopped() ?',
      },
    ],
  },
  {
    what: 'purge: what a later owner has purged is taken for lost',
    plants: [{ file: sources, find: 'if (this.#purgedAt.get(topic) === end)', replace: 'if (end >= 0)' }],
  },
  {
    what: "A3: a repartition's position is the group's",
    plants: [
      {
        file: 'src/runtime/input-positions.ts',
        find: 'const asked = isChangelogs ? { ...known, group: undefined, groupThen: undefined } : known',
        replace:
          'const asked = isChangelogs && known.group !== undefined ? { ...known, committed: known.group, groupThen: undefined } : known',
      },
    ],
  },
  {
    what: 'C2: what goes to repartitions has a transaction of its own, after the rest',
    plants: [
      {
        file: committer,
        find: commitCall,
        replace:
          `ends = await activation.producer.commit({ records: this.#landing(collected).filter((one) => !${isRepartition}), group: plan.group, positions })\n` +
          `      const rest = collected.records.filter((one) => ${isRepartition})\n` +
          '      if (rest.length > 0) await activation.producer.commit({ records: rest, group: plan.group, positions: [] })',
      },
    ],
  },
  {
    what: 'C2: what goes to repartitions has a transaction of its own, before the rest',
    plants: [
      {
        file: committer,
        find: commitCall,
        replace:
          `const rest = collected.records.filter((one) => ${isRepartition})\n` +
          '      if (rest.length > 0) await activation.producer.commit({ records: rest, group: plan.group, positions: [] })\n' +
          `      ends = await activation.producer.commit({ records: this.#landing(collected).filter((one) => !${isRepartition}), group: plan.group, positions })`,
      },
    ],
  },
  {
    what: 'repartition: keys are spread over as many partitions as the writer has',
    plants: [
      {
        file: 'src/core/processing/processor.ts',
        find: 'this.#partitioner.partitionOf(partitioner, key, to.partitions)',
        replace:
          "this.#partitioner.partitionOf(partitioner, key, to.topic.endsWith('-repartition') ? plan.partitions : to.partitions) % to.partitions",
      },
    ],
  },
  {
    what: 'repartition: what keeps its key stays on its partition, however many there are',
    plants: [
      {
        file: 'src/core/processing/processor.ts',
        find: 'to.partitions === plan.partitions &&',
        replace: 'to.partitions > plan.partition &&',
      },
    ],
  },
  {
    what: 'repartition: it is read uncommitted',
    plants: [
      {
        file: 'src/memory/partition.ts',
        find: 'limit = this.lastStableOffset): ReadResult {',
        replace:
          "limit = this.topic.endsWith('-repartition') ? this.highWatermark : this.lastStableOffset): ReadResult {",
      },
    ],
  },
  {
    what: 'branch: what lies before it runs once for each',
    plants: [{ file: 'src/core/plan/topology.ts', find: '    places.set(node, made)\n', replace: '' }],
  },
  {
    what: 'manifest: a sub-topology goes on by its name',
    plants: [
      {
        file: manifest,
        find: '  return [...new Set([...byState, ...bySource])]\n',
        replace: '  return [...new Set([...byState, ...bySource])].filter(({ name }) => name === sub.name)\n',
      },
    ],
  },
  {
    what: 'manifest: what is there is ignored',
    plants: [
      {
        file: manifest,
        find: 'const entries = manifest?.subTopologies ?? []',
        replace: 'const entries: readonly ManifestEntry[] = []',
      },
    ],
  },
  {
    what: 'manifest: what is kept apart may become one',
    plants: [
      {
        file: manifest,
        find: 'const [entry, ...others] = entriesOf(sub, entries)',
        replace: 'const [entry, ...others] = entriesOf(sub, entries).slice(0, 1)',
      },
    ],
  },
]
