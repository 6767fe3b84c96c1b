/** Logs and proxies that a test opens, closed after it. */
import { afterEach } from 'vitest'
import type { Log } from '../../src/ports/log.js'
import { testBrokers, uniqueName } from './broker.js'
import { testLog, type TestLog } from './kafka-log.js'
import { type Proxy, startProxy } from './proxy.js'
import { RecordingInput } from './recording-input.js'
import { until } from './until.js'

const opened: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

/** Connected. */
export async function openLog(options?: Parameters<typeof testLog>[0]): Promise<TestLog> {
  const opening = testLog(options)
  opened.push(() => opening.log.close())
  await opening.log.connect()
  return opening
}

/** A log of which every connection goes through a proxy. */
export async function openProxied(
  options?: Parameters<typeof testLog>[0],
): Promise<TestLog & { readonly proxy: Proxy }> {
  const proxy = await startProxy((options?.brokers ?? testBrokers())[0] ?? '')
  opened.push(() => proxy.close())
  return { ...(await openLog({ ...options, socketFactory: proxy.socketFactory })), proxy }
}

/** Records of tests may be years old: no broker is to delete them. */
export async function newTopic(log: Log, partitions = 1, config: Record<string, string> = {}): Promise<string> {
  const name = uniqueName('topic')
  await log.createTopics([{ name, partitions, config: { 'retention.ms': '-1', ...config } }])
  return name
}

/** Everything that a read-committed reader sees now, up to the end of the log. */
export async function readAll(
  log: Log,
  topic: string,
  partition = 0,
  from = 0,
  topicId?: string,
): Promise<RecordingInput> {
  const [end] = await log.listOffsets([{ topic, partition }], 'end')
  const input = new RecordingInput(topic, partition, from, topicId)
  const fetcher = log.fetcher()
  fetcher.add(input)
  const name = `${topic}-${String(partition)}`
  try {
    await until(`${name} is read to ${String(end)}`, () => {
      for (const failure of input.failures) throw failure
      return input.position >= (end ?? 0)
    })
  } catch (error) {
    // What the last answer says of an open transaction, and whether the end is another by now.
    const { highWatermark, lastStableOffset, nextPosition } = input.answers.at(-1) ?? {}
    const [now] = await log.listOffsets([{ topic, partition }], 'end', { refresh: true })
    const told = {
      position: input.position,
      answers: input.answers.length,
      highWatermark,
      lastStableOffset,
      nextPosition,
      now,
    }
    throw new Error(`${name}: ${String(error)}: ${JSON.stringify(told)}`, { cause: error })
  } finally {
    await fetcher.close()
  }
  return input
}
