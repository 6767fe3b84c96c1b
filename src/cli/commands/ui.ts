import type { Command } from 'commander'
import { aborted } from '../aborted.js'
import { loadApplication } from '../application.js'
import { kafkaOptions, peerToken, withLog } from '../connection.js'
import type { CliContext } from '../context.js'
import { bootstrapServers } from '../invocation.js'
import { connectionHelp, type ConnectionFlags, listenHost, port, withConnection, withTopicPrefix } from '../options.js'
import { serveUi } from '../ui/serving.js'

interface UiFlags extends ConnectionFlags {
  readonly topicPrefix: string
  readonly host: string
  readonly port: number
}

const DEFAULT_PORT = 7676

export function registerUi(program: Command, context: CliContext): void {
  const command = program
    .command('ui')
    .summary('serve a page that shows all of this, live')
    .description(
      'Serves a page for a browser: workers, tasks and where they move, lag, latency, the topology, state objects, dead\n' +
        'letters and time, live, until Ctrl-C. Nothing but a replay or a drop of dead letters, asked twice, changes anything.',
    )
    .argument('<application>', 'a JavaScript module whose default export is an application')
    .option('--host <host>', 'where to listen; anything but loopback needs a token', listenHost, '127.0.0.1')
    .option('--port <n>', '0: any that is free', port, DEFAULT_PORT)
  withTopicPrefix(withConnection(command))
    .addHelpText(
      'after',
      `${connectionHelp}

With a POTOROO_PEER_TOKEN, the one that workers share, the page asks for it; without one, whoever is on this machine may look,
and nobody else. Nothing is encrypted.

Examples:
  potoroo ui dist/application.js
  POTOROO_PEER_TOKEN=… potoroo ui dist/application.js --host 0.0.0.0 --port 8080`,
    )
    .action((path: string, flags: UiFlags) => runUi(path, flags, context))
}

async function runUi(path: string, flags: UiFlags, context: CliContext): Promise<void> {
  const { definition } = await loadApplication(path)
  const { env, logger, stdout } = context
  const { host, port: wanted, brokers, topicPrefix } = flags
  const stop = context.stopRequested()
  await withLog(context, flags, async (log) => {
    const serving = await serveUi({
      ...{ definition, log, logger, host, port: wanted, kafka: kafkaOptions(context, flags) },
      token: peerToken(env),
      invocation: { application: path, brokers, bootstrapServers: bootstrapServers(env, brokers), topicPrefix },
    })
    try {
      stdout.write(`${definition.name}: ${serving.url}\n`)
      await aborted(stop)
    } finally {
      await serving.close()
    }
  })
}
