/** Dead letters as they are shown: whatever is in them, a terminal takes it for text, and a program for JSON. */
import { InvalidArgumentError } from 'commander'
import { describe, expect, it } from 'vitest'
import { choiceOf, letterCode, time } from '../../../../src/cli/dead-letters/chosen.js'
import { letterJson, listText, showText } from '../../../../src/cli/dead-letters/text.js'
import { readDeadLetter } from '../../../../src/core/processing/dead-letter.js'
import type { Letter } from '../../../../src/runtime/dead-letters/letters.js'
import { deadLetterChunks, headersOf, type TestLetter } from '../../../support/dead-letters.js'

function letterOf(given: Partial<TestLetter> = {}): Letter {
  const made = { topic: 'orders', partition: 3, offset: 17, ...given }
  const chunks = deadLetterChunks({ topic: 'dead', partitions: 1 }, [made]).get(0) ?? []
  const block = readDeadLetter(headersOf(chunks))
  if (block === undefined) throw new Error('no dead letter')
  const bytes = (of: string | Uint8Array | null | undefined): Buffer | null =>
    of === null || of === undefined ? null : Buffer.from(of)
  return { partition: 0, offset: 5, timestampMs: 0, key: bytes(given.key), value: bytes(given.value), block, bytes: 0 }
}
const ESC = '\u001b[2J'
const odd = letterOf({
  key: Uint8Array.of(0xff, 0x41),
  value: `{"a":"${ESC}\u200b"}`,
  message: `${ESC} and\nmore`,
  headers: [{ key: `h${ESC}`, value: Uint8Array.of(0xff) }],
})

describe('a dead letter', () => {
  it.each([
    ['listed', listText([{ letter: odd, mark: undefined }], true)],
    ['shown', showText({ letter: odd, mark: { done: 'dropped', atMs: 0 } }, 'dead')],
  ])('is text where it is %s, whatever is in it', (_, text) => {
    expect(text).not.toMatch(/[^\P{Cc}\n]/u)
    expect(text).toContain('\\xffA')
    expect(text).toContain('\\u{1b}[2J and')
    expect(text).toMatch(/dropped|open/)
  })

  it('has a row of its own in the list, however long its words are', () => {
    const letter = letterOf({ message: `${'x'.repeat(500)}\n${'y'.repeat(500)}` })
    const lines = listText([{ letter, mark: undefined }], false)
      .trimEnd()
      .split('\n')
    expect(lines).toHaveLength(2)
    expect(lines[1]?.length).toBeLessThan(300)
  })

  it('is JSON for programs, bytes that are no text in base64', () => {
    expect(letterJson({ letter: odd, mark: undefined }, true)).toMatchObject({
      letter: '0:5',
      state: 'open',
      keyBase64: Buffer.from([0xff, 0x41]).toString('base64'),
      value: `{"a":"${ESC}\u200b"}`,
      headers: [{ name: `h${ESC}`, valueBase64: '/w==' }],
      source: { topic: 'orders', partition: 3, offset: 17 },
    })
    expect(letterJson({ letter: odd, mark: undefined }, false)).not.toHaveProperty('value')
  })

  it('shows the message of a repartition, and state objects, by their fields', () => {
    const packed = Buffer.from([0x81, 0xa1, 0x6e, 7])
    const value = Buffer.from([0x81, 0xa1, 0x6d, 0x81, 0xa1, 0x78, 0xc3])
    const letter = { ...letterOf({ topic: 'shop-a-b-repartition', met: [{ name: 'total', packed }] }), value }
    expect(showText({ letter, mark: undefined }, 'dead')).toMatch(
      /value +\{ x: true \}\nmet +total, as it was before:\n +\{ n: 7 \}/,
    )
    const damaged = { ...letterOf({ met: [{ name: 'total', packed: Buffer.from([0xc1, 9, 9]) }] }), value: null }
    expect(showText({ letter: damaged, mark: undefined }, 'dead')).toMatch(/3 bytes that can't be read/)
  })
})

describe('what is chosen', () => {
  it('is told in words that are checked', () => {
    expect(letterCode('not_json', ['KEY_MISSING'])).toEqual(['KEY_MISSING', 'NOT_JSON'])
    expect(() => letterCode('toString')).toThrow(InvalidArgumentError)
    const at = time(() => 10 * 86_400_000)
    expect([at('2h'), at('3d'), at('1970-01-02T00:00:00Z')]).toEqual([
      10 * 86_400_000 - 7_200_000,
      7 * 86_400_000,
      86_400_000,
    ])
    for (const wrong of ['', '2', '2w', '-2h', '2026-01-31T12:00', 'yesterday'])
      expect(() => at(wrong)).toThrow(InvalidArgumentError)
  })

  it('names topics with the prefix or without, and keys as they are or as they are listed', () => {
    const { topic, isKey } = choiceOf([], { topic: 'orders', key: '\\xffA', topicPrefix: 'p-' })
    expect(topic).toBe('p-orders')
    expect(choiceOf([], { topic: 'p-orders', topicPrefix: 'p-' }).topic).toBe('p-orders')
    expect([isKey?.(Buffer.from([0xff, 0x41])), isKey?.(Buffer.from('\\xffA')), isKey?.(null)]).toEqual([
      true,
      true,
      false,
    ])
  })
})
