/**
 * Queries of any key, on any worker: finds out who has the key's task, asks there, and asks again while the task is on its way
 * from one worker to another.
 *
 * Invariants
 * 1. While nobody asks, nothing is asked: who has which task comes from the group's record, when it is needed.
 * 2. What answers of owners this worker has given never goes back for a partition, nor below what the caller has seen (`atLeast`).
 *    An owner that does not know yet that it is none would give less; it is asked again, and knows soon.
 * 3. Each question ends: with an answer, or QUERY_UNANSWERED.
 */
import type { StateDefinition } from '../../api/definition.js'
import { isHex, isKey, shownKey } from '../../api/names.js'
import { decodeAssignment, decodeSubscription } from '../../core/group/group-metadata.js'
import { partitionOf } from '../../core/plan/partitioner.js'
import { taskId } from '../../core/plan/topology.js'
import {
  givenOf,
  isConsistency,
  MAX_PAGE_ENTRIES,
  type Consistency,
  type Given,
  type PageAnswer,
  type Question,
  type StateAnswer,
  type TaskAnswer,
} from '../../core/query/question.js'
import { mergePages, partLimit, type ByteRange, type MergedPage } from '../../core/query/range.js'
import { MAX_KEY_BYTES } from '../../core/state/store-key.js'
import { PotorooError } from '../../errors.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Observer } from '../../ports/observer.js'
import type { Peer, Peers } from '../../ports/peers.js'
import type { FoundPage, PointOptions, QueryService } from '../../ports/queries.js'
import { sleep } from '../options.js'
import type { TaskPlan } from '../task-plan.js'
import { NOT_HERE } from './stored.js'

export interface RouterEnvironment {
  readonly clock: Clock
  readonly observer: Observer
  readonly log: Pick<Log, 'groupMembers'>
  readonly peers: Pick<Peers, 'ask'>
  readonly group: string
  /** Its member id in the group; '' while it has none. */
  memberId(): string
  /** What this worker has itself. Never rejects. */
  answer(question: Question): Promise<TaskAnswer>
}

/** Where a state object lives. */
interface Home {
  readonly definition: StateDefinition
  readonly subTopology: string
  readonly partitions: number
  readonly partitionOf: (key: string) => number | undefined
}

/** Who has what, as the group's record said last. */
interface Holders {
  readonly owners: ReadonlyMap<string, Peer>
  readonly standbys: ReadonlyMap<string, readonly Peer[]>
}

/** Longer than a task takes to another worker after its own was killed, mostly. */
const PATIENCE_MS = 5_000
const ASK_AGAIN_MS = 50
/** How long the group's record is believed, as long as answers come, and how often it is looked at while none do. */
const RECORD_MS = 5_000
const RECORD_AGAIN_MS = 100

export class QueryRouter implements QueryService {
  readonly #homes: ReadonlyMap<string, Home>
  #holders: Holders = { owners: new Map(), standbys: new Map() }
  #holdersAtMs = -Infinity
  #looking: Promise<void> | undefined
  /** By task: the highest position of an owner's answer. */
  readonly #seen = new Map<string, number>()
  readonly #closing = new AbortController()

  constructor(
    plans: Iterable<TaskPlan>,
    private readonly env: RouterEnvironment,
  ) {
    this.#homes = homesIn(plans)
  }

  get states(): readonly string[] {
    return [...this.#homes.keys()]
  }

  definition(state: string): StateDefinition {
    return this.#home(state).definition
  }

  /** The task that a question is of; undefined: there is no such state object. */
  taskOf({ state, partition }: Question): string | undefined {
    const home = this.#homes.get(state)
    return home && taskId(home.subTopology, partition)
  }

  /** Whoever asks from here on, or has asked, gets no answer. */
  close(): void {
    this.#closing.abort(new PotorooError('QUERY_UNANSWERED', 'this worker stops'))
  }

  /** Another generation of the group has begun: who has what is to be looked up anew. */
  moved(): void {
    this.#holdersAtMs = Math.min(this.#holdersAtMs, this.env.clock.monotonic() - RECORD_MS)
  }

  get(state: string, key: string, options: PointOptions = {}): Promise<StateAnswer> {
    return this.#observed(state, 'get', async () => {
      const { consistency = 'committed', atLeast = -1 } = options
      const home = this.#home(state)
      requireKey(key, home)
      requireConsistency(consistency)
      const partition = home.partitionOf(key)
      const partitions = partition === undefined ? allOf(home) : [partition]
      const answers = await Promise.all(
        partitions.map((one) =>
          this.#ask({ kind: 'get', state, partition: one, consistency, key }, home, atLeast).then(asState),
        ),
      )
      // Whose partitioner is not known may have put it anywhere.
      const found = answers.find(({ packed }) => packed !== undefined) ?? answers[0]
      if (found === undefined) throw new PotorooError('INTERNAL', `state object ${state} has no partitions`)
      return found
    })
  }

  page(state: string, range: ByteRange, most: number, consistency: Consistency = 'committed'): Promise<FoundPage> {
    return this.#observed(state, 'scan', async () => {
      const home = this.#home(state)
      requireConsistency(consistency)
      if (!Number.isSafeInteger(most) || most < 1)
        throw new PotorooError('QUERY_INVALID', `a page of ${String(most)} entries: it has to be 1 or more`)
      const limit = Math.min(most, MAX_PAGE_ENTRIES)
      const { from, before } = range
      const part = { state, consistency, from, before, limit: partLimit(limit, home.partitions) }
      const pages = await Promise.all(
        allOf(home).map(async (partition) => asPage(await this.#ask({ kind: 'scan', partition, ...part }, home, -1))),
      )
      const merged: MergedPage = mergePages(range, pages, limit)
      return { ...merged, parts: pages.map((page, partition) => ({ partition, ...givenOf(page) })) }
    })
  }

  /** Invariant 3. */
  async #ask(question: Question, home: Home, atLeast: number): Promise<TaskAnswer & Given> {
    const { clock } = this.env
    const task = taskId(home.subTopology, question.partition)
    const untilMs = clock.monotonic() + PATIENCE_MS
    const isBounded = typeof question.consistency === 'number'
    const least = (): number =>
      Math.max(atLeast, question.kind === 'get' && !isBounded ? (this.#seen.get(task) ?? -1) : -1)
    for (let isFirst = true; ; isFirst = false) {
      this.#closing.signal.throwIfAborted()
      const leastPosition = least()
      const answer = await this.#askOnce(question, task, leastPosition, isFirst)
      if (answer.kind === 'failed') throw new PotorooError(answer.code, answer.message)
      if (answer.kind !== 'not here') {
        const { changelogPosition } = answer.asOf
        // Several may be under way at once.
        if (answer.from === 'owner' && question.kind === 'get')
          this.#seen.set(task, Math.max(changelogPosition, this.#seen.get(task) ?? -1))
        return answer
      }
      if (clock.monotonic() >= untilMs)
        throw new PotorooError(
          'QUERY_UNANSWERED',
          `state object ${question.state}: task ${task} gave no answer for ${String(PATIENCE_MS / 1000)} s: no worker has it running, or its worker can't be reached`,
        )
      await sleep(clock, ASK_AGAIN_MS)
    }
  }

  async #askOnce(question: Question, task: string, least: number, isFirst: boolean): Promise<TaskAnswer> {
    const { env } = this
    const isUsable = (answer: TaskAnswer): boolean =>
      answer.kind === 'failed' || (answer.kind !== 'not here' && answer.asOf.changelogPosition >= least)
    const own = await env.answer(question)
    if (isUsable(own)) return own
    await this.#look(isFirst ? RECORD_MS : RECORD_AGAIN_MS)
    const { owners, standbys } = this.#holders
    const owner = owners.get(task)
    const others = typeof question.consistency === 'number' ? (standbys.get(task) ?? []) : []
    for (const peer of [...(owner === undefined ? [] : [owner]), ...others]) {
      if (peer.memberId === env.memberId()) continue
      const answer = await env.peers.ask(peer, question, this.#closing.signal).catch(() => undefined)
      if (answer !== undefined && isUsable(answer)) return answer
    }
    return NOT_HERE
  }

  /** Who has what, at most so old. */
  async #look(maxAgeMs: number): Promise<void> {
    if (this.env.clock.monotonic() - this.#holdersAtMs < maxAgeMs) return
    this.#looking ??= this.#lookUp().finally(() => {
      this.#looking = undefined
    })
    await this.#looking
  }

  /** Never rejects. */
  async #lookUp(): Promise<void> {
    const { clock, log, group } = this.env
    const atMs = clock.monotonic()
    const members = await log.groupMembers(group).catch(() => [])
    this.#holdersAtMs = atMs
    // While the group rebalances it tells nothing: those who had the tasks have them still.
    if (!members.some(({ assignment }) => assignment.length > 0)) return
    const owners = new Map<string, Peer>()
    const standbys = new Map<string, Peer[]>()
    for (const { memberId, metadata, assignment } of members) {
      const address = decodeSubscription(metadata)?.address
      const given = decodeAssignment(assignment)
      if (address === undefined || given === undefined) continue
      const peer = { memberId, address }
      for (const task of given.active) owners.set(task, peer)
      for (const { task } of given.standby) standbys.set(task, [...(standbys.get(task) ?? []), peer])
    }
    this.#holders = { owners, standbys }
  }

  #home(state: string): Home {
    const home = this.#homes.get(state)
    if (home === undefined) throw unknownState(state, this.states)
    return home
  }

  async #observed<T extends Given | FoundPage>(
    state: string,
    what: 'get' | 'scan',
    work: () => Promise<T>,
  ): Promise<T> {
    const { clock, observer } = this.env
    const begunMs = clock.monotonic()
    const observe = (outcome: 'answered' | 'unanswered' | 'refused'): void => {
      observer.observe({ kind: 'queried', state, what, outcome, tookMs: clock.monotonic() - begunMs })
    }
    try {
      const answer = await work()
      observe('answered')
      return answer
    } catch (error) {
      observe(error instanceof PotorooError && error.code === 'QUERY_UNANSWERED' ? 'unanswered' : 'refused')
      throw error
    }
  }
}

export const unknownState = (state: string, known: readonly string[]): PotorooError =>
  new PotorooError(
    'STATE_UNKNOWN',
    `there is no state object or table '${state.slice(0, 100)}': the application has ${known.length === 0 ? 'none' : known.join(', ')}`,
  )

const allOf = ({ partitions }: Home): readonly number[] =>
  Array.from({ length: partitions }, (_, partition) => partition)

function requireConsistency(consistency: unknown): void {
  if (!isConsistency(consistency))
    throw new PotorooError(
      'QUERY_INVALID',
      `consistency ${JSON.stringify(consistency)}: it has to be 'committed', 'fenced', or a number of ms, 0 to 3,600,000`,
    )
}

function requireKey(key: unknown, { definition, partitionOf: find }: Home): void {
  if (!isKey(key)) throw new PotorooError('QUERY_INVALID', `the key is ${shownKey(key)}`)
  const bytes = Buffer.byteLength(key)
  if (bytes > MAX_KEY_BYTES)
    throw new PotorooError(
      'QUERY_INVALID',
      `the key has ${String(bytes)} bytes: keys have ${String(MAX_KEY_BYTES)} at most`,
    )
  if (find(key) === -1)
    throw new PotorooError('QUERY_INVALID', `the key is not hex text in lower case, as keys of ${definition.name} are`)
}

const asState = (answer: TaskAnswer): StateAnswer => {
  if (answer.kind !== 'state') throw new PotorooError('QUERY_UNANSWERED', `a worker answered with ${answer.kind}`)
  return answer
}
const asPage = (answer: TaskAnswer): PageAnswer => {
  if (answer.kind !== 'page') throw new PotorooError('QUERY_UNANSWERED', `a worker answered with ${answer.kind}`)
  return answer
}

function homesIn(plans: Iterable<TaskPlan>): ReadonlyMap<string, Home> {
  const homes = new Map<string, Home>()
  for (const { processor } of plans) {
    const { subTopology, partitions } = processor
    const partitioner = subTopology.sources.find(({ topic }) => topic.partitioner !== undefined)?.topic.partitioner
    // Where its records are, whose keys may be other bytes.
    const isHexed = subTopology.sources.some(({ topic }) => topic.hexKeys === true)
    for (const definition of subTopology.states)
      homes.set(definition.name, {
        definition,
        subTopology: subTopology.name,
        partitions,
        partitionOf: (key) => {
          if (isHexed && !isHex(key)) return -1
          return partitioner && partitionOf(partitioner, Buffer.from(key, isHexed ? 'hex' : 'utf8'), partitions)
        },
      })
  }
  return homes
}
