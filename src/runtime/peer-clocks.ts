/**
 * What the clocks of the other workers say: time may not go by a clock that is ahead of most others. Asked where others may have
 * come or gone, and now and then.
 *
 * Invariants
 * 1. The limit is the median of those that answered, and a second: of an even number, the lower of the two. So one clock that is
 *    wrong brings nothing about too early, where there are three workers; of two, the earlier one counts.
 * 2. It stays, by monotonic time, where nobody answers any more.
 * 3. Where nobody has ever answered there is none.
 */
import type { Clock, Timer } from '../ports/clock.js'
import type { Peer, Peers } from '../ports/peers.js'
import { atMost } from './options.js'

const MARGIN_MS = 1_000
const ASK_EVERY_MS = 10_000
const ANSWERS_WITHIN_MS = 2_000

export class PeerClocks {
  /** What the limit is ahead of the monotonic clock. */
  #aheadMs = Infinity
  #peers: readonly Peer[] = []
  #timer: Timer | undefined
  #asking = new AbortController()

  constructor(private readonly ports: { readonly clock: Clock; readonly peers: Pick<Peers, 'status'> }) {}

  /** ms since the epoch. */
  get limitMs(): number {
    return this.ports.clock.monotonic() + this.#aheadMs
  }

  peersAre(peers: readonly Peer[]): void {
    this.#peers = peers
    this.#ask()
  }

  stop(): void {
    this.#asking.abort()
    this.#timer?.cancel()
  }

  #ask(): void {
    this.stop()
    const asking = (this.#asking = new AbortController())
    if (this.#peers.length === 0) return
    void this.#askAll(asking.signal).then((aheadMs) => {
      if (asking.signal.aborted) return
      if (aheadMs !== undefined) this.#aheadMs = aheadMs
      this.#timer = this.ports.clock.after(ASK_EVERY_MS, () => {
        this.#ask()
      })
    })
  }

  /** Never rejects. */
  async #askAll(signal: AbortSignal): Promise<number | undefined> {
    const { clock, peers } = this.ports
    const offsets: number[] = []
    const asks = this.#peers.map(async (peer) => {
      const askedMs = clock.monotonic()
      const status = await peers.status(peer, signal).catch(() => undefined)
      if (status?.nowMs !== undefined) offsets.push(status.nowMs - (askedMs + clock.monotonic()) / 2)
    })
    await atMost(clock, ANSWERS_WITHIN_MS, Promise.all(asks))
    const median = [...offsets].sort((a, b) => a - b)[(offsets.length - 1) >> 1]
    return median === undefined ? undefined : median + MARGIN_MS
  }
}
