import { describe, expect, it } from 'vitest'
import { deadLetterHeaders } from '../../../../src/core/processing/dead-letter.js'
import { Outbox, type Destination } from '../../../../src/core/processing/outbox.js'
import { RecordCursor } from '../../../../src/core/records/records.js'
import { PotorooError } from '../../../../src/errors.js'
import { batchOf, readChunks } from '../../../support/records.js'

const key = 'k'.repeat(70_000)
const value = 'v'.repeat(70_000)
const error = new PotorooError('SCHEMA_MISMATCH', '€'.repeat(2000))

/** The dead letter of a record with a large key, value and header, in a topic that takes so much. */
function letterIn(maxMessageBytes: number) {
  const cursor = new RecordCursor()
  cursor.open(batchOf(7, [{ timestampMs: 5, key, value, headers: [{ key: 'h', value: Buffer.alloc(70_000) }] }]))
  cursor.next()
  const to: Destination = { topic: 'dead', partitions: 4, maxMessageBytes }
  const outbox = new Outbox()
  outbox.addDeadLetter(to, 'orders', 6, cursor, error, 99)
  const logged = outbox.deadLetters
  const [taken] = outbox.take()
  const [letter, ...others] = readChunks(taken?.chunks ?? [])
  if (letter === undefined) throw new Error('no dead letter')
  expect([others.length, taken?.partition, letter.timestampMs]).toEqual([0, 2, 99])
  expect(letter.headers).toMatchObject({
    [deadLetterHeaders.topic]: 'orders',
    [deadLetterHeaders.partition]: '6',
    [deadLetterHeaders.offset]: '7',
    [deadLetterHeaders.timestamp]: '5',
    [deadLetterHeaders.code]: 'SCHEMA_MISMATCH',
  })
  return { letter, logged }
}

describe('a dead letter', () => {
  it('is the whole record where it fits, its words cut to 1,000 characters', () => {
    const { letter, logged } = letterIn(1_000_000)
    expect([letter.key, letter.value, letter.headers.h?.length]).toEqual([key, value, 70_000])
    expect(letter.headers[deadLetterHeaders.message]).toBe('€'.repeat(1000))
    expect(letter.headers[deadLetterHeaders.fullSize]).toBeUndefined()
    expect(logged).toMatchObject([{ cut: false, offset: 7 }])
  })

  it.each([200_000, 20_000, 8_000, 4_000, 2_000, 1_000, 500])(
    'is as much of the record as a topic of %i bytes takes',
    (maxMessageBytes) => {
      const { letter, logged } = letterIn(maxMessageBytes)
      expect([key.startsWith(letter.key ?? '?'), value.startsWith(letter.value ?? '?')]).toEqual([true, true])
      expect([letter.key?.length, letter.headers.h]).toEqual([letter.value?.length, undefined])
      expect(letter.value?.length).toBeLessThanOrEqual(64 * 1024)
      expect(letter.value?.length).toBeGreaterThan(maxMessageBytes / 20)
      expect(letter.headers[deadLetterHeaders.fullSize]).toBe('70000')
      expect(logged).toMatchObject([{ cut: true, offset: 7 }])
    },
  )

  it('that not even its place fits into is a reason to stop, and never dropped without a trace', () => {
    expect(() => letterIn(200)).toThrow(
      expect.objectContaining({
        code: 'INVALID_CONFIGURATION',
        message: expect.stringMatching(/topic dead takes records of 200 bytes only/) as string,
      }),
    )
  })
})
