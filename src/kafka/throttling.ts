/**
 * Quotas. A broker that throttles a client answers at once, says for how long in the answer, and reads nothing more from that
 * connection until then (KIP-219). What is sent meanwhile would look as if the connection were dead. So nothing is sent on
 * it until the time is over (`InFlight`), and a transaction does not begin before its connections are free.
 */
import type { Clock } from '../ports/clock.js'
import type { Logger } from '../ports/logger.js'

/** A broker that throttled nothing for so long starts throttling afresh when it does so again: that is said again. */
const QUIET_MS = 60_000

/** Own codecs read `throttleTimeMs`; kafkajs's have two names for it, by the version of the request. */
export function throttleTimeOf(answer: unknown): number {
  if (typeof answer !== 'object' || answer === null) return 0
  const times = answer as { throttleTimeMs?: unknown; throttleTime?: unknown; clientSideThrottleTime?: unknown }
  let longest = 0
  for (const time of [times.throttleTimeMs, times.throttleTime, times.clientSideThrottleTime])
    if (typeof time === 'number' && time > longest) longest = time
  return longest
}

/** Says that brokers throttle, once while it continues. */
export class ThrottleNotices {
  readonly #lastMs = new Map<string, number>()

  constructor(private readonly ports: { readonly clock: Clock; readonly logger: Logger }) {}

  throttled(broker: string, api: string, ms: number): void {
    const { clock, logger } = this.ports
    const nowMs = clock.monotonic()
    const isNew = nowMs - (this.#lastMs.get(broker) ?? -Infinity) > QUIET_MS
    this.#lastMs.set(broker, nowMs + ms)
    const fields = { broker, api, throttledMs: ms }
    if (isNew)
      logger.warn(
        fields,
        'throttled: the broker reads nothing from this connection for a while, because of a quota of this client',
      )
    else logger.debug(fields, 'throttled')
  }
}
