/**
 * What a task tells of its state objects to who asks from outside.
 *
 * Invariants (21 of the map: an answer is of a committed state; `fenced`: of one committed after the question)
 * 1. What is told of a key is what the last collected commit has of it. If that commit is under way and has changed the key, it is
 *    told when the commit is acknowledged; when it is not, nothing is told, and whoever asks asks again.
 * 2. Fenced, nothing is looked at before a commit that began after the question is acknowledged (invariant 6 of committer.ts).
 * 3. Scans are of the store, which has nothing that is not committed: all of the commit that they name, and perhaps something of later
 *    ones. A page is read in one go, and ends by number, bytes and time.
 * 4. Nothing is told of a computation that was ended from outside: memory is as it happened to be.
 * 5. What has expired by the task's time as of the commit is not there, swept or not.
 */
import type { StateDefinition } from '../../api/definition.js'
import type { Processor } from '../../core/processing/processor.js'
import type { PageQuestion, PointQuestion, Question, TaskAnswer } from '../../core/query/question.js'
import type { Clock } from '../../ports/clock.js'
import { failedWith, NOT_HERE, pageOf, told } from '../queries/stored.js'
import type { TaskPlan } from '../task-plan.js'
import type { StoreHolder } from '../task-store.js'
import type { Committer } from './committer.js'
import type { Isolation } from './isolation.js'
import type { StoreWriter } from './store-writer.js'

export class Answers {
  #processor: Pick<Processor, 'collectedOf'> | undefined

  constructor(
    private readonly plan: TaskPlan,
    private readonly holder: Pick<StoreHolder, 'store'>,
    private readonly clock: Clock,
    private readonly committer: Pick<Committer, 'made' | 'underWay' | 'proven'>,
    private readonly store: Pick<StoreWriter, 'stored' | 'hasAllOf'>,
    private readonly isolation: Pick<Isolation, 'isCutOff'>,
  ) {}

  begin(processor: Pick<Processor, 'collectedOf'>): void {
    this.#processor = processor
  }

  end(): void {
    this.#processor = undefined
  }

  /** `isFenced`: who owns the task is to be proven first. Never rejects. */
  async answer(question: Question, isFenced: boolean): Promise<TaskAnswer> {
    try {
      if (isFenced && !(await this.committer.proven())) return NOT_HERE
      const definition = this.plan.processor.subTopology.states.find(({ name }) => name === question.state)
      if (definition === undefined) return NOT_HERE
      return await (question.kind === 'get' ? this.#state(question, definition) : this.#page(question, definition))
    } catch (error) {
      return failedWith(error)
    }
  }

  async #state({ key }: PointQuestion, definition: StateDefinition): Promise<TaskAnswer> {
    const { committer } = this
    if (this.#processor === undefined || this.isolation.isCutOff) return NOT_HERE
    const { packed, isUnderWay } = this.#processor.collectedOf(definition, Buffer.from(key))
    const made = isUnderWay ? await committer.underWay() : committer.made
    if (made === undefined) return NOT_HERE
    const state = packed && told(definition, packed, key, made.timeMs)
    return { kind: 'state', packed: state, asOf: made.asOf, from: 'owner' }
  }

  async #page(question: PageQuestion, definition: StateDefinition): Promise<TaskAnswer> {
    const { consistency } = question
    if (consistency !== 'committed') {
      const ageMs = consistency === 'fenced' ? 0 : consistency
      // What is under way may have been decided long ago; a proof has waited for it.
      if (consistency !== 'fenced') await this.committer.underWay()
      if (!(await this.store.hasAllOf(ageMs, () => this.committer.underWay()))) return NOT_HERE
    }
    const [{ stored }, { made }, { store }] = [this.store, this.committer, this.holder]
    if (stored === undefined || made === undefined || store === undefined) return NOT_HERE
    return pageOf(question, definition, store, { asOf: stored, timeMs: made.timeMs, from: 'owner' }, this.clock)
  }
}
