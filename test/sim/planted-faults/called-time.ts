/** Time through calls: what a task that makes calls says of how far it is, and what of it is committed. */
import type { PlantedFault } from './planted-fault.js'

const caller = 'src/runtime/calls/caller.ts'
const claim = 'src/core/processing/calls/claim.ts'

/** Of worlds whose clocks are behind by minutes: see slow-clocks.ts. */
export const slowClocksFaults: readonly PlantedFault[] = [
  {
    what: 'time: a record that is a minute ahead of a slow clock moves none',
    plants: [
      {
        file: 'src/core/processing/watermark.ts',
        find: 'export const FUTURE_MS = 3_600_000',
        replace: 'export const FUTURE_MS = 60_000',
      },
    ],
  },
]

export const calledTimeFaults: readonly PlantedFault[] = [
  {
    what: 'time of calls: a mark does not count what is under way',
    plants: [
      {
        file: caller,
        find: 'return claimWith(time.claim([input]), heldIn(window.pending))',
        replace: 'return claimWith(time.claim([input]), heldIn([]))',
      },
    ],
  },
  {
    what: 'time of calls: a mark does not count what waits for its turn',
    plants: [
      {
        file: caller,
        find: 'for (const { taken } of pending) if (taken !== undefined) yield taken',
        replace: 'for (const { taken, attempts } of pending) if (taken !== undefined && attempts > 0) yield taken',
      },
    ],
  },
  {
    what: 'time of calls: a mark counts what is under way by records, and not by the clock',
    plants: [{ file: claim, find: 'tickMs: Math.min(claim.tickMs, oldestMs) }', replace: 'tickMs: claim.tickMs }' }],
  },
  {
    what: 'time of calls: a mark counts a call as done that is answered, and not committed',
    plants: [
      {
        file: 'src/runtime/calls/attempts.ts',
        find: '    current.outcomes.push({ request,',
        replace: '    request.taken &&= { ...request.taken, holdsMs: Infinity }\n    current.outcomes.push({ request,',
      },
    ],
  },
  {
    what: 'time of calls: committed as of the last message that was taken',
    plants: [
      {
        file: caller,
        find: 'return time.committed(this.#current?.window.oldest?.before)',
        replace: 'return time.committed()',
      },
    ],
  },
  {
    what: 'time of calls: not committed',
    plants: [
      {
        file: 'src/runtime/call-task.ts',
        find: 'time: watermark && { committed: () => caller.committedTime(watermark) },',
        replace: 'time: watermark && { committed: () => ({ bounds: {} }) },',
      },
    ],
  },
  {
    what: 'time of calls: results are late if what was taken last was',
    plants: [
      {
        file: caller,
        find: '    if (processor.time !== undefined) processor.time.lateBoundMs = taken?.lateBoundMs\n',
        replace: '    if (taken === null) return\n',
      },
    ],
  },
]
