/** What runs in a simulated world: an application, what goes into it, and what has to come out. */
import type { ApplicationDefinition } from '../../../src/api/definition.js'
import type { SeededRandom } from '../../../src/memory/random.js'
import type { Scheduler, SimulatedProcess } from '../../../src/memory/scheduler.js'
import type { TopicPartition } from '../../../src/ports/log.js'
import type { Outside } from '../../../src/ports/outside.js'
import type { SeenRecord } from '../views.js'

export interface SimulatedApplication {
  readonly definition: ApplicationDefinition
  /** Configuration of a topic, its changelogs among them: by the topic's name in Kafka. */
  topicConfig?(topic: string): Readonly<Record<string, string>>
  /** Of a source, in a world whose topics have so many; default: as many. */
  partitionsOf?(topic: string, partitions: number): number
  /** For rolling deployments: a version that continues where the definition is, and one that can't. */
  readonly later?: { readonly compatible: ApplicationDefinition; readonly incompatible: ApplicationDefinition }
  /** What a worker in that process is made of; default: the definition. `isCalm`: nothing goes wrong any more. */
  equip?(process: SimulatedProcess, isCalm: () => boolean): ApplicationDefinition
  /** How long the world goes on when all that was fed is done, ms: what is due still comes. Default: not at all. */
  readonly restMs?: number
  /** What its calls reach, in a world whose workers all reach the same. */
  outside?(world: OutsideWorld): Outside
  draw(random: SeededRandom, plan: FeedPlan): Feed
}

/** What surrounds the workers, as what is outside sees it. */
export interface OutsideWorld {
  readonly scheduler: Scheduler
  isCommitted(of: TopicPartition, offset: number): boolean
  isCalm(): boolean
}

export interface FeedPlan {
  /** How many; in the order in which they are written. */
  readonly events: number
  /** How many keys there are. */
  readonly keys: number
  /** Of the sources. */
  readonly partitions: number
  /** When, ms from the beginning; negative: before it. */
  readonly fromMs: number
  readonly toMs: number
  /** Of messages that delete their state object, where there may be any. */
  readonly forgetShare: number
  /** Records go by their timestamps, always; else those of one source may overtake those of another. */
  readonly strict: boolean
  /** Whether brokers don't take what comes of an event, so that it is a dead letter. */
  readonly isRefused: (event: FeedEvent) => boolean
  /** Gives the records their timestamps, and the order in which a task takes them. */
  readonly stamp: <E extends FeedEvent>(events: readonly E[]) => Stamped<E>
}

export interface FeedEvent {
  readonly topic: string
  readonly key: string
  /** False: by the key it lies where it does, and it has none. */
  readonly hasKey?: boolean
  /** False: the record has none, whatever `text` says. */
  readonly hasValue?: boolean
  /** The record's value. */
  readonly text: string
  /** When it is written, ms from the beginning; before it when negative. */
  readonly atMs: number
  /** The record's, ms since the epoch, where it is not that of when it is written. */
  readonly timestampMs?: number
}

export interface Stamped<E> {
  readonly written: readonly E[]
  /** Strict worlds: as they are taken, those of one key in their order. */
  readonly taken: readonly E[]
}

export interface Feed {
  readonly events: readonly FeedEvent[]
  /** Values of the records that have to be dead letters in the end, where it says so. */
  deadLetters?(): readonly string[]
  /** The problems that it found. */
  check(seen: Seen): string[]
}

/** What there is when all has come to rest. */
export interface Seen {
  records(topic: string): readonly SeenRecord[]
  readonly deadLetters: readonly SeenRecord[]
  /** By key. */
  states(name: string): ReadonlyMap<string, unknown>
  /** Whether the later version of the application runs in the end. */
  readonly isLater: boolean
}
