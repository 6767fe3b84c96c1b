/** src/core/processing/dead-letter.ts: what is said in the headers of a dead letter. Its invariants are at the head of that file. */
import { describe, expect, it } from 'vitest'
import { readDeadLetter, type DeadLetterBlock } from '../../../../src/core/processing/dead-letter.js'
import type { RecordHeader } from '../../../../src/core/records/records.js'
import { deadLetterChunks, headersOf, type TestLetter } from '../../../support/dead-letters.js'

const header = (key: string, value: string): RecordHeader => ({ key, value: Buffer.from(value) })
const headersIn = (letter: Partial<TestLetter>, maxMessageBytes = 1_000_000): readonly RecordHeader[] => {
  const all = deadLetterChunks({ topic: 'dead', partitions: 1, maxMessageBytes }, [
    { topic: 'orders', partition: 3, offset: 17, ...letter },
  ])
  return headersOf(all.get(0) ?? [])
}
function blockOf(headers: readonly RecordHeader[]): DeadLetterBlock {
  const block = readDeadLetter(headers)
  if (block === undefined) throw new Error('no dead letter')
  return block
}
const streamsOf = (letter: Partial<TestLetter>): Record<string, string> =>
  Object.fromEntries(
    headersIn(letter)
      .filter(({ key }) => key.startsWith('__streams.errors.'))
      .map(({ key, value }) => [key.slice('__streams.errors.'.length), Buffer.from(value ?? []).toString()]),
  )

describe('a dead letter', () => {
  it('says where it came from, why it failed, and what it met', () => {
    const met = [
      { name: 'account', packed: Buffer.from([0x81, 0xa1, 0x6e, 7]) },
      { name: 'limit', packed: undefined },
    ]
    expect(blockOf(headersIn({ timestampMs: 99, met }))).toMatchObject({
      origin: { topic: 'orders', partition: 3, offset: 17, timestampMs: 99 },
      code: 'COMPUTATION_FAILED',
      message: 'on purpose',
      states: met,
      statesLeftOut: undefined,
      fullSize: undefined,
      headers: [],
    })
  })

  it('of a record that was a dead letter before keeps that one’s headers as the record’s own (invariant 1)', () => {
    const before = headersIn({ topic: 'elsewhere', met: [{ name: 'account', packed: Buffer.from([0x80]) }] })
    const block = blockOf(headersIn({ headers: [header('x', '1'), ...before] }))
    expect(block.origin.topic).toBe('orders')
    expect(block.headers).toEqual([header('x', '1'), ...before])
    expect(block.states).toEqual([])
    expect(blockOf(block.headers).origin.topic).toBe('elsewhere')
  })

  it('says the same under the names of Kafka Streams (KIP-1034), as text', () => {
    const cause = new RangeError('the balance would be -400')
    const said = streamsOf({ message: cause.message, cause })
    expect(said).toEqual({
      exception: 'RangeError: the balance would be -400',
      message: 'the balance would be -400',
      stacktrace: cause.stack?.slice(0, 4000),
      topic: 'orders',
      partition: '3',
      offset: '17',
    })
    expect(said.stacktrace).toMatch(/dead-letter\.test\.ts/)
  })

  const throwing = Object.assign(new Error('x'), { name: 'x' })
  for (const field of ['stack', 'name', 'message'])
    Object.defineProperty(throwing, field, {
      get: () => {
        throw new Error('no')
      },
    })
  const endless = Object.assign(new Error('x'.repeat(100_000)), { name: 'y'.repeat(100_000) })
  it.each([
    ['a string', () => 'why'],
    ['nothing', () => undefined],
    ['an error whose getters throw', () => throwing],
    ['an error without end', () => endless],
    ['an error whose stack is a number', () => Object.assign(new Error('x'), { stack: 7 })],
  ])('is made where %s was thrown (invariant 2)', (_, thrown) => {
    const cause = thrown()
    const said = streamsOf({ cause })
    expect(said.exception?.length).toBeLessThanOrEqual(1_102)
    expect(said.stacktrace?.length).toBeLessThanOrEqual(4_000)
    expect(blockOf(headersIn({ cause })).code).toBe('COMPUTATION_FAILED')
  })

  it('keeps state objects up to 64 KiB together, and says which were larger', () => {
    const met = [
      { name: 'a', packed: Buffer.alloc(40_000) },
      { name: 'b', packed: Buffer.alloc(30_000) },
      { name: 'c', packed: Buffer.alloc(20_000) },
    ]
    const block = blockOf(headersIn({ met }))
    expect(block.states.map(({ name, packed }) => [name, packed?.length])).toEqual([
      ['a', 40_000],
      ['c', 20_000],
    ])
    expect(block.statesLeftOut).toBe('b 30000')
  })

  it('leaves state objects out before it cuts the record', () => {
    const met = [{ name: 'a', packed: Buffer.alloc(40_000) }]
    const block = blockOf(headersIn({ met, value: 'v'.repeat(30_000) }, 50_000))
    expect([block.states, block.statesLeftOut, block.fullSize]).toEqual([[], 'a 40000', undefined])
  })

  it('that is cut keeps its trace context', () => {
    const trace = header('traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')
    const block = blockOf(headersIn({ headers: [trace, header('x', '1')], value: 'v'.repeat(90_000) }, 50_000))
    expect([block.fullSize, block.headers]).toEqual([90_000, [trace]])
  })

  it.each([
    ['no such headers', [header('x', '1')]],
    ['no offset', [header('potoroo-source-topic', 't'), header('potoroo-source-partition', '0')]],
    [
      'a partition that is none',
      [
        header('potoroo-source-topic', 't'),
        header('potoroo-source-partition', '-1'),
        header('potoroo-source-offset', '1'),
      ],
    ],
    [
      'an offset that is no number',
      [
        header('potoroo-source-topic', 't'),
        header('potoroo-source-partition', '1'),
        header('potoroo-source-offset', '1e3'),
      ],
    ],
  ])('is none with %s', (_, headers) => {
    expect(readDeadLetter(headers)).toBeUndefined()
  })
})
