/**
 * The demonstration itself: workers come, one is killed and comes back while quotes and orders are fed, and what comes out is
 * compared with a plain calculation.
 */
import { randomBytes } from 'node:crypto'
import type { ApplicationDefinition } from '../../api/definition.js'
import { planTopics, topicNames } from '../../core/plan/topic-plan.js'
import { namesOf, topologyOf } from '../../core/plan/topology.js'
import { viewGroup } from '../../kafka/group-view.js'
import type { KafkaOptions } from '../../kafka/options.js'
import { compare, rejectionsOf, type Comparison } from '../../market-spread/calculation.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Invocation } from '../invocation.js'
import { serveUi, type Serving } from '../ui/serving.js'
import { Crew } from './crew.js'
import { Feed } from './feed.js'
import { Looks } from './looks.js'
import { partitionsOf, Rejections } from './rejections.js'
import { began, emptyShow, happened, isSettled, looked, type Moment, type Show } from './show.js'
import type { Stage } from './stage.js'
import { isDue, isSeen, storyOf, victimOf } from './story.js'

export interface DemonstrationOptions {
  readonly definition: ApplicationDefinition
  readonly log: Log
  readonly kafka: KafkaOptions
  readonly clock: Clock
  readonly stage: Stage
  /** Where workers may keep what they need. */
  readonly directory: string
  readonly seconds: number
  readonly workers: number
  readonly eventsPerSecond: number
  readonly seed: number
  readonly token: string | undefined
  readonly invocation: Omit<Invocation, 'topicPrefix'>
  /** To end early. */
  readonly stop: AbortSignal
}

export interface Outcome extends Comparison {
  readonly fed: number
  /** Not all that was fed was waited for. */
  readonly isCutShort: boolean
}

/** For how long results may be outstanding after the last event was sent, and after it was stopped early. */
const SETTLE_MS = 60_000
const SETTLE_STOPPED_MS = 10_000
/** When the last step takes so long to take its effect, feeding ends all the same. */
const OVERTIME_MS = 60_000

/** Leaves no topic and no process behind. Rejects with what a worker ended with, or Kafka. */
export async function demonstrate(options: DemonstrationOptions): Promise<Outcome> {
  const { definition, log, kafka, clock, stage, directory, token } = options
  const topicPrefix = `demo-${randomBytes(3).toString('hex')}-`
  const names = namesOf(topicPrefix, definition.name)
  const topology = topologyOf(definition)
  const wanted = topicNames(topology, names)
  const group = await viewGroup(kafka, names.group)
  const crew = new Crew({ directory, brokers: kafka.brokers.join(), topicPrefix, clock })
  let ui: Serving | undefined
  try {
    await log.createTopics(planTopics(topology, names, new Map()).flatMap(({ create }) => create ?? []))
    ui = await serveUi({
      ...{ definition, log, kafka, token, logger: stage.logger, host: '127.0.0.1', port: 0 },
      ...{ invocation: { ...options.invocation, topicPrefix }, lookEveryMs: stage.lookEveryMs },
    })
    stage.opened(ui.url)
    const rejections = new Rejections(log, await partitionsOf(log, [names.topic('rejections')]))
    const topics = await log.describeTopics(wanted)
    return await new Demonstration(options, { ui, crew, rejections, topics, topicPrefix }).run()
  } finally {
    await crew.destroy()
    await ui?.close()
    try {
      // On a broker that goes on, nothing of the demonstration stays.
      await group.deleteWith(wanted)
    } finally {
      await group.close()
    }
  }
}

interface Parts {
  readonly ui: Serving
  readonly crew: Crew
  readonly rejections: Rejections
  readonly topics: ConstructorParameters<typeof Feed>[1]
  readonly topicPrefix: string
}

class Demonstration {
  readonly #looks = new Looks()
  readonly #feed: Feed
  readonly #plannedMs: number
  #show: Show
  #story: ReturnType<typeof storyOf>
  /** When the last step was done. */
  #sinceMs = 0
  #isOver = false

  constructor(
    private readonly options: DemonstrationOptions,
    private readonly parts: Parts,
  ) {
    const { kafka, seconds, workers, seed, eventsPerSecond, stop } = options
    const { topics, topicPrefix, ui } = parts
    this.#plannedMs = seconds * 1000
    this.#story = storyOf(workers, this.#plannedMs)
    this.#show = emptyShow(ui.url, this.#plannedMs)
    const isEnough = (passedS: number): boolean => {
      const isOver = passedS >= seconds && (this.#isTold() || passedS * 1000 >= this.#plannedMs + OVERTIME_MS)
      return isOver || this.#isOver || stop.aborted
    }
    this.#feed = new Feed(kafka, topics, { seed, topicPrefix, eventsPerSecond, isEnough })
  }

  async run(): Promise<Outcome> {
    const { clock, stop } = this.options
    const { crew, rejections, ui } = this.parts
    const leave = ui.subscribe(this.#looks.listener)
    try {
      this.#start('started')
      await this.#watch(() => isSettled(this.#show) || stop.aborted)
      this.#show = began(this.#show, clock.now())
      await this.#feedAndWatch()
      const expected = [...rejectionsOf(this.#feed.events)]
      const untilMs = clock.monotonic() + (stop.aborted ? SETTLE_STOPPED_MS : SETTLE_MS)
      const isDone = (): boolean => this.#show.lag === 0 && rejections.seen.length >= expected.length
      await this.#watch(() => isDone() || clock.monotonic() > untilMs)
      const isCutShort = stop.aborted && !isDone()
      await crew.stop()
      await rejections.readToEnd()
      return { ...compare(expected, rejections.seen), fed: this.#feed.events.length, isCutShort }
    } finally {
      this.#isOver = true
      leave()
    }
  }

  async #feedAndWatch(): Promise<void> {
    let isFed = this.options.stop.aborted
    const feeding = isFed
      ? Promise.resolve()
      : this.#feed.run().finally(() => {
          isFed = true
        })
    await Promise.all([feeding, this.#watch(() => isFed)])
  }

  /** Looks until it is so, after each look. Rejects with what a worker ended with, or Kafka. */
  async #watch(until: () => boolean): Promise<void> {
    const { crew, rejections } = this.parts
    const { stage } = this.options
    while (!until()) {
      const now = await Promise.race([this.#looks.next(), crew.failed])
      await rejections.readToEnd()
      this.#show = looked(this.#show, now, { fed: this.#feed.events.length, rejections: rejections.seen.length })
      stage.looked(this.#show)
      this.#step()
    }
  }

  /** Whether all has happened, and had its effect. */
  #isTold(): boolean {
    return this.#story.length === 0 && isSeen(this.#show, this.options.clock.now())
  }

  #step(): void {
    const { clock, stop } = this.options
    const [step, ...rest] = this.#story
    const nowMs = clock.now()
    if (step === undefined || stop.aborted || !isDue(step, this.#show, nowMs, this.#sinceMs)) return
    this.#story = rest
    this.#sinceMs = nowMs
    if (step.kind === 'add') this.#start('added')
    else if (step.kind === 'kill') this.#kill()
    else this.#restart()
  }

  #start(kind: 'started' | 'added'): void {
    const worker = `worker-${String(this.#show.workers.length + 1)}`
    this.parts.crew.start(worker)
    this.#tell({ kind, worker, atMs: this.options.clock.now() })
  }

  #kill(): void {
    const worker = victimOf(this.#show)
    if (worker === undefined) return
    const pid = this.parts.crew.kill(worker)
    this.#tell({ kind: 'killed', worker, pid, atMs: this.options.clock.now() })
  }

  #restart(): void {
    const worker = this.#show.workers.find(({ state }) => state === 'killed')?.name
    if (worker === undefined) return
    this.parts.crew.start(worker)
    this.#tell({ kind: 'restarted', worker, atMs: this.options.clock.now() })
  }

  #tell(moment: Moment): void {
    this.#show = happened(this.#show, moment)
    this.options.stage.happened(moment, this.#show)
  }
}
