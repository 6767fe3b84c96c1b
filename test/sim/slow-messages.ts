/**
 * Messages whose computation takes seconds, and some that take forever, in some of the worlds. While one is computed, its
 * process answers nothing; only its watchdog's thread goes on.
 */
import { definitionOf } from '../../src/api/application.js'
import type { ApplicationDefinition } from '../../src/api/definition.js'
import type { MemoryCluster } from '../../src/memory/cluster.js'
import { SeededRandom } from '../../src/memory/random.js'
import type { SimulatedProcess } from '../../src/memory/scheduler.js'
import { MemoryWatchdog } from '../../src/memory/watchdog.js'
import type { Watchdog } from '../../src/ports/watchdog.js'
import type { RuntimeOptions } from '../../src/runtime/options.js'
import { simulatedWith, type Order, type Quote } from './application.js'
import type { FeedEvent } from './applications/simulated-application.js'

/** Longer than the longest that ends by itself. */
const MAX_COMPUTATION_MS = 20_000
/** Longer than the session timeout, and than the transaction timeout. */
const TAKES_MS = [700, 3_000, 8_000, 19_000, 19_900] as const
const FOR_EVER = Infinity
/** Once all is well, a worker computes a message so often at most: with others, rolled back, alone. */
const MOST_COMPUTATIONS = 3
/** Where a commit may fail for another reason meanwhile: once more, and where it throws, twice. */
const MOST_WITH_OTHER_TROUBLE = 6

export class SlowMessages {
  /** By id. */
  readonly #takesMs = new Map<string, number>()
  /** How often each was begun by each process since all was well. */
  readonly #computed = new Map<string, number>()
  #calm = false
  readonly isOn: boolean

  /** `may`: false where the world has another application. */
  constructor(seed: number, may: boolean) {
    this.#random = new SeededRandom(seed ^ 0x510e527f)
    this.isOn = this.#random.chance(0.25) && may
  }

  readonly #random: SeededRandom

  /** Messages that fail in any case may as well never end: either way they are dead letters. */
  draw(events: readonly FeedEvent[]): void {
    if (!this.isOn) return
    const messages = events.flatMap(({ text }) => (text.startsWith('{') ? [JSON.parse(text) as Quote | Order] : []))
    const drawn = (those: typeof messages, count: number): readonly string[] =>
      Array.from({ length: count }, () => this.#random.pick(those).id)
    const failing = messages.filter(({ kind }) => kind === 'throws')
    if (messages.length > 0)
      for (const id of drawn(messages, 1 + this.#random.below(3))) this.#takesMs.set(id, this.#random.pick(TAKES_MS))
    if (failing.length > 0 && this.#random.chance(0.5))
      for (const id of drawn(failing, 1)) this.#takesMs.set(id, FOR_EVER)
  }

  /** Without slow messages nobody watches, and the world is as if there were no watchdogs. */
  get options(): Pick<RuntimeOptions, 'maxComputationMs'> {
    return { maxComputationMs: this.isOn ? MAX_COMPUTATION_MS : 0 }
  }

  calm(): void {
    this.#calm = true
  }

  /** What a worker in that process is made of. */
  equip(
    process: SimulatedProcess,
    cluster: MemoryCluster,
    group: string,
    { sessionTimeoutMs, maxComputationMs }: Pick<RuntimeOptions, 'sessionTimeoutMs' | 'maxComputationMs'>,
    otherwise: ApplicationDefinition,
  ): { readonly definition: ApplicationDefinition; readonly watchdog: Watchdog | undefined } {
    if (!this.isOn) return { definition: otherwise, watchdog: undefined }
    const thread = process.thread()
    const client = cluster.log({ process: thread, clientId: process.name }).group(group)
    const watchdog = new MemoryWatchdog({ process, thread, client, sessionTimeoutMs, maxComputationMs })
    const definition = definitionOf(
      simulatedWith((id) => {
        const ms = this.#takesMs.get(id)
        if (ms === undefined) return
        const what = `${process.name} ${id}`
        if (this.#calm) this.#computed.set(what, (this.#computed.get(what) ?? 0) + 1)
        watchdog.compute(ms)
      }),
    )
    return { definition, watchdog }
  }

  /** When the world has come to rest. */
  problems(hasOtherTrouble: boolean): string[] {
    const most = hasOtherTrouble ? MOST_WITH_OTHER_TROUBLE : MOST_COMPUTATIONS
    return [...this.#computed]
      .filter(([, times]) => times > most)
      .map(([what, times]) => `${what}: a slow message was computed ${String(times)} times after all was well`)
  }
}
