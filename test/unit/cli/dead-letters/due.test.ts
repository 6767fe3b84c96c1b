/** Dead letters that are not tried: those of what was due, which come from no record, and those of calls, which ask the outside. */
import { describe, expect, it } from 'vitest'
import { letterJson, listText, showText } from '../../../../src/cli/dead-letters/text.js'
import { tryLetter } from '../../../../src/cli/dead-letters/try.js'
import { definitionOf } from '../../../../src/api/application.js'
import { BATCH_HEADER_BYTES, RecordCursor, RecordWriter } from '../../../../src/core/records/records.js'
import { readDeadLetter, type LetterOfDue } from '../../../../src/core/processing/dead-letter.js'
import { Outbox } from '../../../../src/core/processing/outbox.js'
import { namesOf } from '../../../../src/core/plan/topology.js'
import { PotorooError } from '../../../../src/errors.js'
import { application, from, stateObject, topic } from '../../../../src/index.js'
import type { Letter } from '../../../../src/runtime/dead-letters/letters.js'
import { Targets } from '../../../../src/runtime/dead-letters/targets.js'
import { headersOf } from '../../../support/dead-letters.js'
import { anySchema } from '../../../support/schemas.js'

const ended: LetterOfDue = { stateObject: 'card', key: 'c1', dueMs: 60_000 }
const fired: LetterOfDue = { ...ended, timer: 'calm', id: 'night' }

function letterOf(due: LetterOfDue): Letter {
  const outbox = new Outbox()
  const to = { topic: 'dead', partitions: 1, maxMessageBytes: 1_000_000 }
  outbox.addDueLetter(to, 0, due, null, new PotorooError('COMPUTATION_FAILED', 'on purpose'), 99)
  const [records] = outbox.take()
  const block = readDeadLetter(headersOf(records?.chunks ?? []))
  if (block === undefined) throw new Error('no dead letter')
  return { partition: 0, offset: 5, timestampMs: 99, key: Buffer.from(due.key), value: null, block, bytes: 0 }
}

describe('a dead letter of what was due', () => {
  it.each([
    [fired, "timer calm of state object card, id 'night'"],
    [{ ...fired, id: '' }, 'timer calm of state object card'],
    [ended, 'the end of state object card'],
  ])('says what that was', (due, text) => {
    const one = { letter: letterOf(due), mark: undefined }
    expect(listText([one], false)).toContain(`  ${text}  `)
    expect(showText(one, 'dead')).toContain(`from     ${text}, due 1970-01-01T00:01:00.000Z`)
  })

  it('has what was due instead of a source for programs', () => {
    const json = letterJson({ letter: letterOf(fired), mark: undefined }, false)
    expect(json).toMatchObject({
      due: { stateObject: 'card', timer: 'calm', id: 'night', dueMs: 60_000, partition: 0 },
    })
    expect(json).not.toHaveProperty('source')
  })

  it('is not replayed, and nobody is asked', async () => {
    const targets = new Targets({ describeTopics: () => Promise.reject(new Error('asked')) })
    expect(await targets.refusal(letterOf(fired), 99, 99)).toMatch(/did not come from a record but from timer calm/)
  })

  it('is not tried', () => {
    const orders = topic('orders', { schema: anySchema<{ id: string }>(), key: ({ id }) => id })
    const card = stateObject('card', () => ({ n: 0 }))
    const app = application(
      'shop',
      from(orders).to(card, (state) => {
        state.n++
      }),
    )
    expect(() => tryLetter(definitionOf(app), namesOf('', 'shop'), letterOf(ended), 1, 99)).toThrow(
      expect.objectContaining({
        code: 'INVALID_CONFIGURATION',
        message: expect.stringContaining('from the end of state object card') as string,
      }) as Error,
    )
  })
})

it('a dead letter of a call is not tried', () => {
  const orders = topic('orders', { schema: anySchema<{ id: string }>(), key: ({ id }) => id })
  const answers = topic('answers', { schema: anySchema<{ id: string }>(), key: ({ id }) => id })
  const asked: string[] = []
  const app = application(
    'shop',
    from(orders)
      .call('price', ({ id }) => {
        asked.push(id)
        return Promise.resolve({ id })
      })
      .sink(answers),
  )
  const outbox = new Outbox()
  const writer = new RecordWriter(1_000)
  writer.append(5, 'a', '{"id":"a"}')
  const cursor = new RecordCursor()
  const [chunk] = writer.take()
  if (chunk === undefined) throw new Error('nothing was written')
  cursor.open({ ...chunk, start: BATCH_HEADER_BYTES, baseOffset: 0, appendTimeMs: -1 })
  cursor.next()
  const to = { topic: 'dead', partitions: 1, maxMessageBytes: 1_000_000 }
  outbox.addDeadLetter(to, 'orders', 0, cursor, new PotorooError('CALL_FAILED', 'on purpose'), 99)
  const block = readDeadLetter(headersOf(outbox.take()[0]?.chunks ?? []))
  if (block === undefined) throw new Error('no dead letter')
  const letter = { partition: 0, offset: 7, timestampMs: 99, key: Buffer.from('a'), value: null, block, bytes: 0 }
  expect(() => tryLetter(definitionOf(app), namesOf('', 'shop'), letter, 1, 99)).toThrow(
    expect.objectContaining({
      code: 'INVALID_CONFIGURATION',
      message: expect.stringContaining('0:7 is of call price') as string,
      cure: expect.stringContaining('npx potoroo dead-letters <application> replay 0:7') as string,
    }) as Error,
  )
  expect(asked).toEqual([])
})
