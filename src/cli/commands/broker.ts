import type { Command } from 'commander'
import { KAFKA_VERSION } from '../../broker/jars.js'
import { type BrokerOptions, startBroker } from '../../broker/local-broker.js'
import { PotorooError } from '../../errors.js'
import type { CliContext } from '../context.js'
import { javaSize, path, port, setting } from '../options.js'

interface BrokerFlags {
  readonly port: number
  readonly dataDir: string
  readonly heap: string
  readonly set?: Readonly<Record<string, string>>
}

export function registerBroker(program: Command, context: CliContext): void {
  program
    .command('broker')
    .summary('run a local Kafka for development, in the foreground')
    .description(
      `Runs Apache Kafka ${KAFKA_VERSION} on 127.0.0.1 for development: one node, one replica of everything, no topics\n` +
        'created automatically. Needs Java 17 or newer and, the first time, Maven. Ctrl-C stops it; its data stays.',
    )
    .option('--port <n>', 'where to listen; 0 picks a free port', port, 9092)
    .option('--data-dir <dir>', 'where it keeps its data', path, '.potoroo/broker')
    .option('--heap <size>', "Java's heap: 512m, 1g", javaSize, '1g')
    .option('--set <name=value>', 'a broker setting; may be repeated', setting)
    .addHelpText(
      'after',
      `
Examples:
  potoroo broker
  potoroo broker --port 19092 --data-dir /tmp/kafka --set log.retention.hours=1`,
    )
    .action(async (flags: BrokerFlags) => {
      await runBroker({ port: flags.port, dataDir: flags.dataDir, heap: flags.heap, properties: flags.set }, context)
    })
}

async function runBroker(options: Omit<BrokerOptions, 'logger' | 'env'>, context: CliContext): Promise<void> {
  const { env, logger, stdout } = context
  const broker = await startBroker({ ...options, env, logger: { ...logger, info: say(context) } })
  const stop = context.stopRequested()
  stdout.write(
    `Kafka ${KAFKA_VERSION} is ready at ${broker.brokers} (process ${String(broker.pid)}, data and server.log in ${broker.dataDir}).\n`,
  )
  const stopped = new Promise<void>((resolve, reject) => {
    const end = (): void => {
      broker.stop().then(resolve, reject)
    }
    if (stop.aborted) end()
    else stop.addEventListener('abort', end, { once: true })
  })
  const endedByItself = broker.exited.then((status) => {
    if (stop.aborted) return stopped
    throw new PotorooError(
      'BROKER_NOT_STARTED',
      `Kafka exited on its own with status ${String(status)}; see server.log in ${broker.dataDir}`,
    )
  })
  await Promise.race([stopped, endedByItself])
}

/** What takes long has to be said: fetching Kafka the first time. */
const say =
  ({ stderr }: CliContext) =>
  (_fields: object, message: string): void => {
    if (message.startsWith('fetching')) stderr.write(`${message}\n`)
  }
