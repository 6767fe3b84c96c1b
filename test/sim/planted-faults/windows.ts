/** Windows: which messages they take, when they close, and what becomes of what is late. */
import type { PlantedFault } from './planted-fault.js'

const windowing = 'src/core/processing/windowing.ts'
const closings = 'src/core/processing/closings.ts'
const places = 'src/core/processing/window-places.ts'
const stateTable = 'src/core/state/state-table.ts'

export const windowsFaults: readonly PlantedFault[] = [
  {
    what: "windows: what is late is decided by the task's time, not by the bound of the record's partition",
    plants: [
      {
        file: windowing,
        find: '    const { boundMs, closedMs } = isTimed ? closings.reached(definition) : NEVER\n',
        replace:
          '    const { closedMs } = isTimed ? closings.reached(definition) : NEVER\n    const boundMs = isTimed ? closedMs + closings.rankOf(definition) : -Infinity\n',
      },
    ],
  },
  {
    what: 'windows: when the next one closes is stored without an entry in the index',
    plants: [
      {
        file: stateTable,
        find: '    if ((live.times?.endsMs ?? 0) === endsMs) return\n',
        replace:
          '    if ((live.times?.endsMs ?? 0) === endsMs) return\n    if (live.times !== undefined || endsMs > 0) {\n      live.times ??= new LiveTimes()\n      live.times.endsMs = endsMs\n      return\n    }\n',
      },
    ],
  },
  {
    what: 'windows: one that ends earlier than those before it is not noted',
    plants: [
      {
        file: stateTable,
        find: '    if ((live.times?.endsMs ?? 0) === endsMs) return\n',
        replace: '    if ((live.times?.endsMs ?? 0) >= endsMs) return\n',
      },
    ],
  },
  {
    what: 'windows: those of an hour close before the last minute that lies in them',
    plants: [
      {
        file: closings,
        find: '    return this.#ranks.get(definition) ?? 0\n',
        replace: '    return Math.min(0, this.#ranks.get(definition) ?? 0)\n',
      },
    ],
  },
  {
    what: 'windows: what closes has its end as its timestamp, which lies in the next one',
    plants: [
      {
        file: windowing,
        find: '    return dueMs - this.parts.closings.rankOf(definition) - 1\n',
        replace: '    return dueMs\n',
      },
    ],
  },
  {
    what: 'windows: with one that closes, all of its key do',
    plants: [
      {
        file: windowing,
        find: '    return list.filter((window) => window.endMs <= endMs)\n',
        replace: '    return list.filter((window) => window.endMs <= endMs || endMs > 0)\n',
      },
    ],
  },
  {
    what: 'windows: a message that is late for one of several is late for all',
    plants: [
      {
        file: places,
        find: '  return { windows, late: late ?? NONE }\n}\n\nfunction at(',
        replace: '  return { windows: late === undefined ? windows : NONE, late: late ?? NONE }\n}\n\nfunction at(',
      },
    ],
  },
  {
    what: 'windows: what is late goes nowhere',
    plants: [
      {
        file: windowing,
        find: '    if (places.late.length > 0) this.#late(definition, windows, places.late)\n',
        replace: '',
      },
    ],
  },
  {
    what: 'windows: what is late fails, with all else that it does',
    plants: [
      {
        file: windowing,
        find: '    this.parts.closings.late(definition, by, error)\n',
        replace: '    if (error !== undefined) throw error\n    this.parts.closings.late(definition, by, error)\n',
      },
    ],
  },
  {
    what: 'careful mode: what is late is a dead letter though the message fails after it',
    plants: [
      {
        file: closings,
        find: '    if (error !== undefined)\n      this.#happens(() => {\n        this.parts.late(error)\n      })\n',
        replace: '    if (error !== undefined) this.parts.late(error)\n',
      },
    ],
  },
  {
    what: 'sessions: a late message joins one that has closed for it',
    plants: [
      {
        file: places,
        find: 'window.startMs < endMs && window.endMs > moment.boundMs,',
        replace: 'window.startMs < endMs,',
      },
    ],
  },
  {
    what: 'sessions: what a later one had is lost where two become one',
    plants: [{ file: places, find: '    begin.merge?.(one.state, other.state)\n', replace: '' }],
  },
  {
    what: 'sessions: one that begins earlier than it did keeps its beginning',
    plants: [
      {
        file: places,
        find: '  one.startMs = Math.min(one.startMs, startMs)\n',
        replace: '',
      },
    ],
  },
  {
    what: 'counting windows: one that is full stays',
    plants: [
      {
        file: windowing,
        find: 'window.messages < shape.messages) return undefined\n  remove(open, window)\n',
        replace: 'window.messages < shape.messages) return undefined\n',
      },
    ],
  },
]
