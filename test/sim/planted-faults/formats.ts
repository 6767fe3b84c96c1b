/** Records that wait for what decoding them needs. */
import type { PlantedFault } from './planted-fault.js'

const preparation = 'src/runtime/preparation.ts'

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
    what: 'schemas: a registry that was away is not asked again',
    plants: [
      {
        file: preparation,
        find: '            this.#say(fetched, error)\n            this.#stepLater(fetched)\n',
        replace: '            this.#say(fetched, error)\n',
      },
    ],
  },
  {
    what: 'schemas: an answer that was held back proves more than it did when it came',
    plants: [
      {
        file: preparation,
        find: '    this.input.pass(fetched)\n  }\n\n  #say(',
        replace: '    this.input.pass({ ...fetched, asked: Number.MAX_SAFE_INTEGER })\n  }\n\n  #say(',
      },
    ],
  },
  {
    what: 'schemas: a source that waits for them is taken for one that has nothing older',
    plants: [
      {
        file: 'src/runtime/task/sources.ts',
        find: '          else preparation.take(fetched)\n',
        replace:
          '          else {\n            preparation.take(fetched)\n            if (preparation.isHolding) input.waived = true\n          }\n',
      },
    ],
  },
  {
    what: 'schemas: a registry that is away at the start ends the worker',
    plants: [
      {
        file: 'src/runtime/codecs.ts',
        find: '        if (!error.retriable) throw error\n',
        replace: '        throw error\n',
      },
    ],
  },
]
