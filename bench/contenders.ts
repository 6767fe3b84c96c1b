/** The two that are measured: how a worker of each is started, and which names it uses in Kafka. */
import { fileURLToPath } from 'node:url'
import { bundledApplication, loadApplication } from '#potoroo/cli/application.js'
import { topicNames } from '#potoroo/cli/topic-plan.js'
import { namesOf, topologyOf } from '#potoroo/core/plan/topology.js'
import type { BuiltPeer } from './peer.js'

export type ContenderName = 'potoroo' | 'kafka-streams'

/** Where a run takes place in Kafka: two runs with different ones have nothing in common but the input. */
export interface Place {
  /** In front of the names of the sources. */
  readonly topicPrefix: string
  /** Of all runs on this input. */
  readonly round: number
}

export interface WorkerSettings {
  /** Make hand-off and restart as short as an experienced operator would. */
  readonly tuned: boolean
}

export interface NamesInKafka {
  readonly group: string
  readonly rejections: string
  /** What a round leaves behind, besides rejections. */
  readonly others: readonly string[]
}

export interface Command {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface Contender {
  readonly name: ContenderName
  readonly title: string
  names(place: Place): NamesInKafka
  worker(name: string, stateDir: string, place: Place, settings: WorkerSettings): Command
  /** For the report. */
  describe(settings: WorkerSettings): string
}

/** `flags` are those of `potoroo run`. */
export async function potoroo(brokers: string, flags: readonly string[]): Promise<Contender> {
  const main = fileURLToPath(import.meta.resolve('#potoroo/cli/main.js'))
  const application = bundledApplication()
  const { definition } = await loadApplication(application)
  return {
    name: 'potoroo',
    title: 'Potoroo',
    names: ({ topicPrefix }) => {
      const { group, topic } = namesOf(topicPrefix, definition.name)
      const [marketData, orders, rejections] = ['market-data', 'orders', 'rejections'].map(topic)
      const others = topicNames(topologyOf(definition), topicPrefix).filter(
        (name) => name !== marketData && name !== orders && name !== rejections,
      )
      return { group, rejections: topic('rejections'), others }
    },
    worker: (name, stateDir, { topicPrefix }) => ({
      command: process.execPath,
      args: [
        ...[main, 'run', application, '--name', name, '--state-dir', stateDir],
        ...['--topic-prefix', topicPrefix, '--brokers', brokers, ...flags],
      ],
    }),
    describe: () => (flags.length === 0 ? 'its defaults' : flags.join(' ')),
  }
}

/** `properties` are Kafka Streams' own, name=value. */
export function kafkaStreams(brokers: string, peer: BuiltPeer, properties: readonly string[]): Contender {
  const applicationId = ({ topicPrefix, round }: Place): string => `${topicPrefix}streams-${String(round)}`
  return {
    name: 'kafka-streams',
    title: 'Kafka Streams',
    names: (place) => ({
      group: applicationId(place),
      rejections: `${applicationId(place)}-rejections`,
      others: [`${applicationId(place)}-symbols-changelog`],
    }),
    worker: (_name, stateDir, place, { tuned }) => ({
      command: peer.java,
      args: [
        ...[`-Xmx${HEAP}`, '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', peer.classPath, 'MarketSpread'],
        ...[`topicPrefix=${place.topicPrefix}`, `rejections=${applicationId(place)}-rejections`],
        ...[`tuned=${String(tuned)}`, `application.id=${applicationId(place)}`],
        ...[`bootstrap.servers=${brokers}`, `state.dir=${stateDir}`, ...properties],
      ],
    }),
    describe: ({ tuned }) =>
      [
        `exactly_once_v2, RocksDB, caching, commit.interval.ms=100, 1 thread, -Xmx${HEAP}`,
        ...(tuned ? ['1 standby, 6 s session, 500 ms heartbeats, leaves the group on close'] : []),
        ...properties,
      ].join(', '),
  }
}

const HEAP = '1g'
