/** What a local broker is configured with: one node that is broker and controller, made for development and tests. */

export interface BrokerSettings {
  readonly port: number
  readonly controllerPort: number
  /** Absolute, without a comma: Kafka takes commas for separators. */
  readonly logDir: string
  /** Put over the defaults. */
  readonly properties?: Readonly<Record<string, string>> | undefined
}

/** `docker-compose.yml` says the same for the container. */
export const sharedProperties: Readonly<Record<string, string>> = {
  // A worker that starts alone should not wait 3 s for others.
  'group.initial.rebalance.delay.ms': '0',
  // A misspelt topic has to be an error.
  'auto.create.topics.enable': 'false',
  // One node: one replica of everything.
  'default.replication.factor': '1',
  'min.insync.replicas': '1',
  'offsets.topic.replication.factor': '1',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  // 50 each by default, which one node takes a second to create when the first group or transaction comes.
  'offsets.topic.num.partitions': '4',
  'transaction.state.log.num.partitions': '4',
  'share.coordinator.state.topic.num.partitions': '4',
  // How often transactions past their timeout are looked for: 10 s by default, which adds to every timeout.
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
  // A killed broker may register again only when its last session is over: 9 s by default.
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '500',
}

export function brokerProperties(settings: BrokerSettings): Readonly<Record<string, string>> {
  const address = `127.0.0.1:${String(settings.port)}`
  const controller = `127.0.0.1:${String(settings.controllerPort)}`
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@${controller}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    listeners: `PLAINTEXT://${address},CONTROLLER://${controller}`,
    'advertised.listeners': `PLAINTEXT://${address}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': settings.logDir,
    ...sharedProperties,
    ...settings.properties,
  }
}

/** Text of a Java .properties file, which is read as ISO 8859-1: everything else is escaped. */
export const propertiesText = (properties: Readonly<Record<string, string>>): string =>
  Object.entries(properties)
    .map(([key, value]) => `${escape(key, /[\\:=#!\s]/g)}=${escape(value, /\\|^\s|[\r\n\t\f]/g)}\n`)
    .join('')

const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\f': '\\f' }
const escape = (text: string, special: RegExp): string =>
  text
    .replace(special, (char) => named[char] ?? `\\${char}`)
    .replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** Quiet: nothing on the console, 10 MB of log at a time beside the data. */
export const log4jText = (logFile: string): string => `<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="ERROR" shutdownHook="disable">
  <Appenders>
    <RollingFile name="file" fileName="${xml(logFile)}" filePattern="${xml(logFile)}.%i">
      <PatternLayout pattern="%d %p %c{1}: %m%n"/>
      <SizeBasedTriggeringPolicy size="10 MB"/>
      <DefaultRolloverStrategy max="2"/>
    </RollingFile>
  </Appenders>
  <Loggers>
    <Root level="INFO"><AppenderRef ref="file"/></Root>
    <Logger name="org.apache.kafka.common.config" level="WARN"/>
  </Loggers>
</Configuration>
`
const xml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;').replaceAll('$', '$$$$')
