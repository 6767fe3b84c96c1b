/** src/core/processing/dead-letter-marks.ts: its invariants are at the head of that file. */
import { describe, expect, it } from 'vitest'
import {
  decodeMark,
  encodeMark,
  letterId,
  LetterMarks,
  placeOfLetter,
} from '../../../../src/core/processing/dead-letter-marks.js'

const bytes = (text: string): Buffer => Buffer.from(text)

describe('marks of dead letters', () => {
  it('are of one topic: those of the one before count for nothing (invariant 1)', () => {
    const marks = new LetterMarks('new')
    marks.take('0:1', bytes(encodeMark({ done: 'replayed', atMs: 5, topicId: 'old' })))
    marks.take('0:2', bytes(encodeMark({ done: 'dropped', atMs: 6, topicId: 'new' })))
    expect(marks.of({ partition: 0, offset: 1 })).toBeUndefined()
    expect(marks.of({ partition: 0, offset: 2 })).toEqual({ done: 'dropped', atMs: 6, topicId: 'new' })
    expect(marks.stale(() => 0)).toEqual(['0:1'])
  })

  it('are taken away with a null, and are stale where their dead letter is gone', () => {
    const marks = new LetterMarks(undefined)
    const mark = bytes(encodeMark({ done: 'replayed', atMs: 5 }))
    for (const id of ['0:1', '0:2', '1:9', 'nonsense']) marks.take(id, mark)
    marks.take('0:2', null)
    expect(marks.of({ partition: 0, offset: 2 })).toBeUndefined()
    expect(marks.stale((partition) => (partition === 0 ? 2 : 9))).toEqual(['0:1', 'nonsense'])
  })

  it('pass over fields that are not known (invariant 2), and are none where nothing can be read', () => {
    expect(decodeMark(bytes('{"done":"dropped","atMs":1,"by":"someone"}'))).toEqual({ done: 'dropped', atMs: 1 })
    for (const none of ['', '7', 'null', '{}', '{"done":"lost","atMs":1}', '{"done":"dropped"}'])
      expect(decodeMark(bytes(none))).toBeUndefined()
  })

  it('go by what an operator writes', () => {
    expect(placeOfLetter(letterId({ partition: 3, offset: 17 }))).toEqual({ partition: 3, offset: 17 })
    for (const none of ['', '3', '3:', ':17', '-1:17', '3:17:1', '3:1e9', ' 3:17'])
      expect(placeOfLetter(none)).toBeUndefined()
  })
})
