/** Broadcasts whose records need something before they are decoded: src/runtime/broadcasts.ts and preparation.ts. */
import type { PlantedFault } from './planted-fault.js'

const broadcasts = 'src/runtime/broadcasts.ts'
const preparation = 'src/runtime/preparation.ts'

export const broadcastsFaults: readonly PlantedFault[] = [
  {
    what: 'broadcast: records are taken before what decoding them needs is there',
    plants: [
      {
        file: broadcasts,
        find: 'if (preparation === undefined) accept(fetched)',
        replace: 'if (prepare !== undefined || preparation === undefined) accept(fetched)',
      },
      {
        file: broadcasts,
        find: 'const { copy } = this\n    const accept =',
        replace: 'const { copy } = this\n    const prepare = copy.definition.topic.codec\n    const accept =',
      },
    ],
  },
  {
    what: 'broadcast: what decoding needs is not asked for again',
    plants: [
      {
        file: preparation,
        find: 'this.#say(fetched, error)\n            this.#stepLater(fetched)',
        replace: 'this.#say(fetched, error)',
      },
    ],
  },
  {
    what: 'broadcast: what decoding needs could not be had, and records go on without it',
    plants: [
      {
        file: preparation,
        find: 'this.#say(fetched, error)\n            this.#stepLater(fetched)',
        replace: 'this.#pass(fetched)',
      },
    ],
  },
  {
    what: 'broadcast: what comes while records are held is taken before them',
    plants: [
      {
        file: broadcasts,
        find: 'preparation?.isHolding === true ? undefined : copy.position(partition)',
        replace: 'copy.position(partition)',
      },
      { file: preparation, find: 'else fetched.release()\n  }', replace: 'else this.input.pass(fetched)\n  }' },
    ],
  },
  {
    what: 'broadcast: nobody is woken when held records go on',
    plants: [{ file: broadcasts, find: 'accept(fetched)\n          env.fetcher.wake()', replace: 'accept(fetched)' }],
  },
  {
    what: 'broadcast: proven with records that are held',
    plants: [
      {
        file: broadcasts,
        find: 'preparation.take(fetched)',
        replace:
          'preparation.take(fetched)\n            if (preparation.isHolding) copy.accept({ ...fetched, batches: [], release: () => undefined })\n            this.#tellProven()',
      },
    ],
  },
]
