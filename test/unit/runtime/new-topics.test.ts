import { describe, expect, it } from 'vitest'
import { PotorooError } from '../../../src/errors.js'
import type { TopicInfo } from '../../../src/ports/log.js'
import { requireMissing } from '../../../src/runtime/new-topics.js'

const logWith = (...there: readonly Pick<TopicInfo, 'name' | 'id'>[]) => {
  const of = (name: string) => ({
    partitions: 1,
    cleanupPolicy: ['compact'],
    deleteRetentionMs: 1,
    maxMessageBytes: 1,
    name,
  })
  const infos = new Map(there.map(({ name, id }) => [name, { ...of(name), id }]))
  return { log: { describeTopics: () => Promise.resolve(infos as unknown as ReadonlyMap<string, TopicInfo>) } }
}
const missing = new PotorooError('TOPIC_MISSING', 'offsets of changelog-1: UNKNOWN_TOPIC_OR_PARTITION')
const outcome = (error: unknown, of: { topic: string; id?: string }, log: ReturnType<typeof logWith>) =>
  requireMissing(error, of, log).then(
    () => 'missing',
    (thrown: unknown) => (thrown instanceof PotorooError ? thrown.code : String(thrown)),
  )

describe('a topic that a broker does not know', () => {
  it('is missing where nobody knows it, or another one of its name is there', async () => {
    expect(await outcome(missing, { topic: 'changelog', id: 'one' }, logWith())).toBe('missing')
    expect(await outcome(missing, { topic: 'changelog', id: 'one' }, logWith({ name: 'changelog', id: 'two' }))).toBe(
      'missing',
    )
  })

  it('is asked for again where it is there: that broker has yet to learn of it', async () => {
    const there = logWith({ name: 'changelog', id: 'one' })
    expect(await outcome(missing, { topic: 'changelog', id: 'one' }, there)).toBe('REQUEST_FAILED')
    expect(await outcome(missing, { topic: 'changelog' }, there)).toBe('REQUEST_FAILED')
  })

  it('is not asked for after another failure', async () => {
    const replaced = new PotorooError('TOPIC_REPLACED', 'it was recreated')
    expect(await outcome(replaced, { topic: 'changelog', id: 'one' }, logWith({ name: 'changelog', id: 'one' }))).toBe(
      'missing',
    )
  })
})
