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
    .summary('restart an application from its sources, with empty state objects')
    .description(
      'Makes the workers that start next begin again: without state objects, and with the sources from their\n' +
        'beginning, their end, or a time. Deletes the changelogs and repartitions that the manifest names, and the offsets of\n' +
        'the group. Sinks and dead letters keep what they have, so results that they already have are written again.',
    )
    .argument('<application>', 'a JavaScript module whose default export is an application')
    .option(
      '--to <position>',
      'where to read the sources from: earliest, latest, or a time such as 2026-01-31T12:00:00Z',
      resetTarget,
      'earliest' as ResetTarget,
    )
    .option('--replication-factor <n>', "for topics that it creates (default: the broker's)", wholeNumber(1, 32_767))
    .option('--dry-run', 'show what would be done, and change nothing')
    .option('--yes', 'skip the confirmation')
  withTopicPrefix(withConnection(command))
    .addHelpText(
      'after',
      `${connectionHelp}

Stop all workers first: it refuses while the group has members. It shows what it is going to do, and asks for the application's
name on standard input, unless --yes is given. If it is killed or fails halfway, the application's workers do not start
(RESET_UNFINISHED); run it again, and it finishes.

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
  throw new InvalidArgumentError('It must be earliest, latest, or a time with its zone: 2026-01-31T12:00:00Z.')
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
    stdout.write(printable(`${definition.name} starts over when its workers are started.\n`))
  })
}
