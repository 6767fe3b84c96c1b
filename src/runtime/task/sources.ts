/**
 * A4, what a task reads: one buffer for each source, filled by the fetcher, and the merge that says which gives the next record.
 *
 * Invariants
 * 1. Only the topic that is meant is read, not another one of its name.
 * 2. An input takes as much as its share of the memory, and continues when what was taken is committed.
 * 3. After `end` nothing comes any more of what was asked for before.
 * 4. Messages that look something up in broadcasts go when these are proven for them (core/processing/gated-merge.ts).
 * 5. Records come to the merge when they can be decoded: until then their input has not got them (../preparation.ts).
 */
import { OpenTransactionWatch } from '../../core/processing/open-transaction-watch.js'
import { GatedMerge } from '../../core/processing/gated-merge.js'
import { Input } from '../../core/processing/input.js'
import { Merge } from '../../core/processing/merge.js'
import type { HeldStatus } from '../../core/group/worker-status.js'
import { isPotorooError, PotorooError } from '../../errors.js'
import type { Clock } from '../../ports/clock.js'
import type { Fetched, Fetcher, FetchInput, Log } from '../../ports/log.js'
import type { Observer } from '../../ports/observer.js'
import type { StateStores } from '../../ports/store.js'
import { inputDeleted, inputReplaced, repartitionLost } from '../cures.js'
import type { Broadcasts, TaskBroadcasts } from '../broadcasts.js'
import { Preparation } from '../preparation.js'
import type { TaskPlan } from '../task-plan.js'
import type { Timekeeper } from './timekeeper.js'

export interface SourcesEnvironment {
  readonly log: Pick<Log, 'bootstrapServers'>
  readonly stores: Pick<StateStores, 'directory'>
  readonly clock: Clock
  readonly observer: Observer
  readonly fetcher: Fetcher
  readonly options: { readonly maxHoldMs: number }
  /** Of the worker; undefined where its application has none. */
  readonly broadcasts?: Pick<Broadcasts, 'of'> | undefined
  /** Bytes of fetched records that each input may keep in memory, now. */
  inputBytes(): number
}

/** What waits for less is on its way: each schema that is new, and each look at what a broadcast has. */
const HELD_MS = 1_000
/** Without records for so long, a source that has more is dry: its broker is away, or what comes next can't be read. */
export const DRY_MS = 100

export class Sources {
  /** Of the activation that began last, in the order of the plan's sources. */
  #inputs: readonly Input[] = []
  #marked: readonly Input[] = []
  #fetched: readonly FetchInput[] = []
  #merge = new Merge([], 0)
  #broadcasts: TaskBroadcasts | undefined
  /** Of inputs whose records may need something before they are decoded. */
  #preparations: Preparation[] = []
  /** By repartition: a position that it did not have when it was read from there. */
  readonly #purgedAt = new Map<string, number>()
  /** When records came last, on the monotonic clock. */
  #arrivedMs = -Infinity

  constructor(
    private readonly plan: TaskPlan,
    private readonly env: SourcesEnvironment,
    private readonly time: Timekeeper,
    /** Something has come. */
    private readonly ready: () => void,
  ) {}

  get inputs(): readonly Input[] {
    return this.#inputs
  }
  get merge(): Merge {
    return this.#merge
  }

  /** Those in which tasks say how far they are. */
  get marked(): readonly Input[] {
    return this.#marked
  }

  /** Whether there was more in a source than its last fetch brought. */
  get hasMore(): boolean {
    return this.#inputs.some(({ hasMore }) => hasMore)
  }
  /** Whether nothing has come for a while. */
  get isDry(): boolean {
    return this.env.clock.monotonic() >= this.#arrivedMs + DRY_MS
  }
  /** What of it stands still, and for what. */
  get held(): readonly HeldStatus[] {
    const undecodable = this.#preparations.flatMap(({ held = [] }) => held)
    return [...undecodable, ...(this.#broadcasts?.held ?? [])].filter(({ waitedMs }) => waitedMs >= HELD_MS)
  }
  /** Whether a record is here. */
  get hasHead(): boolean {
    return this.#inputs.some(({ hasHead }) => hasHead)
  }
  /** Timestamp of the oldest record that is here; undefined where there is none. */
  get oldestHeadMs(): number | undefined {
    const heads = this.#inputs.filter(({ hasHead }) => hasHead).map(({ cursor }) => cursor.timestampMs)
    return heads.length === 0 ? undefined : Math.min(...heads)
  }

  /** `failed`: a source can't be read. Nothing is fetched before `start`. */
  begin(positions: readonly number[], failed: (error: unknown) => void): void {
    const { env, plan } = this
    const inputs = plan.sources.map((source, i) => new Input(i, source.topic, positions[i] ?? 0))
    const { maxHoldMs } = env.options
    const waived = ({ topic, position }: Input): void => {
      const { id: task, partition } = plan
      env.observer.observe({ kind: 'source-waived', task, topic, partition, position, waitedMs: maxHoldMs })
    }
    const { broadcasts } = plan.processor.subTopology
    this.#broadcasts = broadcasts.length === 0 ? undefined : env.broadcasts?.of(broadcasts, this.ready)
    const merge =
      this.#broadcasts === undefined
        ? new Merge(inputs, maxHoldMs, waived)
        : new GatedMerge(inputs, maxHoldMs, waived, this.#broadcasts)
    this.#inputs = inputs
    this.#marked = inputs.filter((_, i) => (plan.time?.writers[i]?.length ?? 0) > 0)
    this.#merge = merge
    this.#preparations = []
    this.#fetched = inputs.map((input, i) => this.#fetchInput(input, plan.sources[i]?.id, merge, failed))
  }

  start(): void {
    for (const input of this.#fetched) this.env.fetcher.add(input)
  }

  end(): void {
    for (const input of this.#fetched) this.env.fetcher.remove(input)
    this.#fetched = []
    this.#broadcasts?.close()
    this.#broadcasts = undefined
    for (const preparation of this.#preparations.splice(0)) preparation.end()
  }

  #fetchInput(input: Input, topicId: string | undefined, merge: Merge, failed: (error: unknown) => void): FetchInput {
    const { env, plan, time } = this
    const watch = new OpenTransactionWatch()
    const accept = (fetched: Fetched): void => {
      // Nothing is asked for while an answer waits.
      if (!input.accept(fetched, time.answered(input.index, fetched.mayLag))) return
      if (fetched.batches.length > 0) {
        this.#arrivedMs = env.clock.monotonic()
        this.#broadcasts?.arrived(fetched.arrived)
      }
      this.ready()
    }
    const preparation = this.#preparation(input, accept, failed)
    return {
      topic: input.topic,
      topicId,
      partition: plan.partition,
      wanted: () => {
        if (preparation?.isHolding === true || input.pinnedBytes >= env.inputBytes()) return undefined
        time.asks(input.index)
        return input.end
      },
      hurried: () => merge.awaits(input) || time.awaits(input.index),
      deliver: (fetched) => {
        try {
          if (preparation === undefined) accept(fetched)
          else preparation.take(fetched)
          this.#sayOpenTransaction(watch, fetched)
        } catch (error) {
          failed(error)
        }
      },
      failed: (error) => {
        failed(this.#readFailure(input, error))
      },
    }
  }

  /** Undefined where records can be decoded as they come. */
  #preparation(
    input: Input,
    accept: (fetched: Fetched) => void,
    failed: (error: unknown) => void,
  ): Preparation | undefined {
    const { env, plan } = this
    const prepare = plan.processor.subTopology.sources[input.index]?.topic.codec?.prepare
    if (prepare === undefined) return undefined
    const where = { task: plan.id, topic: input.topic, partition: plan.partition }
    const preparation = new Preparation(
      prepare,
      {
        topic: input.topic,
        expected: () => input.end,
        pass: (fetched) => {
          try {
            accept(fetched)
          } catch (error) {
            failed(error)
          }
          env.fetcher.wake()
        },
        failed,
        holds: (lack) => {
          env.observer.observe({ kind: 'source-holds', ...where, ...lack })
        },
        goesOn: (waitedMs) => {
          env.observer.observe({ kind: 'source-goes-on', ...where, waitedMs })
        },
      },
      env.clock,
    )
    this.#preparations.push(preparation)
    return preparation
  }

  /** What it means that an input can't be read. */
  #readFailure({ topic, index, end }: Input, error: Error): Error {
    const { plan, env } = this
    if (isPotorooError(error, 'TOPIC_REPLACED')) return inputReplaced(plan, topic, error.message, env)
    if (!isPotorooError(error, 'OFFSET_OUT_OF_RANGE')) return error
    if (plan.sources[index]?.isRepartition !== true)
      return inputDeleted({ group: plan.group, topic, partition: plan.partition }, error.message, env)
    // An owner purges what it has committed, so this one's position is an old one, unless a later activation has it, too.
    if (this.#purgedAt.get(topic) === end) {
      const { group, processor } = plan
      const lost = { group, repartition: topic, partitions: processor.partitions }
      return repartitionLost(lost, `task ${plan.id}: ${error.message}`, env)
    }
    this.#purgedAt.set(topic, end)
    const what = `task ${plan.id}: ${error.message}: another owner may have purged it`
    return new PotorooError('FENCED', what, { cause: error })
  }

  #sayOpenTransaction(watch: OpenTransactionWatch, fetched: Fetched): void {
    const found = watch.observe(fetched, this.env.clock.monotonic())
    if (found === undefined) return
    const { topic, partition, lastStableOffset: position } = fetched
    const where = { task: this.plan.id, topic, partition, waitedMs: Math.round(found.waitedMs) }
    const { observer } = this.env
    if (found.kind === 'over') observer.observe({ kind: 'transaction-ended', ...where })
    else observer.observe({ kind: 'transaction-open', ...where, position, records: found.records })
  }
}
