import { type Command, InvalidArgumentError } from 'commander'
import { namesOf, topologyOf } from '../../core/plan/topology.js'
import { planReset, type ResetPlan, type ResetTarget } from '../../runtime/reset.js'
import { systemClock, systemRandom } from '../../system.js'
import { loadApplication } from '../application.js'
import { confirmed } from '../confirmation.js'
import { withLog } from '../connection.js'
import type { CliContext } from '../context.js'
import { connectionHelp, type ConnectionFlags, wholeNumber, withConnection, withTopicPrefix } from '../options.js'
import { printable } from '../printable.js'
import { resetText, stepText } from '../reset-text.js'

interface ResetFlags extends ConnectionFlags {
  readonly topicPrefix: string
  readonly to: ResetTarget
  readonly replicationFactor?: number
  readonly dryRun?: boolean
  readonly yes?: boolean
}

export function registerReset(program: Command, context: CliContext): void {
  const command = program
    .command('reset')
    .summary('start an application again from its sources, without its state objects')
    .description(
      'Makes the workers that are started next begin again: with no state objects, and with the sources from their\n' +
        'beginning, their end, or a time. Deletes the changelogs and repartitions that the manifest names, and the offsets of\n' +
        'the group. What is in sinks and dead letters stays: results that are there already come again.',
    )
    .argument('<application>', 'a JavaScript module whose default export is an application')
    .option(
      '--to <position>',
      'where the sources are read from: earliest, latest, or a time as in 2026-01-31T12:00:00Z',
      resetTarget,
      'earliest' as ResetTarget,
    )
    .option('--replication-factor <n>', "of topics that it creates (default: the broker's)", wholeNumber(1, 32_767))
    .option('--dry-run', 'show what would be done, and do nothing')
    .option('--yes', 'do not ask')
  withTopicPrefix(withConnection(command))
    .addHelpText(
      'after',
      `${connectionHelp}

Stop all workers before: it refuses while the group has members. It shows what it is going to do, and wants the application's
name on standard input to go on, or --yes. Killed or failed half way, it leaves an application whose workers do not start
(RESET_UNFINISHED); run again, it goes on to the end.

Examples:
  potoroo reset dist/application.js --dry-run
  potoroo reset dist/application.js
  potoroo reset dist/application.js --to 2026-01-31T12:00:00Z --yes`,
    )
    .action((path: string, flags: ResetFlags) => runReset(path, flags, context))
}

/** ISO 8601 with its zone: a time without one would be another on each machine. */
export function resetTarget(text: string): ResetTarget {
  if (text === 'earliest' || text === 'latest') return text
  const ms = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : NaN
  if (ms >= 0) return ms
  throw new InvalidArgumentError('It has to be earliest, latest, or a time with its zone: 2026-01-31T12:00:00Z.')
}

async function runReset(path: string, flags: ResetFlags, context: CliContext): Promise<void> {
  const { definition } = await loadApplication(path)
  const { topicPrefix, to, replicationFactor, dryRun = false, yes = false } = flags
  const { stdout, stderr } = context
  await withLog(context, flags, async (log) => {
    const names = namesOf(topicPrefix, definition.name)
    const env = { log, clock: systemClock, random: systemRandom }
    const plan: ResetPlan = await planReset(topologyOf(definition), names, env)
    stdout.write(printable(resetText(definition.name, plan, to)))
    if (dryRun) return
    if (!yes) await confirmed(definition.name, context)
    const said = (step: Parameters<typeof stepText>[0]): void => void stderr.write(`${stepText(step)}\n`)
    await plan.run(to, { replicationFactor, said, signal: context.stopRequested() })
    stdout.write(printable(`${definition.name} begins again when its workers are started.\n`))
  })
}
