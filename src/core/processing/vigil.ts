/**
 * What a watchdog decides each time it looks at the event loop that it watches.
 *
 * Invariants
 * 1. A run is overdue, and cut off, by how long *it* has been seen, whatever came before it.
 * 2. Heartbeats are sent only while the loop is silent, so that a worker that answers in time costs the brokers nothing more.
 * 3. A loop that is silent for longer than a computation may take gets no heartbeats: nobody knows what became of it, and
 *    the group may give its tasks away.
 */

export interface VigilOptions {
  /** How long a computation may take, ms. */
  readonly maxComputationMs: number
  /** Kafka's session timeout, ms. */
  readonly sessionTimeoutMs: number
}

export interface Seen {
  /** The number of the run under way; undefined between two. */
  readonly run: number | undefined
  /** Changes with each sign of life of the event loop. */
  readonly beats: number
}

export interface Verdict {
  readonly isOverdue: boolean
  readonly isTooLong: boolean
  readonly heartbeat: boolean
}

/** How often a watchdog looks. A run is overdue after one to two of these. */
export const LOOK_MS = 100
/** After the bound, the computation is ended and its task begins again: the session lives for so long more. */
const GRACE_MS = 5_000

export class Vigil {
  readonly #heartbeatMs: number
  #run: number | undefined
  #runSinceMs = 0
  #beats: number | undefined
  #beatMs = 0
  #heartbeatAtMs = -Infinity

  constructor(private readonly options: VigilOptions) {
    // Several fit into a session, should one be lost.
    this.#heartbeatMs = options.sessionTimeoutMs / 6
  }

  look(nowMs: number, { run, beats }: Seen): Verdict {
    if (run !== this.#run) this.#runSinceMs = nowMs
    this.#run = run
    if (beats !== this.#beats) this.#beatMs = nowMs
    this.#beats = beats
    const ranMs = run === undefined ? 0 : nowMs - this.#runSinceMs
    const silentMs = nowMs - this.#beatMs
    const { maxComputationMs } = this.options
    const heartbeat =
      silentMs >= this.#heartbeatMs &&
      silentMs <= maxComputationMs + GRACE_MS &&
      nowMs - this.#heartbeatAtMs >= this.#heartbeatMs
    if (heartbeat) this.#heartbeatAtMs = nowMs
    return { isOverdue: ranMs >= LOOK_MS * 0.9, isTooLong: ranMs >= maxComputationMs, heartbeat }
  }
}
