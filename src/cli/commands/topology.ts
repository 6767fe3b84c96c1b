import { type Command, Option } from 'commander'
import { partitionCounts } from '../../core/plan/partition-counts.js'
import { outdatedIn, outdatedProblems } from '../../core/plan/roll-back.js'
import { countsIn, isOwn, planTopics } from '../../core/plan/topic-plan.js'
import { namesOf, topologyOf } from '../../core/plan/topology.js'
import { refusals } from '../../runtime/refusals.js'
import { topologyInKafka } from '../../runtime/topology-in-kafka.js'
import { systemClock } from '../../system.js'
import { loadApplication } from '../application.js'
import { withLog } from '../connection.js'
import type { CliContext } from '../context.js'
import { failureLine } from '../failure.js'
import { bootstrapServers } from '../invocation.js'
import { connectionHelp, type ConnectionFlags, withConnection, withTopicPrefix } from '../options.js'
import { table } from '../table.js'
import { topologyJson, topologyMermaid, topologyText } from '../topology/pictures.js'

interface TopologyFlags extends ConnectionFlags {
  readonly topicPrefix: string
  readonly mermaid?: boolean
  readonly json?: boolean
  readonly against?: string | true
}

export function registerTopology(program: Command, context: CliContext): void {
  const command = program
    .command('topology')
    .summary('show what an application consists of, and what a deployment would change')
    .description(
      "Shows an application's sub-topologies: what each reads, keeps and writes, and how many tasks it has. Without\n" +
        '--against it contacts no broker.',
    )
    .argument('<application>', 'a JavaScript module whose default export is an application')
    .addOption(new Option('--mermaid', 'as a Mermaid flowchart').conflicts(['json', 'against']))
    .option('--json', 'as one JSON object')
    .option(
      '--against [brokers]',
      'what a worker of this version would create, keep, leave behind and refuse in that cluster (default: --brokers); changes nothing',
    )
  withTopicPrefix(withConnection(command))
    .addHelpText(
      'after',
      `${connectionHelp}

Exit code 3: with --against, a worker of this version would refuse to start, or some of its tasks would be suspended. Useful in a pipeline
that deploys.

Examples:
  potoroo topology dist/application.js
  potoroo topology dist/application.js --mermaid
  potoroo topology dist/application.js --against kafka-1:9092`,
    )
    .action((path: string, flags: TopologyFlags) => runTopology(path, flags, context))
}

async function runTopology(path: string, flags: TopologyFlags, context: CliContext): Promise<void> {
  const { definition } = await loadApplication(path)
  const topology = topologyOf(definition)
  if (flags.against === undefined) {
    const counts = partitionCounts(topology.subTopologies, () => undefined)
    if (flags.mermaid === true) context.stdout.write(topologyMermaid(topology))
    else if (flags.json === true) context.stdout.write(`${JSON.stringify(topologyJson(topology, counts))}\n`)
    else context.stdout.write(topologyText(topology, counts))
    return
  }
  const brokers = flags.against === true ? flags.brokers : flags.against
  await withLog(context, { ...flags, ...(brokers === undefined ? {} : { brokers }) }, async (log) => {
    const names = namesOf(flags.topicPrefix, definition.name)
    const known = await topologyInKafka(topology, log, names)
    const { reconciled, found } = known
    const { changes, manifest } = reconciled
    const env = { log, clock: systemClock, stores: { directory: '<state directory>' } }
    const refused = await refusals(topology, known, names, env, context.stopRequested())
    const problems = refused.length > 0 ? refused : outdatedProblems(definition.name, outdatedIn(reconciled))
    const created = planTopics(reconciled.topology, names, found).filter((topic) => isOwn(topic) && topic.create)
    if (flags.json === true) {
      const now = topologyJson(reconciled.topology, countsIn(reconciled.topology, names, found))
      const against = {
        generation: manifest.generation,
        changes,
        topics: created.flatMap(({ create }) => create ?? []),
        refused: problems.map(({ message }) => message),
      }
      context.stdout.write(`${JSON.stringify({ ...now, ...against })}\n`)
    } else {
      const rows = changes.map(({ kind, what, name, version }) => [
        kind,
        what,
        version === undefined ? name : `${name} v${String(version)}`,
      ])
      const topics = created.map(({ name, role }) => ['created', `topic (${role})`, name])
      context.stdout.write(table(['', '', 'name'], [...rows, ...topics]))
    }
    const [first, ...others] = problems
    const servers = bootstrapServers(context.env, brokers)
    const invocation = { ...flags, application: path, brokers, bootstrapServers: servers }
    for (const problem of others) context.stderr.write(`${failureLine(problem, invocation)}\n`)
    if (first !== undefined) throw first
  })
}
