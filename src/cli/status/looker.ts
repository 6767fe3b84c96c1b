/** Looks at a running application from outside: reads Kafka, asks workers, and changes nothing. */
import type { ApplicationDefinition } from '../../api/definition.js'
import { topologyInKafka, type ReadingLog } from '../../runtime/topology-in-kafka.js'
import { namesOf, taskId, topologyOf } from '../../core/plan/topology.js'
import { messageOf } from '../../errors.js'
import type { GroupDescription, GroupMember, GroupView } from '../../kafka/group-view.js'
import type { Clock } from '../../ports/clock.js'
import type { TopicPartition } from '../../ports/log.js'
import type { Peers } from '../../ports/peers.js'
import { inputLags } from '../lag.js'
import { reportOf, type Answer, type Known, type StatusReport } from './report.js'

export interface LookerPorts {
  readonly log: ReadingLog
  readonly view: Pick<GroupView, 'describe' | 'committed'>
  readonly peers: Pick<Peers, 'status'>
  readonly clock: Clock
}

/** How often a group is asked while it rebalances. */
const POLL_MS = 100

export class Looker {
  /** The last time that the group told who is in it. */
  #described: { readonly members: readonly GroupMember[]; readonly atMs: number } | undefined

  constructor(
    private readonly application: ApplicationDefinition,
    private readonly topicPrefix: string,
    private readonly ports: LookerPorts,
  ) {}

  /** While the group rebalances it is asked again, for that long; then what it told the last time counts. */
  async look(patienceMs: number, signal: AbortSignal): Promise<StatusReport> {
    const { clock } = this.ports
    const state = await this.#describe(patienceMs, signal)
    const members = this.#described?.members ?? []
    const [answers, { inputs, repartitions }] = await Promise.all([this.#ask(members, signal), this.#inputs()])
    const describedAtMs = this.#described?.atMs
    return reportOf({
      application: this.application.name,
      group: namesOf(this.topicPrefix, this.application.name).group,
      atMs: clock.now(),
      state: state === 'empty' ? 'no workers' : state,
      describedMsAgo:
        state !== 'rebalancing'
          ? 0
          : describedAtMs === undefined
            ? null
            : Math.round(clock.monotonic() - describedAtMs),
      members,
      answers,
      inputs,
      repartitions,
    })
  }

  async #describe(patienceMs: number, signal: AbortSignal): Promise<GroupDescription['state']> {
    const { clock, view } = this.ports
    const until = clock.monotonic() + patienceMs
    for (;;) {
      signal.throwIfAborted()
      const { state, members } = await view.describe()
      const atMs = clock.monotonic()
      if (state !== 'rebalancing') this.#described = { members, atMs }
      if (state !== 'rebalancing' || atMs >= until) return state
      await new Promise<void>((resolve) => {
        clock.after(POLL_MS, resolve)
      })
    }
  }

  async #ask(members: readonly GroupMember[], signal: AbortSignal): Promise<ReadonlyMap<string, Answer>> {
    return new Map(
      await Promise.all(members.map(async (member) => [member.memberId, await this.#askOne(member, signal)] as const)),
    )
  }

  async #askOne({ memberId, info }: GroupMember, signal: AbortSignal): Promise<Answer> {
    if (info === undefined) return { problem: 'it is not a Potoroo worker, or runs another version' }
    if (info.address === undefined) return { problem: 'it has no address' }
    try {
      const status = await this.ports.peers.status({ memberId, address: info.address }, signal)
      return status === undefined
        ? { problem: 'another worker, or another version, answers at its address' }
        : { status }
    } catch (error) {
      signal.throwIfAborted()
      return { problem: messageOf(error) }
    }
  }

  /** Topics that do not exist yet have no lag. */
  async #inputs(): Promise<Pick<Known, 'inputs' | 'repartitions'>> {
    const { log, view } = this.ports
    const names = namesOf(this.topicPrefix, this.application.name)
    const known = await topologyInKafka(topologyOf(this.application), log, names)
    const declared = known.reconciled.topology.subTopologies
    const subTopologies = declared.map(({ name, sources }) => ({
      name,
      topics: sources.map(({ topic }) => names.topic(topic.name)),
    }))
    const repartitions = new Set(
      declared.flatMap(({ sources }) =>
        sources.flatMap(({ topic, isRepartition }) => (isRepartition ? [names.topic(topic.name)] : [])),
      ),
    )
    const found = await log.describeTopics([...new Set(subTopologies.flatMap(({ topics }) => topics))])
    const all: TopicPartition[] = [...found.values()].flatMap((topic) =>
      Array.from({ length: topic.partitions }, (_, partition) => ({ topic: topic.name, partition })),
    )
    const lags = await inputLags(log, view, all)
    const inputs = new Map(
      subTopologies.flatMap(({ name, topics }) => {
        const own = lags.filter(({ topic }) => topics.includes(topic))
        const partitions = Math.max(0, ...topics.map((topic) => found.get(topic)?.partitions ?? 0))
        return Array.from(
          { length: partitions },
          (_, p) => [taskId(name, p), own.filter(({ partition }) => partition === p)] as const,
        )
      }),
    )
    return { inputs, repartitions }
  }
}
