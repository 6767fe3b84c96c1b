/** kafkajs's log lines, as ours: what it calls errors are retries that this layer decides on and reports itself. */
import type { Logger } from '../ports/logger.js'
import type { KafkajsLogger } from './kafkajs.js'

export function kafkajsLogger(logger: Logger): KafkajsLogger {
  const quiet = (message: string, extra?: object): void => {
    logger.debug({ kafkajs: extra }, message)
  }
  const adapted: KafkajsLogger = {
    namespace: () => adapted,
    // Two lines for every request: never wanted, and costly to make.
    debug: () => undefined,
    info: quiet,
    warn: quiet,
    error: quiet,
  }
  return adapted
}
