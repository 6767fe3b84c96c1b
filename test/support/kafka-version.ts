import { KAFKA_VERSION } from '../../src/broker/jars.js'

/** Kafka's release that tests run on: the variable's, by default that of `potoroo broker`. */
export const kafkaVersion = process.env['KAFKA_VERSION'] || KAFKA_VERSION
