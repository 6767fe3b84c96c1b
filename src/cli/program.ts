import { Command } from 'commander'
import { registerBroker } from './commands/broker.js'
import { registerDemo } from './commands/demo.js'
import { registerProduce } from './commands/produce.js'
import { registerRun } from './commands/run.js'
import { registerStatus } from './commands/status.js'
import { registerTail } from './commands/tail.js'
import { registerTopics } from './commands/topics.js'
import type { CliContext } from './context.js'

export const createProgram = (context: CliContext, version: string): Command => {
  const program = new Command('potoroo')
    .description('Scale-independent stateful stream processing for TypeScript on Kafka.')
    .version(version)
    .option('--debug', 'show stack traces and what goes on (or set DEBUG)')
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void context.stderr.write(text),
    })
    .showHelpAfterError('(--help says more)')
    .exitOverride()
    .addHelpText(
      'after',
      `
Examples:
  potoroo broker                                         a local Kafka, until Ctrl-C
  potoroo topics dist/market-spread/application.js       create what the application needs
  potoroo run dist/market-spread/application.js          one worker; start as many as you like
  potoroo status dist/market-spread/application.js       who does what, and how far behind
  potoroo produce orders orders.ndjson                   feed it
  potoroo tail rejections --from-beginning --until-end   see what came out

Exit codes:
  0 done   1 failed   2 wrong usage, configuration or definition   3 topics missing or unfit
  4 no broker, or credentials refused   5 state directory   6 stopped by onError: do not restart
  7 positions lost: an operator has to decide`,
    )
  const commands = [
    registerBroker,
    registerTopics,
    registerRun,
    registerStatus,
    registerProduce,
    registerTail,
    registerDemo,
  ]
  for (const register of commands) register(program, context)
  return program
}
