/** Time, timers, times to live, and the index of what falls due. */
import type { PlantedFault } from './planted-fault.js'

const watermark = 'src/core/processing/watermark.ts'
const processor = 'src/core/processing/processor.ts'
const firings = 'src/core/processing/firings.ts'
const input = 'src/core/processing/input.ts'
const committer = 'src/runtime/task/committer.ts'
const timekeeper = 'src/runtime/task/timekeeper.ts'
const dueIndex = 'src/core/state/due-index.ts'
const stateTable = 'src/core/state/state-table.ts'
const reader = 'src/runtime/changelog-reader.ts'

const tick = 'return Math.max(bound, input.provenMs - (this.#behindMs[i] ?? 0) - topic.latenessMs - TICK_MARGIN_MS)'

export const timeFaults: readonly PlantedFault[] = [
  {
    what: 'time: the largest bound',
    plants: [
      {
        file: watermark,
        find: '    let least = Infinity\n    for (let i = 0; i < this.topics.length; i++) least = Math.min(least,',
        replace: '    let least = -Infinity\n    for (let i = 0; i < this.topics.length; i++) least = Math.max(least,',
      },
    ],
  },
  {
    what: 'time: not committed',
    plants: [
      { file: committer, find: 'time: processor.time?.committed() ?? activation.time,', replace: 'time: undefined,' },
    ],
  },
  {
    what: 'time: forgotten at activation',
    plants: [
      {
        file: 'src/runtime/task/processor-time.ts',
        find: 'new Watermark(topics, committed,',
        replace: 'new Watermark(topics, undefined,',
      },
    ],
  },
  {
    what: 'time: stays where it was when an interval is rolled back',
    plants: [{ file: processor, find: '    this.time?.rollBack()\n', replace: '' }],
  },
  {
    what: 'tick: without proof',
    plants: [
      {
        file: 'src/runtime/task/sources.ts',
        find: '      if (!input.accept(fetched, time.answered(input.index, fetched.mayLag))) return\n',
        replace:
          '      input.provenMs = Math.max(input.provenMs, time.answered(input.index, fetched.mayLag))\n      if (!input.accept(fetched)) return\n',
      },
    ],
  },
  {
    what: 'tick: while records are still to be taken',
    plants: [
      {
        file: watermark,
        find: 'if (input.hasHead || !topic.ticks) return bound',
        replace: 'if (!topic.ticks) return bound',
      },
    ],
  },
  {
    what: 'tick: with an open transaction',
    plants: [
      {
        file: input,
        find: 'if (this.#drainedAsked >= 0 && fetched.lastStableOffset >= fetched.highWatermark)',
        replace: 'if (this.#drainedAsked >= 0)',
      },
    ],
  },
  {
    what: 'tick: by when the answer came, not by when it was asked for',
    plants: [{ file: timekeeper, find: '    return asked.formerMs\n', replace: '    return this.nowMs()\n' }],
  },
  {
    what: 'tick: without the lateness',
    plants: [{ file: watermark, find: tick, replace: 'return Math.max(bound, input.provenMs)' }],
  },
  {
    what: 'tick: where the topic says never',
    plants: [
      {
        file: watermark,
        find: 'if (input.hasHead || !topic.ticks) return bound',
        replace: 'if (input.hasHead) return bound',
      },
    ],
  },
  {
    what: 'due: after the record that moved time',
    plants: [
      {
        file: firings,
        find: "    const due = states.due('time', time.reached(inputs, next?.index))",
        replace:
          "    const due = states.due('time', next === undefined ? time.reached(inputs, undefined) : time.timeMs)",
      },
    ],
  },
  {
    what: 'timer: one that is cleared stays set',
    plants: [
      {
        file: 'src/core/processing/context.ts',
        find: '    if (isKey(id)) this.states.clearTimer(name, id)\n',
        replace: '    void [name, id]\n',
      },
    ],
  },
  {
    what: 'index: entries are not written',
    plants: [
      {
        file: dueIndex,
        find: '      } else remove.push(noted)\n    return { put, remove }\n',
        replace: '      } else remove.push(noted)\n    return { put: [], remove }\n',
      },
    ],
  },
  {
    what: 'index: an entry is dropped when what is due moves on',
    plants: [
      {
        file: dueIndex,
        find: '    if (key !== undefined && toMs !== undefined) this.add(clock, toMs, key)\n',
        replace: '',
      },
    ],
  },
  {
    what: 'index: what was rolled back stays removed',
    plants: [
      {
        file: dueIndex,
        find: '      else this.#clocks[noted.clock].push(noted.entry)\n',
        replace: '',
      },
    ],
  },
  {
    what: 'index: removals go to the store before they are committed',
    plants: [
      {
        file: dueIndex,
        find: '    this.#storing = this.#unstored\n    this.#unstored = []\n',
        replace:
          '    this.#storing = [...this.#unstored, ...this.#interval]\n    this.#interval = []\n    this.#unstored = []\n',
      },
    ],
  },
  {
    what: 'index: a replay makes none',
    plants: [
      {
        file: reader,
        find: '    if (!isTimed && !this.#store.hasDues && this.#dues.isEmpty) return\n',
        replace: '    if (!isTimed || isTimed) return\n',
      },
    ],
  },
  {
    what: 'time to live: swept only',
    plants: [
      {
        file: firings,
        find: '    const ended = next && this.#endedBefore(next)\n',
        replace: '    const ended = undefined\n',
      },
    ],
  },
  {
    what: 'time to live: counted from what the interval did',
    plants: [
      {
        file: processor,
        find: '    if (definition.ttlMs !== undefined) this.#states.beforeChange(definition, place, context.timestampMs)\n',
        replace: '',
      },
    ],
  },
  {
    what: 'time to live: messages that change nothing count',
    plants: [
      {
        file: stateTable,
        find: ' && (live.hasOtherTimers || this.#hasOtherFields(live))',
        replace: '',
      },
    ],
  },
]
