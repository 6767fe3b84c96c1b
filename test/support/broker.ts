import { randomBytes } from 'node:crypto'
import { inject } from 'vitest'

/** Addresses of the broker that the global set-up provides: `host:port`, one or more. Only for tests in test/kafka. */
export const testBrokers = (): string[] => inject('brokers').split(',')

/** A name that no other test uses, so that tests share one broker: for topics, groups, applications. */
export const uniqueName = (prefix: string): string => `${prefix}-${randomBytes(4).toString('hex')}`
