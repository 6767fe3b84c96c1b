/** A Kafka log for tests, with what it logs. */
import { createKafkaLog } from '../../src/kafka/log.js'
import type { KafkaOptions } from '../../src/kafka/options.js'
import type { Log } from '../../src/ports/log.js'
import { systemClock } from '../../src/system.js'
import { testBrokers } from './broker.js'

export interface LogLine {
  readonly level: string
  readonly message: string
  readonly fields: object
}
export interface TestLog {
  readonly log: Log
  readonly lines: LogLine[]
}

export function testLog(options: Partial<KafkaOptions> = {}): TestLog {
  const lines: LogLine[] = []
  const at = (level: string) => (fields: object, message: string) => void lines.push({ level, message, fields })
  const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  const log = createKafkaLog({ brokers: testBrokers(), clientId: 'test', logger, clock: systemClock, ...options })
  return { log, lines }
}
