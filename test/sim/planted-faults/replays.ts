/** Dead letters that are replayed and dropped: src/runtime/dead-letters/finish.ts. */
import type { PlantedFault } from './planted-fault.js'

const finish = 'src/runtime/dead-letters/finish.ts'
const marks = 'src/core/processing/dead-letter-marks.ts'

export const replaysFaults: readonly PlantedFault[] = [
  {
    what: 'R1: who replays fences nobody, because each has a transactional id of its own, and marks may land anywhere',
    plants: [
      { file: finish, find: 'chunks: writer.take(), end: era.end }', replace: 'chunks: writer.take() }' },
      {
        file: finish,
        find: 'log.producer(this.names.deadLetterMarks, signal)',
        replace: 'log.producer(`${this.names.deadLetterMarks}-${String(this.env.clock.monotonic())}`, signal)',
      },
    ],
  },
  {
    what: 'R2: the marks are read before others are fenced',
    plants: [
      {
        file: finish,
        find: '    const producer = await this.#unfenced(log.producer(this.names.deadLetterMarks, signal))\n',
        replace:
          '    const early = await marksIn(log, this.marks.name, this.letters, signal)\n' +
          '    const producer = await this.#unfenced(log.producer(this.names.deadLetterMarks, signal))\n',
      },
      {
        file: finish,
        find: '      const { marks, end } = await marksIn(log, this.marks.name, this.letters, signal, { refresh: true })\n',
        replace:
          '      const { marks } = early\n' +
          '      const { end } = await marksIn(log, this.marks.name, this.letters, signal, { refresh: true })\n',
      },
    ],
  },
  {
    what: 'R2: the marks are read as far as any leader says that they go, and may land anywhere',
    plants: [
      { file: finish, find: ', signal, { refresh: true })', replace: ', signal)' },
      { file: finish, find: 'chunks: writer.take(), end: era.end }', replace: 'chunks: writer.take() }' },
    ],
  },
  {
    what: 'R4: the marks are written in a transaction of their own, behind the records',
    plants: [
      {
        file: finish,
        find: '    const [end] = await era.producer.commit({ records: [marks, ...records], group: this.names.group, positions: [] })\n',
        replace:
          '    await era.producer.commit({ records, group: this.names.group, positions: [] })\n' +
          '    const [end] = await era.producer.commit({ records: [marks], group: this.names.group, positions: [] })\n',
      },
    ],
  },
  {
    what: 'R4: the marks are written in a transaction of their own, in front of the records',
    plants: [
      {
        file: finish,
        find: '    const [end] = await era.producer.commit({ records: [marks, ...records], group: this.names.group, positions: [] })\n',
        replace:
          '    const [end] = await era.producer.commit({ records: [marks], group: this.names.group, positions: [] })\n' +
          '    await era.producer.commit({ records, group: this.names.group, positions: [] })\n',
      },
    ],
  },
  {
    what: 'R4: what failed is written again, though it may have been written',
    plants: [
      {
        file: finish,
        find: '      const open = batch.filter((letter) => era.marks.of(letter) === undefined)\n',
        replace: '      const open = batch\n',
      },
    ],
  },
  {
    what: 'R3: a dead letter that was dropped is open to a replay',
    plants: [
      {
        file: marks,
        find: '    if (mark === undefined) this.#marks.delete(id)\n',
        replace: "    if (mark === undefined || mark.done === 'dropped') this.#marks.delete(id)\n",
      },
    ],
  },
  {
    what: 'R4: a dead letter goes to the partition that its key would have now',
    plants: [
      {
        file: finish,
        find: '      const { topic, partition } = block.origin\n      const to',
        replace: '      const { topic } = block.origin\n      const partition = (key?.[1] ?? 0) % 3\n      const to',
      },
    ],
  },
]
