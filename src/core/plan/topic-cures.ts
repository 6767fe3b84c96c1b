/**
 * What an operator does about a topic of Kafka's: commands to copy. Names of topics need no quotes in a shell. In place of
 * `<brokers>` and `<application>` the command line puts where the cluster is, and its module (src/cli/invocation.ts).
 */

/** Of a broker's topics, as Kafka has it. */
export const DEFAULT_MAX_MESSAGE_BYTES = 1_048_588

export const setConfig = (topic: string, name: string, value: string | number): string =>
  `kafka-configs --bootstrap-server <brokers> --alter --entity-type topics --entity-name ${topic} --add-config ${name}=${String(value)}`

export const deleteTopic = (topic: string): string =>
  `kafka-topics --bootstrap-server <brokers> --delete --topic ${topic}`

/** Where records are larger than the topic takes. Fetches of Kafka's take what is larger than they ask for. */
export const takeLarger = (topic: string, maxMessageBytes: number): string =>
  `Make the record smaller, or let the topic take it: ${setConfig(topic, 'max.message.bytes', Math.max(2 * maxMessageBytes, DEFAULT_MAX_MESSAGE_BYTES))}, and restart ` +
  'the workers, which ask for it when they start.'
