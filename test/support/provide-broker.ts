/** The broker for tests: KAFKA_BROKERS, else one of KAFKA_VERSION's release: a container where a Docker engine answers, else the local broker. */
import { GenericContainer, getContainerRuntimeClient, Wait } from 'testcontainers'
import { freePorts } from '../../src/broker/free-ports.js'
import { startBroker } from '../../src/broker/local-broker.js'
import { sharedProperties } from '../../src/broker/properties.js'
import { PotorooError } from '../../src/errors.js'
import type { Logger } from '../../src/ports/logger.js'
import { kafkaVersion } from './kafka-version.js'

export interface ProvidedBroker {
  readonly brokers: string
  stop(): Promise<void>
}

const ignore = (): void => undefined
const logger: Logger = {
  debug: ignore,
  info: ignore,
  warn: (_, message) => {
    process.stderr.write(`${message}\n`)
  },
  error: (_, message) => {
    process.stderr.write(`${message}\n`)
  },
}

export async function provideBroker(env: NodeJS.ProcessEnv): Promise<ProvidedBroker> {
  const given = env['KAFKA_BROKERS']
  if (given !== undefined && given !== '') return { brokers: given, stop: () => Promise.resolve() }
  const engine = await getContainerRuntimeClient().catch(() => undefined)
  if (engine !== undefined) return startContainer(engine.info.containerRuntime.host)
  try {
    const broker = await startBroker({ version: kafkaVersion, logger, env })
    return { brokers: broker.brokers, stop: () => broker.stop() }
  } catch (cause) {
    if (!(cause instanceof PotorooError)) throw cause
    throw new Error(
      `The tests in test/kafka need a Kafka broker. KAFKA_BROKERS is not set, no Docker engine answers, and the local ` +
        `broker did not start: ${cause.code}: ${cause.message}. Install Java 17 or newer and Maven (Debian: apt-get ` +
        `install openjdk-17-jre-headless maven), or Docker, or set KAFKA_BROKERS.`,
      { cause },
    )
  }
}

/** The port is the same inside and outside, so that what the broker advertises is where clients find it. */
async function startContainer(host: string): Promise<ProvidedBroker> {
  const [port = 0] = await freePorts(1)
  const settings: Readonly<Record<string, string>> = {
    'node.id': '1',
    'process.roles': 'broker,controller',
    listeners: `PLAINTEXT://0.0.0.0:${String(port)},CONTROLLER://localhost:29093`,
    'advertised.listeners': `PLAINTEXT://${host}:${String(port)}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'controller.quorum.voters': '1@localhost:29093',
    'inter.broker.listener.name': 'PLAINTEXT',
    ...sharedProperties,
  }
  const environment = Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [`KAFKA_${key.toUpperCase().replaceAll('.', '_')}`, value]),
  )
  const container = await new GenericContainer(`apache/kafka:${kafkaVersion}`)
    .withEnvironment(environment)
    .withExposedPorts({ container: port, host: port })
    .withWaitStrategy(Wait.forLogMessage('Kafka Server started'))
    .withStartupTimeout(120_000)
    .start()
  return {
    brokers: `${host}:${String(port)}`,
    stop: async () => {
      await container.stop()
    },
  }
}
