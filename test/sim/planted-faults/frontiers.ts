/** Time through repartitions: what writers say, and what readers make of it. */
import type { PlantedFault } from './planted-fault.js'

const watermark = 'src/core/processing/watermark.ts'
const marks = 'src/core/processing/marks.ts'
const outbox = 'src/core/processing/outbox.ts'
const timeFlow = 'src/core/plan/time-flow.ts'

const least = `    for (const task of this.topics[index]?.writers ?? []) least = Math.min(least, of(task))
`

export const frontiersFaults: readonly PlantedFault[] = [
  {
    what: 'mark: in a transaction of its own, before that of its records',
    plants: [
      {
        file: outbox,
        find: '    if (this.add(to, partition, timestampMs, key, value)) return\n',
        replace: '    if (this.add({ ...to, own: true }, partition, timestampMs, key, value)) return\n',
      },
      {
        file: outbox,
        find: 'for (const [{ topic, topicId }, writers] of this.#writers)',
        replace: 'for (const [{ topic, topicId, own }, writers] of this.#writers)',
      },
      {
        file: outbox,
        find: 'records.push({ topic, topicId, partition, chunks: writer.take() })',
        replace: 'records.push({ topic, topicId, own, partition, chunks: writer.take() })',
      },
      {
        file: 'src/runtime/task/committer.ts',
        find: '      ends = await activation.producer.commit({ records: this.#landing(collected), group: plan.group, positions })\n',
        replace: `      const own = collected.records.filter((one) => one.own)
      if (own.length > 0) await activation.producer.commit({ records: own, group: plan.group, positions: [] })
      const records = this.#landing(collected).filter((one) => !one.own)
      ends = await activation.producer.commit({ records, group: plan.group, positions })
`,
      },
    ],
  },
  {
    what: 'mark: in partitions with records alone',
    plants: [
      {
        file: marks,
        find: '        if (!this.#rounds.has(topic) && !outbox.has(to, partition)) continue\n',
        replace: '        if (!outbox.has(to, partition)) continue\n',
      },
    ],
  },
  {
    what: 'mark: none of a task that has nothing to commit',
    plants: [
      {
        file: 'src/runtime/task/marker.ts',
        find: '    if (roundMs > nowMs) return roundMs\n',
        replace: '    if (roundMs > -Infinity) return undefined\n',
      },
    ],
  },
  {
    what: 'frontiers: of writers that have said nothing, none',
    plants: [
      {
        file: watermark,
        find: least,
        replace: `    for (const task of this.topics[index]?.writers ?? []) if (of(task) > -Infinity) least = Math.min(least, of(task))
`,
      },
    ],
  },
  {
    what: 'frontiers: the largest',
    plants: [
      {
        file: watermark,
        find: `    let least = Infinity
${least}`,
        replace: `    let least = -Infinity
${least.replace('Math.min', 'Math.max')}`,
      },
    ],
  },
  {
    what: 'frontiers: not committed',
    plants: [
      {
        file: watermark,
        find: '      ...(Object.keys(frontiers).length > 0 && { frontiers }),\n',
        replace: '',
      },
    ],
  },
  {
    what: 'frontiers: forgotten at activation',
    plants: [
      {
        file: watermark,
        find: '    this.#frontiers = topics.map(({ topic }) => decodeFrontiers(frontiers[topic]))\n',
        replace: '    this.#frontiers = topics.map(() => NO_FRONTIERS)\n',
      },
    ],
  },
  {
    what: 'frontiers: stay where they were when an interval is rolled back',
    plants: [
      { file: watermark, find: '    this.#frontiers = [...this.#mark.frontiers]\n', replace: '' },
      { file: watermark, find: '    this.#bounds = [...this.#mark.bounds]\n', replace: '' },
    ],
  },
  {
    what: 'frontiers: what the clock brought writers to stays when an interval is rolled back',
    plants: [{ file: watermark, find: '    this.#ticks = [...this.#mark.ticks]\n', replace: '' }],
  },
  {
    what: 'frontiers: the edge that closes a loop carries time',
    plants: [
      {
        file: timeFlow,
        find: 'edges.filter((edge) => !closing.has(edge))',
        replace: 'edges.filter(() => closing.size >= 0)',
      },
    ],
  },
]
