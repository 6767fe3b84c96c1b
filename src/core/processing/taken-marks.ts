import type { Input } from './input.js'
import { decodeMark, isMark } from './marks.js'
import type { Watermark } from './watermark.js'

/** Marks are no messages: they have their turn when they are at the head, whatever others have. */
export function takeMarks(inputs: readonly Input[], time: Watermark | undefined): void {
  for (const input of inputs)
    while (input.hasHead && isMark(input.cursor)) {
      const mark = decodeMark(input.cursor)
      if (mark !== undefined) time?.say(input.index, mark)
      input.skip()
    }
}
