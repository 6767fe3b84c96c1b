/** Counts the words of lines that have no key. */
import * as z from 'zod'
import { application, from, stateObject, topic } from 'potoroo'

export const lines = topic('lines', { schema: z.object({ text: z.string() }) })
export const counts = topic('counts', {
  schema: z.object({ word: z.string(), n: z.number() }),
  key: (count) => count.word,
})

export const total = stateObject('total', () => ({ n: 0 }))

export default application(
  'word-count',
  from(lines)
    .flatMap(({ text }) => text.toLowerCase().match(/\p{L}+/gu) ?? [])
    .keyBy((word) => word)
    .to(total, (state, word) => ({ word, n: ++state.n }))
    .sink(counts),
)
