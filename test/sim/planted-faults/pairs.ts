/** Interval joins: what meets, what has met nothing, and what becomes of what is late. */
import type { PlantedFault } from './planted-fault.js'

const pairing = 'src/core/processing/pairing.ts'
const places = 'src/core/processing/pair-places.ts'
const stateTable = 'src/core/state/state-table.ts'
const emit = 'src/core/processing/emit.ts'

export const pairsFaults: readonly PlantedFault[] = [
  {
    what: 'pairs: a message is over as soon as time has come to its end, not when it has passed it',
    plants: [
      {
        file: places,
        find: 'export const overMs = (atMs: number, withinMs: number): number => atMs + withinMs + 1\n',
        replace: 'export const overMs = (atMs: number, withinMs: number): number => atMs + withinMs\n',
      },
      {
        file: places,
        find: '    const over = own.from(byMs - withinMs)\n',
        replace: '    const over = own.from(byMs - withinMs + 1)\n',
      },
    ],
  },
  {
    what: 'pairs: what has met nothing is decided by the largest timestamp of the key, when a message of it arrives',
    plants: [
      {
        file: pairing,
        find: '    const partners = partnersOf(open, side, { atMs, boundMs }, withinMs)\n',
        replace:
          '    takeOver(open, atMs, withinMs)\n    const partners = partnersOf(open, side, { atMs, boundMs }, withinMs)\n',
      },
    ],
  },
  {
    what: "pairs: late is what the task's time has passed, not what the record's own partition has",
    plants: [
      {
        file: pairing,
        find: '    const reached = closings.reached(definition)\n',
        replace:
          '    const { closedMs } = closings.reached(definition)\n    const reached = { boundMs: closedMs + closings.rankOf(definition), closedMs }\n',
      },
    ],
  },
  {
    what: 'pairs: a late message meets what was over by the bound of its partition, if it is still there',
    plants: [
      {
        file: places,
        find: '    if (overMs(one.atMs, withinMs) > boundMs && overMs(atMs, withinMs) > one.boundMs) found.push(one)\n',
        replace: '    found.push(one)\n',
      },
    ],
  },
  {
    what: 'pairs: a message that has met another is not kept for a third',
    plants: [
      {
        file: pairing,
        find: '    for (const partner of partners) open[otherSide(side)].met(partner)\n',
        replace:
          '    for (const partner of partners) open[otherSide(side)].met(partner)\n    if (partners.length > 0) takeOver(open, Infinity, withinMs)\n',
      },
    ],
  },
  {
    what: 'pairs: that a message has met another is forgotten with the next commit',
    plants: [
      {
        file: 'src/api/open-pairs.ts',
        find: 'fields.push(atMs, boundMs - atMs, hasMet, message)',
        replace: 'fields.push(atMs, boundMs - atMs, hasMet && atMs < 0, message)',
      },
    ],
  },
  {
    what: 'pairs: where all have met another, nothing is kept for a third',
    plants: [
      {
        file: pairing,
        find: '    if (open.count === 0) states.forget()\n',
        replace: '    if (open.left.alone === undefined && open.right.alone === undefined) states.forget()\n',
      },
    ],
  },
  {
    what: 'pairs: of several that are over at once, one is given and the others go with it',
    plants: [
      {
        file: places,
        find: 'Math.min(over, own.firstAlone + 1) : Math.min(over, own.firstAlone))',
        replace: 'over : Math.min(over, own.firstAlone))',
      },
    ],
  },
  {
    what: 'pairs: when the next is over is not noted where a message came later than others and is older',
    plants: [
      {
        file: stateTable,
        find: '    if ((live.times?.endsMs ?? 0) === endsMs) return\n',
        replace: '    if ((live.times?.endsMs ?? 0) >= endsMs) return\n',
      },
    ],
  },
  {
    what: 'pairs: what two give carries the timestamp of the one that came last',
    plants: [
      {
        file: pairing,
        find: '      context.timestampMs = Math.max(own, partner.atMs)\n',
        replace: '      context.timestampMs = own\n',
      },
    ],
  },
  {
    what: 'pairs: what has met nothing carries when it fell due, which is behind its end',
    plants: [
      {
        file: pairing,
        find: '    return this.#overByMs(firing) - 1\n',
        replace: '    return firing.what.dueMs\n',
      },
    ],
  },
  {
    what: 'pairs: a join is over before what has met nothing in another one comes to it',
    plants: [
      {
        file: 'src/api/window-ranks.ts',
        find: '(closes(from) ? 1 : 0)',
        replace: '(closes(from) ? 0 : 0)',
      },
    ],
  },
  {
    what: 'pairs: what is late is dropped in silence',
    plants: [
      {
        file: pairing,
        find: 'closings.late(definition, by, this.#lateError(definition, by))',
        replace: 'closings.late(definition, by, undefined)',
      },
    ],
  },
  {
    what: 'pairs: what is late takes what it does else with it',
    plants: [
      {
        file: pairing,
        find: '      closings.late(definition, by, this.#lateError(definition, by))\n      return\n',
        replace: "      throw new PotorooError('RECORD_TOO_LARGE', 'it is late')\n",
      },
    ],
  },
  {
    what: 'pairs: in careful mode outputs get the timestamp of the message, whatever they were put out with',
    plants: [
      {
        file: emit,
        find: '    outputs.push([context.timestampMs, to,',
        replace: '    outputs.push([Math.floor(context.timestampMs / 7), to,',
      },
    ],
  },
]
