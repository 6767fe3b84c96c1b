/**
 * What large groups meet: how long the leader decides, how large the group's record becomes, how long rebalances take on a
 * broker, and how many transactions it takes. docs/scaling.md says what follows.
 */
import { messageOf } from '#potoroo/errors.js'
import type { BenchContext } from './benchmark.js'
import { DEFAULT_MAX_BATCH_BYTES } from './group-record.js'
import { largestGroupRecord, type RealRebalance, realRebalance } from './group-on-broker.js'
import { type Findings, type Table, wholeNumber } from './report.js'
import type { Settings } from './settings.js'
import { type Rebalance, SimulatedGroup } from './simulated-group.js'
import { spreadOf } from './statistics.js'
import { type Transactions, transactions } from './transactions-on-broker.js'

const TRANSACTION_TOPICS = { changelog: 'changelog', sink: 'sink', sources: ['left', 'right'] } as const

/** What happens to a group, one after the other; each comes to rest before the next. */
const events = [
  {
    what: 'all start',
    happens: (group: SimulatedGroup, workers: number) => {
      group.join(workers)
    },
  },
  {
    what: 'one joins',
    happens: (group: SimulatedGroup) => {
      group.join(1)
    },
  },
  {
    what: 'one stops',
    happens: (group: SimulatedGroup) => {
      group.stop(1)
    },
  },
  {
    what: 'one dies',
    happens: (group: SimulatedGroup) => {
      group.kill(1)
    },
  },
  {
    what: 'half of them die',
    happens: (group: SimulatedGroup, workers: number) => {
      group.kill(Math.floor(workers / 2))
    },
  },
  {
    what: 'as many join again',
    happens: (group: SimulatedGroup, workers: number) => {
      group.join(Math.ceil(workers / 2))
    },
  },
] as const

interface Event {
  readonly what: string
  readonly rebalances: readonly Rebalance[]
}
interface Failed {
  readonly tasks: number
  readonly failure: string
}
interface Simulated {
  readonly workers: number
  readonly tasks: number
  readonly standbys: number
  readonly events: readonly Event[]
  readonly right: boolean
}

export async function scaling(context: BenchContext, settings: Settings['scaling']): Promise<Findings> {
  const { cluster, namePrefix, say } = context
  const simulated: Simulated[] = []
  for (const group of settings.groups) {
    const result = await simulate(group, settings.rolling)
    say(
      `scaling: ${titleOf(result)}: at most ${longest(result).toFixed(0)} ms for the leader, ${wholeNumber(largest(result))} bytes`,
    )
    simulated.push(result)
  }
  const recordLimit = await largestGroupRecord(cluster.log, cluster.options.clientId, `${namePrefix}probe`, PROBE_BYTES)
  say(`scaling: the broker takes a group's record of ${wholeNumber(recordLimit)} bytes`)
  const real: RealRebalance[] = []
  for (const members of settings.members) {
    const result = await realRebalance(cluster.log, `${namePrefix}group-${members}`, members, settings.patienceMs)
    say(
      `scaling: ${wholeNumber(members)} members on a broker: ${msText(result.startMs)} until all had their tasks, ${msText(result.joinMs)} for one more`,
    )
    real.push(result)
  }
  const committed = await measureTransactions(context, settings)
  return {
    title: 'Scaling: large groups, simulated and on one broker',
    method: [
      'Simulated: a group of Market Spread in which the leader is a real membership, with its assignor and its bytes, and the others do at once what they are given; a standby is warm at the next rebalance. Each event comes to rest before the next; the last rebalance of each changes nothing.',
      `On the broker: memberships with all that they ask of the coordinator, ten tasks each, in one process, at most ${(settings.patienceMs / 1000).toFixed(0)} s; the largest record of a group that the broker takes, found by halving; and transactions of two small records and two positions, by so many tasks back to back for ${(settings.transactionsMs / 1000).toFixed(0)} s.`,
    ],
    tables: [
      recordTable(simulated),
      ...simulated.map(eventTable),
      brokerTable(real, recordLimit),
      transactionTable(committed),
    ],
    charts: [],
    measured: { simulated, recordLimit, real, transactions: committed },
    checked:
      'After every rebalance each task had to have one owner, and at rest each worker its share, to within one task.',
    right: simulated.every(({ right }) => right),
  }
}

/** Four times Kafka's default. */
const PROBE_BYTES = 4 * DEFAULT_MAX_BATCH_BYTES

async function simulate(
  { workers, tasks, standbys }: Settings['scaling']['groups'][number],
  rolling: number,
): Promise<Simulated> {
  const group = new SimulatedGroup(tasks, standbys)
  let right = true
  const settle = async (): Promise<readonly Rebalance[]> => {
    const rebalances = await group.settle()
    const counts = group.active.map(({ length }) => length)
    const owned = new Set(group.active.flat())
    right &&= owned.size === tasks && counts.reduce((sum, count) => sum + count, 0) === tasks
    right &&= Math.max(...counts) - Math.min(...counts) <= 1
    return rebalances
  }
  const happened: Event[] = []
  for (const { what, happens } of events) {
    happens(group, workers)
    happened.push({ what, rebalances: await settle() })
  }
  const restarts: Rebalance[] = []
  for (let i = 0; i < rolling; i++) {
    group.stop(1)
    restarts.push(...(await settle()))
    group.join(1)
    restarts.push(...(await settle()))
  }
  happened.push({ what: `${wholeNumber(rolling)} are restarted, one after the other`, rebalances: restarts })
  return { workers, tasks, standbys, events: happened, right }
}

async function measureTransactions(
  { cluster, namePrefix, say }: BenchContext,
  { transactionTasks, transactionsMs }: Settings['scaling'],
): Promise<readonly (Transactions | Failed)[]> {
  const results: (Transactions | Failed)[] = []
  for (const tasks of transactionTasks) {
    const nameOf = (name: string): string => `${namePrefix}transactions-${tasks}-${name}`
    const { changelog, sink, sources } = TRANSACTION_TOPICS
    const topics = { changelog: nameOf(changelog), sink: nameOf(sink), sources: sources.map(nameOf) }
    const all = [topics.changelog, topics.sink, ...topics.sources]
    await cluster.createTopics(all, tasks)
    try {
      const result = await transactions(cluster.log, topics, tasks, transactionsMs)
      say(`scaling: ${wholeNumber(tasks)} tasks: ${wholeNumber(result.perSecond)} transactions/s`)
      results.push(result)
    } catch (error) {
      // Too many for this broker is a result, too.
      say(`scaling: ${wholeNumber(tasks)} tasks: ${messageOf(error)}`)
      results.push({ tasks, failure: messageOf(error) })
    } finally {
      await cluster.remove(all, [])
    }
  }
  return results
}

const titleOf = ({ workers, tasks, standbys }: Simulated): string =>
  `${wholeNumber(workers)} workers, ${wholeNumber(tasks)} tasks, ${standbys === 0 ? 'no standbys' : `${wholeNumber(standbys)} standby each`}`
const all = ({ events }: Simulated): readonly Rebalance[] => events.flatMap(({ rebalances }) => rebalances)
const most = (rebalances: readonly Rebalance[], of: (rebalance: Rebalance) => number): number =>
  Math.max(...rebalances.map(of))
const longest = (group: Simulated): number => most(all(group), ({ leaderMs }) => leaderMs)
const largest = (group: Simulated): number => most(all(group), ({ recordBytes }) => recordBytes)

const recordTable = (groups: readonly Simulated[]): Table => ({
  title: "What a group's metadata comes to, in bytes, at its largest",
  columns: ['', 'subscriptions', 'assignments', "the group's record", "of Kafka's default limit"],
  rows: groups.map((group) => [
    titleOf(group),
    wholeNumber(most(all(group), ({ subscriptionBytes }) => subscriptionBytes)),
    wholeNumber(most(all(group), ({ assignmentBytes }) => assignmentBytes)),
    wholeNumber(largest(group)),
    `${((largest(group) / DEFAULT_MAX_BATCH_BYTES) * 100).toFixed(0)} %`,
  ]),
})

const eventTable = (group: Simulated): Table => ({
  title: titleOf(group),
  columns: ['', 'rebalances', 'tasks moved', 'new standbys', 'ms for the leader, median', 'longest'],
  rows: group.events.map(({ what, rebalances }) => {
    const { median, high } = spreadOf(rebalances.map(({ leaderMs }) => leaderMs))
    const sum = (of: (rebalance: Rebalance) => number): string =>
      wholeNumber(rebalances.reduce((total, rebalance) => total + of(rebalance), 0))
    return [
      what,
      wholeNumber(rebalances.length),
      sum(({ moved }) => moved),
      sum(({ newStandbys }) => newStandbys),
      median.toFixed(1),
      high.toFixed(1),
    ]
  }),
})

const msText = (ms: number | undefined): string => (ms === undefined ? 'never' : `${wholeNumber(ms)} ms`)

const brokerTable = (real: readonly RealRebalance[], recordLimit: number): Table => ({
  title: `On the broker, which takes a group's record of ${wholeNumber(recordLimit)} bytes and no larger one`,
  columns: ['members', 'until all have their tasks', 'for one more'],
  rows: real.map(({ members, startMs, joinMs }) => [wholeNumber(members), msText(startMs), msText(joinMs)]),
})

const transactionTable = (results: readonly (Transactions | Failed)[]): Table => ({
  title: 'Transactions on the broker, from one process',
  columns: ['tasks', 'transactions/s', 'ms for one, p50', 'p99', 'µs CPU of the worker for one'],
  rows: results.map((result) => [
    wholeNumber(result.tasks),
    ...('failure' in result
      ? [result.failure, '', '', '']
      : [
          wholeNumber(result.perSecond),
          result.p50Ms.toFixed(1),
          result.p99Ms.toFixed(1),
          wholeNumber(result.cpuMicrosPerTransaction),
        ]),
  ]),
})
