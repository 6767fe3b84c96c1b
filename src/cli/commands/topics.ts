import type { Command } from 'commander'
import { namesOf, topologyOf } from '../../core/plan/topology.js'
import { topologyInKafka } from '../../runtime/topics.js'
import { loadApplication } from '../application.js'
import { withLog } from '../connection.js'
import type { CliContext } from '../context.js'
import { failureLine } from '../failure.js'
import { connectionHelp, type ConnectionFlags, wholeNumber, withConnection, withTopicPrefix } from '../options.js'
import { table } from '../table.js'
import { planTopics, topicNames, type TopicRow } from '../topic-plan.js'

interface TopicsFlags extends ConnectionFlags {
  readonly topicPrefix: string
  readonly replicationFactor?: number
  readonly dryRun?: boolean
}

export function registerTopics(program: Command, context: CliContext): void {
  const command = program
    .command('topics')
    .summary("create an application's topics that are missing")
    .description(
      "Creates the topics of an application that are missing: sources, sinks, changelogs and dead letters. What's there\n" +
        'already is taken as it is, and shown beside what is declared.',
    )
    .argument('<application>', 'a JavaScript module whose default export is an application')
    .option('--replication-factor <n>', "of topics that it creates (default: the broker's)", wholeNumber(1, 32_767))
    .option('--dry-run', 'show what would be created, and create nothing')
  withTopicPrefix(withConnection(command))
    .addHelpText(
      'after',
      `${connectionHelp}

Examples:
  potoroo topics dist/market-spread/application.js
  potoroo topics dist/application.js --replication-factor 3 --dry-run`,
    )
    .action((path: string, flags: TopicsFlags) => runTopics(path, flags, context))
}

async function runTopics(path: string, flags: TopicsFlags, context: CliContext): Promise<void> {
  const { definition } = await loadApplication(path)
  const { topicPrefix, replicationFactor, dryRun = false } = flags
  await withLog(context, flags, async (log) => {
    const known = await topologyInKafka(topologyOf(definition), log, namesOf(topicPrefix, definition.name))
    const { topology, problems: incompatible } = known.reconciled
    const names = topicNames(topology, topicPrefix)
    const fits = planTopics(topology, topicPrefix, await log.describeTopics(names), replicationFactor)
    const plan = { ...fits, problems: [...incompatible, ...fits.problems] }
    const missing = plan.rows.flatMap(({ create }) => create ?? [])
    const creates = !dryRun && plan.problems.length === 0
    if (creates && missing.length > 0) await log.createTopics(missing)
    const there = creates ? await log.describeTopics(names) : new Map(plan.rows.flatMap(thereOf))
    const rows = plan.rows.map((row) => {
      const found = there.get(row.name)
      const state = row.create === undefined ? 'exists' : creates ? 'created' : 'missing'
      const cells = [found?.partitions ?? '-', row.declaredPartitions, found?.cleanupPolicy.join(',') ?? '-']
      return [row.name, row.role, state, ...cells, row.declaredCleanup]
    })
    context.stdout.write(
      table(['topic', 'role', 'state', 'partitions', 'declared', 'cleanup.policy', 'declared'], rows),
    )
    const [first, ...others] = plan.problems
    for (const problem of others)
      context.stderr.write(`${failureLine(problem, { application: path, brokers: flags.brokers, topicPrefix })}\n`)
    if (first !== undefined) throw first
  })
}

const thereOf = ({ name, there }: TopicRow) => (there === undefined ? [] : ([[name, there]] as const))
