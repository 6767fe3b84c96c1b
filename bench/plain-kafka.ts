/** kafkajs's Admin, for what benchmarks remove after themselves. Nothing that is counted goes through kafkajs. */
import { Kafka, logLevel, type SASLOptions } from 'kafkajs'
import type { BrokerConnection } from '#potoroo/kafka/options.js'
import type { Logger } from '#potoroo/ports/logger.js'

export interface PlainKafkaOptions extends BrokerConnection {
  readonly clientId: string
  readonly logger: Logger
}

/** Log lines of kafkajs go to the logger; what it logs as an error is often a retry, and counts as a warning here. */
export function plainKafka({ brokers, ssl, sasl, clientId, logger }: PlainKafkaOptions): Kafka {
  return new Kafka({
    brokers: [...brokers],
    clientId,
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl ? { sasl: { ...sasl } as SASLOptions } : {}),
    logLevel: logLevel.INFO,
    logCreator: () => (entry) => {
      const { message, timestamp: _, logger: __, ...fields } = entry.log
      // The one about the default partitioner is about records without one: ours are always sent to a partition.
      if (message.includes('switched default partitioner')) return
      const write = entry.level <= logLevel.WARN ? logger.warn.bind(logger) : logger.debug.bind(logger)
      write({ kafkajs: entry.namespace, ...fields }, message)
    },
  })
}
