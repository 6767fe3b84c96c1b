import type { Command } from 'commander'
import type { Change } from '../../core/plan/manifest.js'
import { namesOf, topologyOf } from '../../core/plan/topology.js'
import { planRollBack } from '../../runtime/roll-back.js'
import { systemClock } from '../../system.js'
import { loadApplication } from '../application.js'
import { confirmed } from '../confirmation.js'
import { withLog } from '../connection.js'
import type { CliContext } from '../context.js'
import { connectionHelp, type ConnectionFlags, withConnection, withTopicPrefix } from '../options.js'
import { printable } from '../printable.js'
import { table } from '../table.js'

interface RollBackFlags extends ConnectionFlags {
  readonly topicPrefix: string
  readonly dryRun?: boolean
  readonly yes?: boolean
}

export function registerRollBack(program: Command, context: CliContext): void {
  const command = program
    .command('roll-back')
    .summary('go back to an older version of an application for good')
    .description(
      'Makes this version of the application the newest one. Workers of an older version are suspended where a newer one has\n' +
        'processed (TOPOLOGY_OUTDATED). After this, workers of this version continue there, and those of the other one are suspended.\n' +
        'Writes only to the manifest.',
    )
    .argument('<application>', 'a JavaScript module whose default export is an application: the older version')
    .option('--dry-run', 'show what the newer version would leave behind, and change nothing')
    .option('--yes', 'skip the confirmation')
  withTopicPrefix(withConnection(command))
    .addHelpText(
      'after',
      `${connectionHelp}

Run it before you deploy the workers of the older version one after another; restart those that run already. It is refused
if that version can't continue from here: TOPOLOGY_INCOMPATIBLE, or STATE_NEWER if state objects were stored in a shape that
it does not know. It asks for the application's name on standard input, unless --yes is given.

State objects that only the newer version has miss what is processed meanwhile. To deploy it again, run this command with it.

Examples:
  potoroo roll-back dist/application.js --dry-run
  potoroo roll-back dist/application.js`,
    )
    .action((path: string, flags: RollBackFlags) => runRollBack(path, flags, context))
}

const meanings: Readonly<Record<Change['what'], string>> = {
  'state object': 'misses what is processed from now on',
  call: 'is no longer called; messages for it stay',
  source: 'is not read; its positions stay',
  repartition: 'is no longer written or read; its positions stay',
  'sub-topology': 'is suspended; its positions stay, and repartitions no longer bring it messages',
}

async function runRollBack(path: string, flags: RollBackFlags, context: CliContext): Promise<void> {
  const { definition } = await loadApplication(path)
  const { topicPrefix, dryRun = false, yes = false } = flags
  const { stdout } = context
  const write = (text: string): void => void stdout.write(printable(text))
  await withLog(context, flags, async (log) => {
    const names = namesOf(topicPrefix, definition.name)
    const { outdated, leftBehind, run } = await planRollBack(topologyOf(definition), names, { log, clock: systemClock })
    if (outdated.length === 0) {
      write(`this version of ${definition.name} is the newest already\n`)
      return
    }
    write(
      table(
        ['', '', 'name', ''],
        [
          ...outdated.map(({ name }) => ['goes on', 'sub-topology', name, 'with workers of this version']),
          ...leftBehind.map(({ what, name }) => ['left behind', what, name, meanings[what]]),
        ],
      ),
    )
    if (dryRun) return
    if (!yes) await confirmed(definition.name, context)
    await run(context.stopRequested())
    write(`this version of ${definition.name} is the newest now: start its workers, and restart those that run\n`)
  })
}
