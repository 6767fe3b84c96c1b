/**
 * Notices in a running group that partitions were added to a source, and that a topic was deleted and recreated. The answer
 * to that question has an entry for each partition of each topic, so not everybody asks all the time.
 *
 * Invariants
 * 1. The group's leader asks every LEADER_MS. Where a count is not what its tasks were planned for, it ends with
 *    PARTITION_COUNT_CHANGED, and the group rebalances.
 * 2. After each assignment everybody asks once more, and again until there was an answer. So when the leader goes, whoever
 *    was planned for the old counts ends, too. And a leader that was planned for the new ones joined after the change:
 *    its join was a rebalance for all who were there.
 * 3. What gets through there (a broker that answered with an old count, a leader whose application has other sources) is
 *    noticed within OTHERS_MS.
 * 4. Who is not the leader asks every AFTER_ASSIGNMENT_MS at most, however often the group rebalances.
 * 5. That a topic is another one is believed when it was said twice: soon after it was made, a broker that lags behind may
 *    answer with the one before. Nobody reads or writes the wrong one meanwhile, where brokers go by ids.
 */
import { isPotorooError, messageOf, type ErrorCode, type PotorooError } from '../errors.js'
import type { Timer } from '../ports/clock.js'
import type { TaskPlan } from './task-plan.js'
import type { ObservedPorts } from './options.js'
import { checkTopics } from './topics.js'

/**
 * At the others' rate, which is just as soon: until new partitions are noticed, records of keys that moved go to the
 * dead letters.
 */
const LEADER_MS = 2500
const AFTER_ASSIGNMENT_MS = 5000
const OTHERS_MS = 300_000

/** A topic is a different one than before. */
const aboutIdentity: ReadonlySet<ErrorCode> = new Set([
  'TOPIC_REPLACED',
  'REPARTITION_LOST',
  'TOPIC_CHANGED',
  'CHANGELOG_LOST',
])

export class TopicsWatch {
  #timer: Timer | undefined
  #stopped = false
  /** Whether an assignment came after the last request. */
  #isDue = false
  #askedMs: number

  /** What was reported once. */
  #suspicion: string | undefined

  constructor(
    private readonly plans: ReadonlyMap<string, TaskPlan>,
    private readonly ports: Pick<ObservedPorts, 'log' | 'stores' | 'clock' | 'observer'>,
    private readonly group: { readonly isLeader: boolean },
    /** Called once at most. */
    private readonly changed: (error: PotorooError) => void,
  ) {
    // The current plans.
    this.#askedMs = ports.clock.monotonic()
    this.#later()
  }

  /** To be called with each assignment. */
  assigned(): void {
    this.#isDue = true
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #later(): void {
    this.#timer = this.ports.clock.after(LEADER_MS, () => {
      void this.#ask()
    })
  }

  async #ask(): Promise<void> {
    const { clock, observer } = this.ports
    const agoMs = clock.monotonic() - this.#askedMs
    if (this.group.isLeader || agoMs >= (this.#isDue ? AFTER_ASSIGNMENT_MS : OTHERS_MS)) {
      this.#askedMs = clock.monotonic()
      // Before the request: an assignment that comes meanwhile is not covered by this answer.
      this.#isDue = false
      try {
        await checkTopics(this.plans.values(), this.ports)
        this.#suspicion = undefined
      } catch (error) {
        if (this.#isStopped()) return
        if (isPotorooError(error) && this.#isCertain(error)) {
          this.#stopped = true
          this.changed(error)
          return
        }
        this.#isDue = true
        // Brokers that don't answer are noticed and reported by those that need them.
        observer.observe({ kind: 'topics-unchecked', error: messageOf(error) })
      }
    }
    if (!this.#isStopped()) this.#later()
  }

  /** Invariant 5 */
  #isCertain({ code, message }: PotorooError): boolean {
    if (code === 'PARTITION_COUNT_CHANGED') return true
    if (!aboutIdentity.has(code)) return false
    const isCertain = this.#suspicion === message
    this.#suspicion = message
    return isCertain
  }

  // A method, so that the compiler forgets what it knew before an await.
  #isStopped(): boolean {
    return this.#stopped
  }
}
