/** Leaders that move, answers of stale ones, high watermarks that lag, logs that are truncated. */
import type { PlantedFault } from './planted-fault.js'

const landing = 'src/core/commit/landing.ts'
const activation = 'src/runtime/activation.ts'
const fetcher = 'src/memory/fetcher.ts'
const isOther = 'this.due !== undefined && offset !== this.due'

export const leadersFaults: readonly PlantedFault[] = [
  {
    what: "C2: the changelog's end is believed as it was listed, wherever records land",
    plants: [{ file: landing, find: isOther, replace: 'false' }],
  },
  {
    what: 'A3: a changelog that was listed short is taken for a group that was reset',
    plants: [{ file: activation, find: 'if (first === undefined) return', replace: 'return' }],
  },
  {
    what: "A2: a good store is set aside, as one answer said that the changelog's end is below it",
    plants: [
      {
        file: 'src/runtime/task-store.ts',
        find: 'if (meta !== undefined && meta.changelogPosition >= end)',
        replace: 'if (meta === undefined && end < 0)',
      },
    ],
  },
  {
    what: 'order: a source counts as drained by a high watermark that lags behind an election',
    plants: [
      {
        file: 'src/core/processing/input.ts',
        find: 'fetched.mayLag === true ? -1 : fetched.asked',
        replace: 'false ? -1 : fetched.asked',
      },
    ],
  },
  {
    what: 'order: a leader that has not caught up counts as one that has, once it was asked',
    plants: [
      {
        file: fetcher,
        find: '() => this.cluster.listedEnd(broker, input, epoch)',
        replace: '() => this.cluster.served(broker, input, epoch).highWatermark',
      },
    ],
  },
]
