/**
 * What an operator does about topics that were lost or recreated: commands to copy, with the names that they take here. In
 * place of `<application>` the command line puts its module, and where the cluster is (src/cli/invocation.ts).
 */
import { repartitionConfig } from '../core/plan/repartition.js'
import { PotorooError } from '../errors.js'
import type { Ports } from './options.js'
import type { TaskPlan } from './task-plan.js'

type Environment = { readonly log: Pick<Ports['log'], 'bootstrapServers'> } & {
  readonly stores: Pick<Ports['stores'], 'directory'>
}

interface LostChangelog {
  readonly group: string
  readonly changelog: string
  readonly sources: readonly { readonly topic: string }[]
  /** There is no topic of this name. */
  readonly isMissing?: boolean
}

/** A changelog without what it had, as far as anybody knows. */
export function changelogLost(
  { group, changelog, sources, isMissing = false }: LostChangelog,
  message: string,
  { log, stores }: Environment,
): PotorooError {
  const server = `--bootstrap-server ${log.bootstrapServers}`
  const topics = sources.map(({ topic }) => `--topic ${quoted(topic)}`).join(' ')
  const remove = isMissing ? '' : `kafka-topics ${server} --delete --topic ${quoted(changelog)}; `
  return new PotorooError('CHANGELOG_LOST', message, {
    cure:
      `Stop all workers, and restore ${changelog} from a backup. Or give up the state objects. To start again from the ` +
      "sources, for instance after the brokers' data were deleted on purpose: npx potoroo reset <application> (the stores in state " +
      `directories, here ${stores.directory}, are then set aside). Or, to continue from the group's offsets with empty state objects: ${remove}` +
      `rm -r ${quoted(stores.directory)} (and the state directory of each other worker), ` +
      `kafka-consumer-groups ${server} --group ${quoted(group)} ${topics} --reset-offsets --to-current --execute, ` +
      'and npx potoroo topics <application>, which creates the changelog.',
  })
}

interface LostRecords {
  readonly id: string
  readonly group: string
  readonly partition: number
  readonly changelog: string
  readonly end: number
  /** Of a source: what a transaction gave the group, and what the changelog's last commit record says. */
  readonly topic: string
  readonly offset: number
  readonly committed: number | undefined
}

/** A changelog without its last commit records. */
export function recordsLost(
  { id, group, partition, changelog, end, topic, offset, committed }: LostRecords,
  { log }: Pick<Environment, 'log'>,
): PotorooError {
  return new PotorooError(
    'CHANGELOG_LOST',
    `task ${id}: a transaction gave the group ${group} the offset ${String(offset)} of ${topic}, partition ${String(partition)}, but ` +
      `${changelog}, partition ${String(partition)}, which ends at ${String(end)}, has no commit record of it (the last one ` +
      `says ${String(committed)}): the end of the changelog is lost`,
    {
      cure:
        'Perhaps a leader was elected that did not have these records (unclean.leader.election.enable). To continue from what the changelog ' +
        "has, which processes later messages again, stop all workers and set the group's offset: " +
        `kafka-consumer-groups --bootstrap-server ${log.bootstrapServers} --group ${quoted(group)} ` +
        `--topic ${quoted(`${topic}:${String(partition)}`)} --reset-offsets --to-offset ${String(committed ?? 0)} --execute`,
    },
  )
}

/** The position that is known is of another topic, which had the same name. */
export function topicReplaced(
  { group }: Pick<TaskPlan, 'group'>,
  topic: string,
  message: string,
  { log }: Pick<Environment, 'log'>,
): PotorooError {
  return new PotorooError('TOPIC_REPLACED', message, {
    cure:
      'Its messages are not those that the offsets refer to. Stop all workers, and set the offset to continue from, for instance the beginning: ' +
      `kafka-consumer-groups --bootstrap-server ${log.bootstrapServers} --group ${quoted(group)} --topic ${quoted(topic)} ` +
      '--reset-offsets --to-earliest --execute. State objects stay as they are. Or, to start with empty ones as well: ' +
      'npx potoroo reset <application>',
  })
}

interface LostInput {
  readonly group: string
  readonly topic: string
  readonly partition: number
}

/** Messages of a source were deleted before they were read. */
export const inputDeleted = (
  { group, topic, partition }: LostInput,
  message: string,
  { log }: Pick<Environment, 'log'>,
): PotorooError =>
  new PotorooError('OFFSET_OUT_OF_RANGE', message, {
    cure:
      'The messages in between were not processed, and are gone. To continue without them, stop all workers and run: ' +
      `kafka-consumer-groups --bootstrap-server ${log.bootstrapServers} --group ${quoted(group)} ` +
      `--topic ${quoted(`${topic}:${String(partition)}`)} --reset-offsets --to-earliest --execute. Or, to start again with what ` +
      'is left and empty state objects: npx potoroo reset <application>',
  })

interface LostRepartition {
  readonly group: string
  readonly repartition: string
  /** As many as it must have. */
  readonly partitions: number
  /** There is no topic of this name. */
  readonly isMissing?: boolean
}

/** A repartition without the messages that were in it. */
export function repartitionLost(
  { group, repartition, partitions, isMissing = false }: LostRepartition,
  message: string,
  { log }: Pick<Environment, 'log'>,
): PotorooError {
  const server = `--bootstrap-server ${log.bootstrapServers}`
  const topic = quoted(repartition)
  const config = Object.entries(repartitionConfig).map(([name, value]) => `--config ${name}=${value}`)
  const create = `kafka-topics ${server} --create --topic ${topic} --partitions ${String(partitions)} ${config.join(' ')}; `
  return new PotorooError('REPARTITION_LOST', `${message}: the messages in transit through it are gone`, {
    cure:
      'Stop all workers. To start again from the sources: npx potoroo reset <application>. Or, to continue without them, with ' +
      `the state objects as they are: ${isMissing ? create : ''}kafka-consumer-groups ${server} --group ${quoted(group)} ` +
      `--topic ${topic} --reset-offsets --to-earliest --execute`,
  })
}

/** A source or a repartition that a task reads is another topic now. */
export const inputReplaced = (
  plan: TaskPlan,
  topic: string,
  message: string,
  env: Pick<Environment, 'log'>,
): PotorooError =>
  plan.sources.some((source) => source.topic === topic && source.isRepartition)
    ? repartitionLost({ group: plan.group, repartition: topic, partitions: plan.processor.partitions }, message, env)
    : topicReplaced(plan, topic, message, env)

/** For a shell. */
const quoted = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)
