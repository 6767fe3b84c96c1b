/** What fields of several topics have in common. */
import { type } from 'arktype'

/** JSON has no Infinity, but reads 1e999 as such. */
export const finite = type.number.atLeast(-Number.MAX_VALUE).atMost(Number.MAX_VALUE)
/** ISO 8601, or milliseconds since the epoch. */
export const time = type('string.date.iso').or(finite)
/** The key of all three topics. */
export const symbol = type('string > 0')
