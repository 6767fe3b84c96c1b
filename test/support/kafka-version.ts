import { KAFKA_VERSION } from '../../src/broker/jars.js'

/** Kafka's release that tests run on: the variable's, by default that of `potoroo broker`. */
export const kafkaVersion = process.env['KAFKA_VERSION'] || KAFKA_VERSION

/** Whether its brokers know `transaction.version`, with which each transaction has an epoch of its own. */
export const knowsTransactionVersion = !kafkaVersion.startsWith('3.')
/** Transactions as clients may have them on it. */
export const transactionVersions: readonly (1 | 2)[] = knowsTransactionVersion ? [1, 2] : [1]
