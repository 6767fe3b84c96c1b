import { expect, test } from 'vitest'
import { uniqueName } from '../support/broker.js'
import { createTopics, produce, testKafka, withAdmin } from '../support/topics.js'

test('the broker takes records', async () => {
  const name = uniqueName('harness')
  await createTopics([{ name, partitions: 2 }])
  await produce(name, [{ key: 'a', value: '1' }])
  const offsets = await withAdmin((admin) => admin.fetchTopicOffsets(name))
  expect(offsets.reduce((sum, { high }) => sum + Number(high), 0)).toBe(1)
})

test('a topic that nobody created is an error, and stays missing', async () => {
  const name = uniqueName('nowhere')
  const producer = testKafka().producer({ retry: { retries: 0 } })
  await producer.connect()
  await expect(producer.send({ topic: name, messages: [{ value: '1' }] })).rejects.toThrow('does not host')
  await producer.disconnect()
  expect(await withAdmin((admin) => admin.listTopics())).not.toContain(name)
})
