/** What has happened to a worker lately, for its status: tasks that came to it, and how long messages took. */
import { RecentLatency } from '../core/group/recent-latency.js'
import type { HandOff, WorkerStatus } from '../core/group/worker-status.js'
import type { Observer, RuntimeEvent } from '../ports/observer.js'

/** So many of the last are told to those who ask. */
const HAND_OFFS_KEPT = 20

export class RecentActivity implements Observer {
  readonly #latency = new RecentLatency()
  /** The latest last. */
  #handOffs: readonly HandOff[] = []

  constructor(private readonly monotonic: () => number) {}

  get status(): Pick<WorkerStatus, 'latency' | 'handOffs'> {
    return { latency: this.#latency.counts(this.monotonic()), handOffs: this.#handOffs }
  }

  handedOver(handOff: HandOff): void {
    this.#handOffs = [...this.#handOffs, handOff].slice(-HAND_OFFS_KEPT)
  }

  observe(event: RuntimeEvent): void {
    if (event.kind !== 'committed') return
    const now = this.monotonic()
    for (const { messages, firstTimestampMs } of event.from)
      if (firstTimestampMs >= 0) this.#latency.record(now, event.atMs - firstTimestampMs, messages)
  }
}
