/**
 * What every `Log` has to do for an operator's commands: these cases hold for the real Kafka and for the one in memory alike.
 * Workers need none of it, and brokers of wire worlds take no such requests.
 */
import { expect, test } from 'vitest'
import { isPotorooError } from '../../src/errors.js'
import type { Log } from '../../src/ports/log.js'
import { chunksOf } from '../support/records.js'
import type { World, Worlds } from './world.js'

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: unknown) => (isPotorooError(error) ? error.code : String(error)),
  )

async function topicOf(world: World, log: Log): Promise<string> {
  const name = world.name('topic')
  await log.createTopics([{ name, partitions: 1, config: {} }])
  return name
}

export function operatorCases(worlds: Worlds): void {
  const check = (what: string, body: (world: World) => Promise<void>): void => {
    test(what, () => worlds.run(body))
  }

  check('offsets are found by time: of the first record that is as late, or the end', async (world) => {
    const log = world.log()
    await log.connect()
    const topic = await topicOf(world, log)
    const atMs = world.clock.now() - 10_000
    const records = [0, 1, 2].map((n) => ({ key: 'k', value: String(n), timestampMs: atMs + n * 1000 }))
    const producer = await log.producer(world.name('id'))
    const to = { topic, partition: 0 }
    await producer.commit({ records: [{ ...to, chunks: chunksOf(records) }], group: '', positions: [] })
    const found = []
    for (const ms of [0, atMs, atMs + 1, atMs + 2000, atMs + 2001]) found.push(...(await log.offsetsAt([to], ms)))
    const [end] = await log.listOffsets([to], 'end')
    expect(found.slice(0, 4)).toEqual([0, 0, 1, 2])
    // Kafka finds the marker that ends the transaction, which has a time, too.
    expect([3, end]).toContain(found[4])
  })

  check('a topic that is deleted is gone for whoever asks, and one that is recreated has another id', async (world) => {
    const log = world.log()
    await log.connect()
    const topic = await topicOf(world, log)
    const { id } = (await log.describeTopics([topic])).get(topic) ?? {}
    await log.deleteTopics([topic, world.name('never')])
    expect((await log.describeTopics([topic])).size).toBe(0)
    await log.createTopics([{ name: topic, partitions: 1 }])
    const other = (await log.describeTopics([topic])).get(topic)?.id
    expect(other).toBeDefined()
    expect(other).not.toBe(id)
    expect(await log.listOffsets([{ topic, partition: 0 }], 'end')).toEqual([0])
  })

  check('a group is deleted with its offsets once nobody is in it', async (world) => {
    const log = world.log()
    await log.connect()
    const [topic, group] = [await topicOf(world, log), world.name('group')]
    expect(await log.groupMembers(group)).toEqual([])
    await log.deleteGroup(group)
    const to = { topic, partition: 0 }
    const producer = await log.producer(world.name('id'))
    await producer.commit({ records: [], group, positions: [{ ...to, position: 7 }] })
    expect(await log.committedPositions(group, [to])).toEqual([7])
    const client = log.group(group)
    const metadata = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    const member = await client.join({
      ...{ memberId: '', sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000, protocol: 'p' },
      metadata,
    })
    await client.sync(member, new Map([[member.memberId, new Uint8Array(0)]]))
    expect(await log.groupMembers(group)).toMatchObject([{ memberId: member.memberId }])
    expect(Buffer.from((await log.groupMembers(group))[0]?.metadata ?? [])).toEqual(metadata)
    expect(await codeOf(log.deleteGroup(group))).toBe('WORKERS_RUNNING')
    expect(await log.committedPositions(group, [to])).toEqual([7])
    await client.leave(member.memberId)
    expect(await log.groupMembers(group)).toEqual([])
    await log.deleteGroup(group)
    expect(await log.committedPositions(group, [to])).toEqual([undefined])
  })
}
