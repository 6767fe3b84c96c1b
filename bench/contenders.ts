/** The two that are measured: how a worker of each is started, and which names it uses in Kafka. */
import { fileURLToPath } from 'node:url'
import { bundledApplication, loadApplication } from '#potoroo/cli/application.js'
import type { ApplicationDefinition } from '#potoroo/api/definition.js'
import { REPARTITION_SUFFIX, repartitionsOf } from '#potoroo/api/graph.js'
import { topicNames } from '#potoroo/core/plan/topic-plan.js'
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

/** An application that is written for both, apart from Market Spread. Topics are as they are named without a prefix. */
export interface Application {
  readonly source: string
  readonly sink: string
  readonly potoroo: { readonly file: string; readonly env?: Readonly<Record<string, string>> }
  readonly kafkaStreams: {
    /** Which of the programs. Default: Routing. */
    readonly program?: string
    readonly arguments: readonly string[]
    /** Without the application's id in front. */
    readonly repartitions: readonly string[]
  }
}

/** An application as one contender runs it under one prefix. */
export interface Installed {
  readonly group: string
  readonly repartitions: readonly string[]
  worker(name: string, stateDir: string): Command
}

export interface Command {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface Contender {
  readonly name: ContenderName
  readonly title: string
  /** `prefix`: in front of every name in Kafka. */
  install(application: Application, prefix: string): Promise<Installed>
  names(place: Place): NamesInKafka
  worker(name: string, stateDir: string, place: Place, settings: WorkerSettings): Command
  /** For the report. */
  describe(settings: WorkerSettings): string
  /** The same with more flags of `potoroo run`, or more settings of Kafka Streams, put over those that it has. */
  withSettings(more: readonly string[]): Contender
}

/** `flags` are those of `potoroo run`. */
export async function potoroo(brokers: string, flags: readonly string[]): Promise<Contender> {
  const { definition } = await loadApplication(bundledApplication())
  return potorooWith(brokers, definition, flags)
}

function potorooWith(brokers: string, definition: ApplicationDefinition, flags: readonly string[]): Contender {
  const main = fileURLToPath(import.meta.resolve('#potoroo/cli/main.js'))
  const run = (file: string, name: string, stateDir: string, prefix: string): Command => ({
    command: process.execPath,
    args: [
      ...[main, 'run', file, '--name', name, '--state-dir', stateDir],
      ...['--topic-prefix', prefix, '--brokers', brokers, ...flags],
    ],
  })
  return {
    name: 'potoroo',
    title: 'Potoroo',
    install: async ({ potoroo: { file, env = {} } }, prefix) => {
      const { definition: installed } = await loadApplication(file)
      const { group, topic } = namesOf(prefix, installed.name)
      return {
        group,
        repartitions: repartitionsOf(installed).map(({ name }) =>
          topic(`${installed.name}-${name}${REPARTITION_SUFFIX}`),
        ),
        worker: (name, stateDir) => ({ ...run(file, name, stateDir, prefix), env }),
      }
    },
    names: ({ topicPrefix }) => {
      const names = namesOf(topicPrefix, definition.name)
      const { group, topic } = names
      const [marketData, orders, rejections] = ['market-data', 'orders', 'rejections'].map(topic)
      const others = topicNames(topologyOf(definition), names).filter(
        (name) => name !== marketData && name !== orders && name !== rejections,
      )
      return { group, rejections: topic('rejections'), others }
    },
    worker: (name, stateDir, { topicPrefix }) => run(bundledApplication(), name, stateDir, topicPrefix),
    describe: () => (flags.length === 0 ? 'its defaults' : flags.join(' ')),
    withSettings: (more) => potorooWith(brokers, definition, [...flags, ...more]),
  }
}

/** `properties` are Kafka Streams' own, name=value. */
export function kafkaStreams(brokers: string, peer: BuiltPeer, properties: readonly string[]): Contender {
  const applicationId = ({ topicPrefix, round }: Place): string => `${topicPrefix}streams-${String(round)}`
  const run = (program: string, own: readonly string[], id: string, stateDir: string): Command => ({
    command: peer.java,
    args: [
      ...[`-Xmx${HEAP}`, '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', peer.classPath, program],
      ...[...own, `application.id=${id}`, `bootstrap.servers=${brokers}`, `state.dir=${stateDir}`, ...properties],
    ],
  })
  return {
    name: 'kafka-streams',
    title: 'Kafka Streams',
    install: ({ source, sink, kafkaStreams: { program = 'Routing', arguments: own, repartitions } }, prefix) => {
      const id = `${prefix}streams`
      const names = [`topicPrefix=${prefix}`, `source=${source}`, `sink=${sink}`]
      return Promise.resolve({
        group: id,
        repartitions: repartitions.map((name) => `${id}-${name}${REPARTITION_SUFFIX}`),
        worker: (_name, stateDir) => run(program, [...names, ...own], id, stateDir),
      })
    },
    names: (place) => ({
      group: applicationId(place),
      rejections: `${applicationId(place)}-rejections`,
      others: [`${applicationId(place)}-symbols-changelog`],
    }),
    worker: (_name, stateDir, place, { tuned }) => {
      const own = [`topicPrefix=${place.topicPrefix}`, `rejections=${applicationId(place)}-rejections`]
      return run('MarketSpread', [...own, `tuned=${String(tuned)}`], applicationId(place), stateDir)
    },
    describe: ({ tuned }) =>
      [
        `exactly_once_v2, RocksDB, caching, commit.interval.ms=100, 1 thread, -Xmx${HEAP}`,
        ...(tuned ? ['1 standby, 6 s session, 500 ms heartbeats, leaves the group on close'] : []),
        ...properties,
      ].join(', '),
    withSettings: (more) => kafkaStreams(brokers, peer, [...properties, ...more]),
  }
}

const HEAP = '1g'
