import type { Command } from 'commander'
import { planTopics, unfitTopics, type PlannedTopic, type TopicRole } from '../../core/plan/topic-plan.js'
import { namesOf, topologyOf } from '../../core/plan/topology.js'
import type { TopicInfo } from '../../ports/log.js'
import { topologyInKafka } from '../../runtime/topology-in-kafka.js'
import { loadApplication } from '../application.js'
import { withLog } from '../connection.js'
import type { CliContext } from '../context.js'
import { failureLine } from '../failure.js'
import { bootstrapServers } from '../invocation.js'
import { connectionHelp, type ConnectionFlags, wholeNumber, withConnection, withTopicPrefix } from '../options.js'
import { table } from '../table.js'

interface TopicsFlags extends ConnectionFlags {
  readonly topicPrefix: string
  readonly replicationFactor?: number
  readonly dryRun?: boolean
}

export function registerTopics(program: Command, context: CliContext): void {
  const command = program
    .command('topics')
    .summary("create an application's missing topics")
    .description(
      'Creates the topics of an application that are missing: sources, sinks, repartitions, changelogs, dead letters and the\n' +
        'manifest. Existing topics are left as they are, and shown next to what is declared.',
    )
    .argument('<application>', 'a JavaScript module whose default export is an application')
    .option('--replication-factor <n>', "for topics that it creates (default: the broker's)", wholeNumber(1, 32_767))
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

/** In which they are shown. */
const order: readonly TopicRole[] = ['source', 'sink', 'repartition', 'changelog', 'dead letters', 'manifest']

async function runTopics(path: string, flags: TopicsFlags, context: CliContext): Promise<void> {
  const { definition } = await loadApplication(path)
  const { topicPrefix, replicationFactor, dryRun = false } = flags
  await withLog(context, flags, async (log) => {
    const names = namesOf(topicPrefix, definition.name)
    const { reconciled, found } = await topologyInKafka(topologyOf(definition), log, names)
    const { topology } = reconciled
    const topics = [...planTopics(topology, names, found)].sort((a, b) => order.indexOf(a.role) - order.indexOf(b.role))
    const problems = [...reconciled.problems, ...unfitTopics(topology, names, found)]
    const missing = topics.flatMap(({ create }) => (create === undefined ? [] : [{ ...create, replicationFactor }]))
    const creates = !dryRun && problems.length === 0
    if (creates && missing.length > 0) await log.createTopics(missing)
    const there = creates ? await log.describeTopics(topics.map(({ name }) => name)) : new Map(topics.flatMap(thereOf))
    const rows = topics.map(({ name, role, create, declaredPartitions, declaredCleanup }) => {
      const now = there.get(name)
      const state = create === undefined ? 'exists' : creates ? 'created' : 'missing'
      const cells = [now?.partitions ?? '-', declaredPartitions, now?.cleanupPolicy.join(',') ?? '-']
      return [name, role, state, ...cells, declaredCleanup]
    })
    context.stdout.write(
      table(['topic', 'role', 'state', 'partitions', 'declared', 'cleanup.policy', 'declared'], rows),
    )
    const [first, ...others] = problems
    const invocation = {
      application: path,
      brokers: flags.brokers,
      bootstrapServers: bootstrapServers(context.env, flags.brokers),
      topicPrefix,
    }
    for (const problem of others) context.stderr.write(`${failureLine(problem, invocation)}\n`)
    if (first !== undefined) throw first
  })
}

const thereOf = ({ name, there }: PlannedTopic<TopicInfo>) => (there === undefined ? [] : ([[name, there]] as const))
