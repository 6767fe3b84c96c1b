import { Command } from 'commander'
import type { CliContext } from './context.js'

/** Each with all that it stands on: the demo brings a broker along. */
const commands = new Map<string, () => Promise<(program: Command, context: CliContext) => void>>([
  ['broker', async () => (await import('./commands/broker.js')).registerBroker],
  ['topics', async () => (await import('./commands/topics.js')).registerTopics],
  ['topology', async () => (await import('./commands/topology.js')).registerTopology],
  ['reset', async () => (await import('./commands/reset.js')).registerReset],
  ['roll-back', async () => (await import('./commands/roll-back.js')).registerRollBack],
  ['run', async () => (await import('./commands/run.js')).registerRun],
  ['status', async () => (await import('./commands/status.js')).registerStatus],
  ['ui', async () => (await import('./commands/ui.js')).registerUi],
  ['state', async () => (await import('./commands/state.js')).registerState],
  ['produce', async () => (await import('./commands/produce.js')).registerProduce],
  ['dead-letters', async () => (await import('./commands/dead-letters.js')).registerDeadLetters],
  ['tail', async () => (await import('./commands/tail.js')).registerTail],
  ['demo', async () => (await import('./commands/demo.js')).registerDemo],
])

/**
 * The program for these arguments. Only the command that they name is loaded, so that a worker starts without what others
 * need; help, and what names none, gets all.
 */
export async function createProgram(args: readonly string[], context: CliContext, version: string): Promise<Command> {
  const program = new Command('potoroo')
    .description('Scale-independent stateful stream processing for TypeScript on Kafka.')
    .version(version)
    .option('--debug', 'show stack traces and debug output (or set DEBUG)')
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
  potoroo topology dist/market-spread/application.js     what it consists of; --against a cluster, what would change
  potoroo reset dist/market-spread/application.js        start again from its sources; --dry-run shows what that does
  potoroo roll-back dist/market-spread/application.js    go back to this version of it for good
  potoroo run dist/market-spread/application.js          one worker; start as many as you like
  potoroo status dist/market-spread/application.js       who does what, and how far behind
  potoroo ui dist/market-spread/application.js           the same and more, live in a browser
  potoroo state dist/market-spread/application.js symbol AAPL   a committed state object
  potoroo produce orders orders.ndjson                   feed it
  potoroo tail rejections --from-beginning --until-end   see the results
  potoroo dead-letters market-spread list                what failed; show, try, replay, drop

Exit codes:
  0 done   1 failed   2 wrong usage, configuration or definition   3 topics missing or unfit
  4 no broker, or credentials refused   5 state directory   6 stopped by onError: do not restart
  7 positions lost: an operator must decide`,
    )
  // No option of the program itself takes a value: what comes first without a dash is the command.
  const named = commands.get(args.find((arg) => !arg.startsWith('-')) ?? '')
  const registrations = await Promise.all((named ? [named] : [...commands.values()]).map((load) => load()))
  for (const register of registrations) register(program, context)
  return program
}
