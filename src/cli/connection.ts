/** The way from flags and environment to Kafka. */
import { PotorooError } from '../errors.js'
import { brokersOf, connectionFromEnvironment } from '../kafka/environment.js'
import { createKafkaLog } from '../kafka/log.js'
import type { BrokerConnection, KafkaOptions } from '../kafka/options.js'
import type { Log, TopicInfo } from '../ports/log.js'
import { systemClock } from '../system.js'
import type { CliContext, Environment } from './context.js'
import type { ConnectionFlags } from './options.js'

/** Where `potoroo broker` listens by default. */
export const DEFAULT_BROKERS = '127.0.0.1:9092'

/** The flag goes before the variable. Throws INVALID_CONFIGURATION, naming which of them is wrong. */
export function connectionOf(env: Environment, flags: ConnectionFlags): BrokerConnection {
  const connection = connectionFromEnvironment(env)
  if (flags.brokers !== undefined) {
    const brokers = brokersOf(flags.brokers, '--brokers')
    if (brokers.length === 0)
      throw new PotorooError('INVALID_CONFIGURATION', '--brokers names no broker: write host:port')
    return { ...connection, brokers }
  }
  return connection.brokers.length > 0 ? connection : { ...connection, brokers: [DEFAULT_BROKERS] }
}

export const kafkaOptions = (
  { env, logger }: Pick<CliContext, 'env' | 'logger'>,
  flags: ConnectionFlags,
): KafkaOptions => ({
  ...connectionOf(env, flags),
  clientId: 'potoroo',
  // A person waits for it.
  connectTimeoutMs: 5_000,
  logger,
  clock: systemClock,
})

/** The secret that workers share; undefined: they have none. */
export const peerToken = ({ POTOROO_PEER_TOKEN: token }: Environment): string | undefined =>
  token === '' ? undefined : token

/** Connects, lets `use` work, and closes, whatever came of it. */
export async function withLog<T>(
  context: Pick<CliContext, 'env' | 'logger'>,
  flags: ConnectionFlags,
  use: (log: Log) => Promise<T>,
): Promise<T> {
  const log = createKafkaLog(kafkaOptions(context, flags))
  try {
    await log.connect()
    return await use(log)
  } finally {
    await log.close()
  }
}

/** Rejects with TOPIC_MISSING, and with INVALID_CONFIGURATION where no topic can have that name. */
export async function describeTopic(log: Log, name: string): Promise<TopicInfo> {
  if (!/^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/.test(name))
    throw new PotorooError('INVALID_CONFIGURATION', `'${name}' can't be a topic: letters, digits, '.', '_' or '-'`)
  const info = (await log.describeTopics([name])).get(name)
  if (info === undefined) throw new PotorooError('TOPIC_MISSING', `there is no topic ${name}`)
  return info
}
