/** Records that wait for what decoding them needs. */
import type { PlantedFault } from './planted-fault.js'

const preparation = 'src/runtime/task/preparation.ts'
const sources = 'src/runtime/task/sources.ts'

export const formatsFaults: readonly PlantedFault[] = [
  {
    what: 'schemas: records are decoded before their schema is there',
    plants: [
      {
        file: preparation,
        find: '    if (missing === undefined) this.#pass(fetched)\n    else\n',
        replace: '    this.#pass(fetched)\n    if (missing !== undefined)\n',
      },
    ],
  },
  {
    what: 'schemas: an answer that fails to get them is dropped, and the input never goes on',
    plants: [{ file: preparation, find: '            this.#stepLater(fetched)\n          })\n        },\n      )', replace: '          })\n        },\n      )' }],
  },
  {
    what: 'schemas: an answer without records that need any overtakes the one that is held back',
    plants: [
      { file: preparation, find: '    else fetched.release()\n', replace: '    else this.input.pass(fetched)\n' },
      { file: preparation, find: 'if (this.#held === undefined && fetched.position === this.input.expected()) {', replace: 'if (this.#held === undefined && fetched.position === this.input.expected() && this.#missingIn(fetched) !== undefined) {' },
      { file: preparation, find: '    this.#held = undefined\n    const { task', replace: '    this.#held = undefined\n    fetched = { ...fetched, position: this.input.expected() }\n    const { task' },
      { file: sources, find: '        if (preparation?.isHolding === true) return undefined\n', replace: '' },
    ],
  },
  {
    what: 'schemas: the source that waits for them is taken for one that has nothing older',
    plants: [
      {
        file: sources,
        find: '          else preparation.take(fetched)\n',
        replace:
          '          else {\n            preparation.take(fetched)\n            if (preparation.isHolding) input.waived = true\n          }\n',
      },
    ],
  },
  {
    what: 'schemas: a registry that is away at the start ends the worker',
    plants: [{ file: 'src/runtime/codecs.ts', find: '        if (!error.retriable) throw error\n', replace: '        throw error\n' }],
  },
]
