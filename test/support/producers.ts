/** Idempotent producers that a test opens, closed after it. */
import { afterEach } from 'vitest'
import { IdempotentProducer, type IdempotentProducerOptions } from '../../src/kafka/idempotent-producer.js'
import { systemClock } from '../../src/system.js'
import { testBrokers } from './broker.js'
import { type LogLine } from './kafka-log.js'
import { type Proxy, startProxy } from './proxy.js'

const opened: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

export interface TestProducer {
  readonly producer: IdempotentProducer
  readonly lines: readonly LogLine[]
}

export async function openProducer(options: Partial<IdempotentProducerOptions> = {}): Promise<TestProducer> {
  const lines: LogLine[] = []
  const at = (level: string) => (fields: object, message: string) => void lines.push({ level, message, fields })
  const producer = await IdempotentProducer.open({
    brokers: testBrokers(),
    clientId: 'test-producer',
    logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
    clock: systemClock,
    ...options,
  })
  opened.push(() => producer.close())
  return { producer, lines }
}

/** One of which every connection goes through a proxy. */
export async function openProxiedProducer(
  options: Partial<IdempotentProducerOptions> = {},
): Promise<TestProducer & { readonly proxy: Proxy }> {
  const proxy = await startProxy((options.brokers ?? testBrokers())[0] ?? '')
  opened.push(() => proxy.close())
  return { ...(await openProducer({ ...options, socketFactory: proxy.socketFactory })), proxy }
}
