/** Tables, joins and broadcasts: src/core/state/state-table.ts, src/core/processing, src/runtime/broadcasts.ts. */
import type { PlantedFault } from './planted-fault.js'

const copy = 'src/core/processing/broadcast-copy.ts'
const stateTable = 'src/core/state/state-table.ts'

export const joinsFaults: readonly PlantedFault[] = [
  {
    what: 'broadcast: a message does not wait',
    plants: [
      {
        file: 'src/core/processing/gated-merge.ts',
        find: 'return best !== undefined && this.gate.isOpenFor(best.headArrived) ? best : undefined',
        replace: 'return best',
      },
    ],
  },
  {
    what: 'broadcast: an answer is proof as of its arrival',
    plants: [
      {
        file: copy,
        find: 'followed.proven = Math.max(followed.proven, fetched.asked)',
        replace: 'followed.proven = Math.max(followed.proven, fetched.arrived)',
      },
    ],
  },
  {
    what: 'broadcast: one partition is proof for all',
    plants: [
      { file: copy, find: 'if (proven < least) least = proven', replace: 'if (!(proven < least)) least = proven' },
      { file: copy, find: 'let least = Infinity', replace: 'let least = -1' },
    ],
  },
  {
    what: 'broadcast: a leader that has yet to catch up proves that nothing is there',
    plants: [{ file: copy, find: 'if (isAll && fetched.mayLag !== true)', replace: 'if (isAll)' }],
  },
  {
    what: 'broadcast: a record without a value deletes nothing',
    plants: [
      {
        file: copy,
        find: '      this.#checkPlace(cursor, partition)\n',
        replace: '      this.#checkPlace(cursor, partition)\n      if (cursor.valueStart < 0) return\n',
      },
    ],
  },
  {
    what: 'broadcast: it is read from its end',
    plants: [
      {
        file: 'src/runtime/broadcasts.ts',
        find: "listOffsets(all, 'earliest', { refresh: true })",
        replace: "listOffsets(all, 'end', { refresh: true })",
      },
    ],
  },
  {
    what: 'table: a record without a value deletes nothing',
    plants: [
      {
        file: 'src/core/processing/processor.ts',
        find: ' : tablesOf(source.operators)\n',
        replace: ' : tablesOf(source.operators).slice(0, 0)\n',
      },
    ],
  },
  {
    what: 'table: nobody waits for it',
    plants: [
      {
        file: 'src/core/processing/merge.ts',
        find: '      if (!holdsBack(input, best)) continue\n',
        replace: "      if (input.topic === 'customers' || !holdsBack(input, best)) continue\n",
      },
    ],
  },
  {
    what: 'table: what reads it comes first where timestamps are the same',
    plants: [
      {
        file: 'src/core/plan/topology.ts',
        find: 'Number(b.leadsToTable) - Number(a.leadsToTable)',
        replace: 'Number(a.leadsToTable) - Number(b.leadsToTable)',
      },
    ],
  },
  {
    what: 'table: an entry is the message, whatever becomes of it',
    plants: [
      {
        file: stateTable,
        find: '    live.object = packed === undefined ? FORGOTTEN : PACKED\n    live.packed = packed\n',
        replace: '    live.object = entry ?? FORGOTTEN\n',
      },
    ],
  },
  {
    what: 'read: what was not committed yet is not seen',
    plants: [
      {
        file: stateTable,
        find: '    const live = this.#liveAt(place)\n    if (live?.object === FORGOTTEN) return undefined\n',
        replace: '    const live = undefined as Live | undefined\n',
      },
    ],
  },
  {
    what: 'read: it is the state object, and no copy',
    plants: [
      {
        file: stateTable,
        find: '    if (live?.object !== undefined) {\n      // Without its times',
        replace:
          '    if (live?.object !== undefined && live.packed === undefined) return live.object\n    if (live?.object !== undefined) {\n      // Without its times',
      },
    ],
  },
]
