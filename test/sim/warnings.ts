/**
 * Warnings are to be believed: each one that a worker logs is held against what was done to the world. One that says what
 * nobody did is a finding, and so is one that is not in the table.
 */
import { groupRequests } from './weather.js'
import type { RequestInfo } from '../../src/memory/faults.js'
import type { ErrorCode } from '../../src/errors.js'
import type { StoreMeta } from '../../src/ports/store.js'
import { REPARTITION_SUFFIX } from '../../src/api/graph.js'

/** What was done to a world so far. */
export class Chronicle {
  /** Of processes whose requests were lost, late, refused or not answered. */
  readonly #troubled = new Set<string>()
  readonly #troubledInGroup = new Set<string>()
  readonly #activators = new Map<string, Set<string>>()
  /** How often that was asked for, of each transactional id. */
  readonly #activations = new Map<string, number>()
  /** Of processes that were paused, or did not reach their group. */
  readonly #held = new Set<string>()
  readonly #stopped = new Set<string>()
  readonly #failedWrites = new Set<string>()
  /** `<slot> <task>` */
  readonly #damaged = new Set<string>()
  readonly #unpowered = new Set<string>()
  readonly #old = new Set<string>()
  /** Stores that were opened without a position. */
  readonly #begun = new Set<string>()
  readonly #openUpstream = new Set<string>()
  readonly #resets = new Set<string>()
  /** Topics that were deleted, recreated, emptied or shortened. */
  readonly #tampered = new Set<string>()
  brokerWentDown = false
  leadersMoved = false
  /** Some messages are computed for seconds, or forever (slow-messages.ts). */
  messagesAreSlow = false
  /** Records need schemas that a worker has to fetch. */
  schemasAreFetched = false
  /** Brokers do not take everything (refusals.ts). */
  recordsAreRefused = false
  clocksWereSet = false
  markersWereLate = false
  workerDied = false
  /** Workers may not delete records (routing.ts). */
  deletingIsRefused = false
  /** Coordinators know of activations that there were none of here. */
  epochsWereUsed = false
  /** Whether a process may find state objects of a version that it does not know (upgrades.ts). */
  mayFindNewer: (process: string, code: unknown) => boolean = () => false
  /** Whether tasks of it may stand still, because a newer version has written in them (upgrades.ts). */
  mayBeOutdated: (process: string) => boolean = () => false

  sent({ process, api, subject }: RequestInfo, wrong: boolean): void {
    if (api === 'initProducerId') this.activated(process, subject)
    if (!wrong) return
    this.#troubled.add(process)
    if (groupRequests.has(api)) this.#troubledInGroup.add(process)
  }
  /** Somebody has begun an activation of that transactional id. */
  activated(process: string, transactionalId: string): void {
    this.#activations.set(transactionalId, (this.#activations.get(transactionalId) ?? 0) + 1)
    const those = this.#activators.get(transactionalId)
    if (those === undefined) this.#activators.set(transactionalId, new Set([process]))
    else those.add(process)
  }
  wasHeld(process: string): void {
    this.#held.add(process)
  }
  wasToldToStop(process: string): void {
    this.#stopped.add(process)
  }
  writeFailed(process: string): void {
    this.#failedWrites.add(process)
  }
  /** It runs a version of the application that another one has followed, or may follow. */
  isOfOldVersion(process: string): void {
    this.#old.add(process)
  }
  storeWasDamaged(slot: string, task: string): void {
    this.#damaged.add(`${slot} ${task}`)
  }
  storeWasBegun(slot: string, task: string): void {
    this.#begun.add(`${slot} ${task}`)
  }
  powerFailed(slot: string): void {
    this.#unpowered.add(slot)
  }
  upstreamLeftOpen(partition: string): void {
    this.#openUpstream.add(partition)
  }
  /** An operator has set the group's offset there. */
  wasReset(partition: string): void {
    this.#resets.add(partition)
  }

  /** An operator has deleted it, or records of it. */
  wasTamperedWith(topic: string): void {
    this.#tampered.add(topic)
  }

  explainsFailedRequest({ process }: Line): boolean {
    if (this.messagesAreSlow) return true
    return this.brokerWentDown || this.leadersMoved || this.#troubled.has(process) || this.#held.has(process)
  }
  /** Between workers it is either one's trouble. */
  get explainsFailedCopy(): boolean {
    return this.workerDied || this.messagesAreSlow || this.#troubled.size > 0 || this.#held.size > 0
  }
  explainsFailedWrite({ process }: Line): boolean {
    return this.#failedWrites.has(process)
  }
  explainsForgotten({ process }: Line): boolean {
    if (this.messagesAreSlow) return true
    return this.brokerWentDown || this.leadersMoved || this.#held.has(process) || this.#troubledInGroup.has(process)
  }
  explainsFencing(line: Line, application: string): boolean {
    const those = this.#activators.get(idOf(line, application)) ?? new Set()
    return those.size > 1 || !those.has(line.process) || this.explainsFailedRequest(line)
  }
  explainsHandOver({ process }: Line): boolean {
    return this.#stopped.has(process)
  }
  explainsOutdated({ process }: Line): boolean {
    return this.#old.has(process) || this.mayBeOutdated(process)
  }
  explainsDamage({ slot, fields }: Line): boolean {
    return this.#damaged.has(`${slot} ${text(fields.task)}`)
  }
  explainsHalf({ slot, fields }: Line): boolean {
    return this.#begun.has(`${slot} ${text(fields.task)}`)
  }
  explainsPowerLoss({ slot }: Line): boolean {
    return this.#unpowered.has(slot)
  }
  explainsOpenTransaction(line: Line): boolean {
    return this.#openUpstream.has(partitionIn(line)) || (this.#isRepartition(line) && this.explainsOwnTransaction)
  }
  #isRepartition({ fields }: Line): boolean {
    return text(fields.topic).endsWith(REPARTITION_SUFFIX)
  }
  /** Who writes to a repartition may be gone, or not reach a broker, or what was decided is not written for seconds. */
  get explainsOwnTransaction(): boolean {
    return this.explainsFailedCopy || this.brokerWentDown || this.leadersMoved || this.markersWereLate
  }
  explainsReset(line: Line): boolean {
    return this.#resets.has(partitionIn(line))
  }
  /** Whether the task was active before. */
  explainsBeginning(line: Line, application: string): boolean {
    return this.epochsWereUsed || (this.#activations.get(idOf(line, application)) ?? 0) > 1
  }
  /** Who means the topic before can't write, and who knows its leaders may ask the wrong broker. */
  explainsUnknownTopic({ fields }: Line): boolean {
    const [, topic = ''] =
      /: (?:UNKNOWN_TOPIC_ID|UNKNOWN_TOPIC_OR_PARTITION|NOT_LEADER_OR_FOLLOWER): (.*)-\d+\b/.exec(text(fields.error)) ??
      []
    return this.#tampered.has(topic)
  }
  explainsLoss(): boolean {
    return this.#tampered.size > 0
  }
  explainsLossOf({ fields }: Line): boolean {
    return this.#tampered.has(text(fields.topic))
  }
}

export interface Line {
  readonly slot: string
  readonly process: string
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** What is so all along. */
export interface WarningsPlan {
  readonly chronicle: Chronicle
  readonly application: string
  /** Sources are waited for as long as it takes. */
  readonly strict: boolean
  /** Stores may be away from their changelog's end for so long, ms, as that is set up now. */
  readonly mayBeAwayMs: (task: string) => number
  /** A standby so many records behind asks for a copy of the owner's store. */
  readonly worthACopy: number
  /** So short that workers are away for longer. */
  readonly shortRetention: boolean
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const partitionIn = ({ fields }: Line): string => `${text(fields.topic)}-${String(fields.partition)}`

/** The transactional id of the task that a line is about. */
const idOf = ({ fields }: Line, application: string): string =>
  `${application}-${text(fields.task).replace(/_(?=\d+$)/, '-')}`

interface Opened {
  readonly slot: string
  readonly process: string
  readonly task: string
  readonly meta: StoreMeta | undefined
  readonly size: number
  /** By the clock of the process. */
  readonly nowMs: number
}

type Cause = (line: Line, plan: WarningsPlan) => boolean
type Rule = readonly [RegExp, Cause]

const isRefusal = ({ code }: Line['fields']): boolean => ['RECORD_REFUSED', 'RECORD_TOO_LARGE'].includes(text(code))
const isTooLong = ({ code }: Line['fields']): boolean => code === 'COMPUTATION_TOO_LONG'
/** Codes of topics that are not what they were. */
const ofTopics: ReadonlySet<string> = new Set<ErrorCode>([
  'CHANGELOG_LOST',
  'TOPIC_CHANGED',
  'TOPIC_MISSING',
  'TOPIC_REPLACED',
])

const never: Cause = () => false
const byRequests: Cause = (line, { chronicle }) => chronicle.explainsFailedRequest(line)
const byWrites: Cause = (line, { chronicle }) => chronicle.explainsFailedWrite(line)
const byAge: Cause = (_, { chronicle, shortRetention }) => shortRetention || chronicle.clocksWereSet

/** Of stores that are set aside, by what is said of them. */
const reasons: readonly Rule[] = [
  [/ is damaged$/, (line, { chronicle }) => chronicle.explainsDamage(line)],
  [/ is past the changelog's end /, (_, { chronicle }) => chronicle.explainsLoss()],
  [/the machine went down while it was open/, (line, { chronicle }) => chronicle.explainsPowerLoss(line)],
  // Reading of its changelog was cut off, by the worker's death, or because the task went from standby to owner.
  [/^it was left partly rebuilt$/, (line, { chronicle }) => chronicle.explainsHalf(line)],
  [/longer than half of delete\.retention\.ms|too long for delete\.retention\.ms/, byAge],
]

/** While its changelog was read, the clock was set far ahead, or the reader was away for long. */
const isTooOld: Cause = (line, plan) =>
  / too long for delete\.retention\.ms /.test(text(line.fields.error)) && byAge(line, plan)
const startsAgain: Cause = (line, plan) => {
  const { code } = line.fields
  if (code === 'STORE_DAMAGED') return isTooOld(line, plan)
  if (plan.chronicle.explainsUnknownTopic(line)) return true
  const codes: readonly unknown[] = ['TRANSACTION_FAILED', 'REQUEST_FAILED', 'UNEXPECTED_ANSWER']
  return codes.includes(code) && byRequests(line, plan)
}

/** No producer is later than the clock leaves it time. */
const isLate = (fields: Line['fields']): boolean =>
  fields.code === 'LATE' && !text(fields.message).includes('by the clock')

const rules: readonly Rule[] = [
  [
    /^a record went to the dead letters$/,
    ({ fields }, { chronicle }) =>
      ['NOT_JSON', 'COMPUTATION_FAILED', 'CALL_FAILED'].includes(text(fields.code)) ||
      isLate(fields) ||
      (chronicle.recordsAreRefused && isRefusal(fields)) ||
      (chronicle.messagesAreSlow && isTooLong(fields)),
  ],
  [/^a record of a broadcast was rejected/, ({ fields }) => fields.code === 'NOT_JSON'],
  [/^messages wait for a broadcast/, (line, plan) => plan.chronicle.schemasAreFetched || byRequests(line, plan)],
  [/^a source gave no answer in time/, (_, { strict }) => !strict],
  [/^a producer has an open transaction/, (line, { chronicle }) => chronicle.explainsOpenTransaction(line)],
  [
    /it was reset, so the worker starts there$|was set since, so the worker starts there$|^no commit in the changelog yet/,
    (line, { chronicle }) => chronicle.explainsReset(line),
  ],
  [
    /^the group has no offset for this source, although the task was active before/,
    (line, { chronicle, application }) => chronicle.explainsBeginning(line, application),
  ],
  [
    /^outputs (are older than retention\.ms|have timestamps that look like seconds)/,
    (_, { chronicle }) => chronicle.clocksWereSet,
  ],
  [/^the changelog has lost records/, (line, { chronicle }) => chronicle.explainsLossOf(line)],
  [/^the store is set aside/, (line, plan) => isExplained(reasons, text(line.fields.why), line, plan)],
  [
    /^the task restarts from its last commit$/,
    (line, plan) =>
      isRefusal(line.fields)
        ? plan.chronicle.recordsAreRefused
        : isTooLong(line.fields)
          ? plan.chronicle.messagesAreSlow
          : startsAgain(line, plan),
  ],
  // Of src/kafka, where brokers speak its protocol.
  [
    /^broker is gone|^waiting for the (last transaction of this id|transaction coordinator)|^the broker can't be asked where the log|^throttled: |: no answer yet, still trying$/,
    byRequests,
  ],
  [/^the group cannot be reached/, byRequests],
  [
    /^something needed to decode a (?:source|broadcast)'s records is unavailable|^the codec of a topic is not ready/,
    (_, { chronicle }) => chronicle.schemasAreFetched,
  ],
  [/^the task is suspended here$/, (line, { chronicle }) => chronicle.explainsOutdated(line)],
  [/^a computation blocked the event loop/, (_, { chronicle }) => chronicle.messagesAreSlow],
  [/^the broker rejects this worker's timestamps/, (_, { chronicle }) => chronicle.recordsAreRefused],
  [/^could not leave the group/, byRequests],
  [/^repartition topics are not purged/, (_, { chronicle }) => chronicle.deletingIsRefused],
  [/^a standby restarts$/, (line, plan) => byRequests(line, plan) || isTooOld(line, plan)],
  [/^no snapshot: /, (_, { chronicle }) => chronicle.explainsFailedCopy],
  [/^not everything was handed over in time/, (line, { chronicle }) => chronicle.explainsHandOver(line)],
  [
    /^the worker cannot continue|^worker stopped by an error$/,
    (line, plan) => {
      const code = text(line.fields.code)
      if (ofTopics.has(code)) return plan.chronicle.explainsLoss()
      if (code === 'STOPPED_BY_ON_ERROR') return plan.chronicle.recordsAreRefused
      if (plan.chronicle.mayFindNewer(line.process, code)) return true
      return (code === 'STORE_FAILED' ? byWrites : byRequests)(line, plan)
    },
  ],
  [/^could not (write to|close) the store$|^closing$/, byWrites],
  [/./, never],
]

const isExplained = (among: readonly Rule[], said: string, line: Line, plan: WarningsPlan): boolean =>
  among.find(([pattern]) => pattern.test(said))?.[1](line, plan) === true

export class Warnings {
  /** By process and task: how long the store had not had all of its changelog when it was opened, ms. */
  readonly #awayMs = new Map<string, number>()
  /** Processes and tasks whose store has objects without a position. */
  readonly #halves = new Set<string>()
  /** By process: transactional ids under which it was fenced, and has sent nothing to its group since. */
  readonly #missing = new Map<string, Set<string>>()
  readonly #fenced = new Map<string, Set<string>>()
  /** Processes and tasks that were told why there is no copy of the owner's store. */
  readonly #withoutCopy = new Set<string>()
  /** Those whose store began with a copy of the owner's. */
  readonly #usesCopy = new Set<string>()
  snapshotsTaken = 0
  snapshotsDiscarded = 0

  constructor(private readonly plan: WarningsPlan) {}

  /** A process has opened a task's store. */
  opened({ slot, process, task, meta, size, nowMs }: Opened): void {
    if (meta === undefined) this.plan.chronicle.storeWasBegun(slot, task)
    this.#awayMs.set(`${process} ${task}`, meta === undefined ? 0 : nowMs - meta.atEndMs)
    if (meta === undefined && size > 0) this.#halves.add(`${process} ${task}`)
    else this.#halves.delete(`${process} ${task}`)
  }

  /**
   * The problems with a request. Who was fenced may fence in turn only when the group was asked after that whose the task is:
   * else two owners would fence each other forever.
   */
  sent({ process, api, subject }: RequestInfo): string[] {
    if (api === 'heartbeat' || api === 'joinGroup') this.#fenced.delete(process)
    if (api !== 'initProducerId' || this.#fenced.get(process)?.has(subject) !== true) return []
    return [`${process} fences in turn, and has not asked whose ${subject} is`]
  }

  /** The problems with a line. */
  /** What that process has said is gone, and has not said since is back. */
  missedBy(process: string): readonly string[] {
    return [...(this.#missing.get(process) ?? [])]
  }

  #missed({ process, message, fields }: Line): void {
    const missing = this.#missing.get(process) ?? new Set()
    this.#missing.set(process, missing)
    if (message.startsWith('broker is gone')) missing.add(`broker ${text(fields.broker)}`)
    if (message === 'broker is back') missing.delete(`broker ${text(fields.broker)}`)
    if (message.startsWith('the group cannot be reached')) missing.add('the group')
    if (message === 'the group answers again') missing.delete('the group')
  }

  line(line: Line): string[] {
    const { level, message, fields, process } = line
    const { plan } = this
    const of = `${process} ${text(fields.task)}`
    const problem = (what: string): string[] => [`${what}: ${process} ${level}: ${message} ${JSON.stringify(fields)}`]
    this.#missed(line)
    switch (message) {
      case 'fenced: another activation of this task started':
        this.#fenced.set(process, (this.#fenced.get(process) ?? new Set()).add(idOf(line, plan.application)))
        return plan.chronicle.explainsFencing(line, plan.application) ? [] : problem('nobody fenced it')
      case 'the group has forgotten this worker: joining as a new member':
        return plan.chronicle.explainsForgotten(line) ? [] : problem('the group had no reason to')
      case 'task was handed over':
        if (fields.snapshotBytes !== 0 && !this.#usesCopy.has(of)) return problem('no copy was used')
        return []
      case 'took a snapshot of the store':
        this.snapshotsTaken++
        this.#usesCopy.add(of)
        return []
      case 'the owner has no snapshot: the changelog is read instead':
      case 'no snapshot: the changelog is read instead':
        this.#withoutCopy.add(of)
        break
      case 'a standby follows its changelog':
      case 'task is active': {
        // What had to be refused when it was opened is not to be gone on with.
        const awayMs = this.#awayMs.get(of) ?? 0
        if (fields.rebuilt === false && awayMs > plan.mayBeAwayMs(text(fields.task)) && !plan.chronicle.clocksWereSet)
          return problem(`an old store, away for ${String(awayMs)} ms, was not refused`)
        if (fields.rebuilt === false && this.#halves.delete(of))
          return problem('a store without a position was not refused')
        const { behind, snapshotBytes, owner } = fields
        const isTold = this.#withoutCopy.delete(of)
        if (typeof behind === 'number' && behind > plan.worthACopy && owner !== undefined)
          if (snapshotBytes === undefined && !isTold) return problem('a copy of the store would have helped')
        return []
      }
    }
    if (level === 'debug' || level === 'info') return []
    if (message.startsWith('the store is set aside') && fields.snapshotBytes !== undefined) {
      this.snapshotsDiscarded++
      this.#usesCopy.delete(of)
      this.#withoutCopy.add(of)
    }
    return isExplained(rules, message, line, plan) ? [] : problem('a warning of what nobody did')
  }
}
