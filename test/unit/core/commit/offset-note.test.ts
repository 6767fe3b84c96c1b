import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeOffsetNote,
  encodeOffsetNote,
  isOfChangelog,
  PLAIN_NOTE,
} from '../../../../src/core/commit/offset-note.js'

describe('the note beside an offset', () => {
  it('comes back as it went', () => {
    const text = fc.option(fc.string(), { nil: undefined })
    fc.assert(
      fc.property(text, text, (topicId, changelog) => {
        expect(decodeOffsetNote(encodeOffsetNote({ topicId, changelog }))).toEqual({ topicId, changelog })
      }),
    )
  })

  it('of somebody else is none, whatever it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (note) => {
        expect(decodeOffsetNote(note)).toBeUndefined()
      }),
    )
    for (const note of [
      '',
      'null',
      '1',
      '[]',
      '{"potoroo":2}',
      '{"potoroo":1,"topicId":7}',
      '{"potoroo":1,"changelog":{}}',
    ])
      expect(decodeOffsetNote(note)).toBeUndefined()
  })

  it('fits where the least room is that a broker may leave by default, 4,096 bytes', () => {
    const note = encodeOffsetNote({ topicId: 'A'.repeat(22), changelog: `${'a'.repeat(32)}/${'s'.repeat(249)}` })
    expect(note.length).toBeLessThan(500)
  })

  it('proves a changelog of its own sub-topology alone, for these change their names', () => {
    const note = { changelog: 'random/symbol' }
    expect(isOfChangelog(note, 'symbol')).toBe(true)
    expect(isOfChangelog(note, 'ledger')).toBe(false)
    expect(isOfChangelog({ changelog: 'of an earlier version' }, 'ledger')).toBe(true)
    expect(isOfChangelog({}, 'symbol')).toBe(false)
    expect(isOfChangelog(undefined, 'symbol')).toBe(false)
  })

  it('may say no more than that a worker has committed the offset, which may then be of any changelog', () => {
    const note = decodeOffsetNote(PLAIN_NOTE)
    expect(note).toEqual({ isPlain: true })
    expect(isOfChangelog(note, 'symbol')).toBe(true)
  })
})
