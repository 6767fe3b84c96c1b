/**
 * Topics for tests: made and filled with kafkajs, a client that is not the one under test. (For what tests need its
 * flaws don't matter: no producer here retries inside a transaction.)
 */
import { Kafka, logLevel, type Message } from 'kafkajs'
import { testBrokers } from './broker.js'
import { until } from './until.js'

export const testKafka = (brokers: readonly string[] = testBrokers()): Kafka =>
  new Kafka({
    brokers: [...brokers],
    clientId: 'test',
    logLevel: logLevel.NOTHING,
    // A broker that a test stops for a while is found again soon after it is back.
    retry: { initialRetryTime: 20, maxRetryTime: 1000 },
  })

export async function withAdmin<T>(
  use: (admin: ReturnType<Kafka['admin']>) => Promise<T>,
  brokers?: readonly string[],
): Promise<T> {
  const admin = testKafka(brokers).admin()
  await admin.connect()
  try {
    return await use(admin)
  } finally {
    await admin.disconnect()
  }
}

export interface TestTopic {
  readonly name: string
  readonly partitions?: number
  readonly config?: Readonly<Record<string, string>>
}

/** Resolves when every partition has a leader. */
export const createTopics = (topics: readonly TestTopic[], brokers?: readonly string[]): Promise<void> =>
  withAdmin(async (admin) => {
    await admin.createTopics({
      // kafkajs gives up where a broker has not heard of the topic yet.
      waitForLeaders: false,
      topics: topics.map(({ name, partitions = 1, config = {} }) => ({
        topic: name,
        numPartitions: partitions,
        configEntries: Object.entries(config).map(([key, value]) => ({ name: key, value })),
      })),
    })
    const names = topics.map(({ name }) => name)
    await until(`${names.join()} have leaders`, async () => {
      const found = await admin.fetchTopicMetadata({ topics: names }).catch(() => undefined)
      return topics.every(({ name, partitions = 1 }) => {
        const led = found?.topics.find((one) => one.name === name)?.partitions.filter(({ leader }) => leader >= 0)
        return led?.length === partitions
      })
    })
  }, brokers)

/** Without a partition kafkajs places them by key: murmur2, as the Java client. */
export async function produce(topic: string, messages: readonly Message[]): Promise<void> {
  const producer = testKafka().producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  try {
    await producer.send({ topic, messages: [...messages] })
  } finally {
    await producer.disconnect()
  }
}

/** In one transaction; `end` says how it ends. `leave open` gives back how to end it. */
export async function produceInTransaction(
  topic: string,
  messages: readonly Message[],
  transactionalId: string,
): Promise<{ commit(): Promise<void>; abort(): Promise<void> }> {
  const producer = testKafka().producer({ idempotent: true, maxInFlightRequests: 1, transactionalId })
  await producer.connect()
  const transaction = await producer.transaction()
  await transaction.send({ topic, messages: [...messages] })
  return {
    commit: async () => {
      await transaction.commit()
      await producer.disconnect()
    },
    abort: async () => {
      await transaction.abort()
      await producer.disconnect()
    },
  }
}
