/** What fields of several topics have in common. */
import { type } from 'arktype'

/** JSON has no Infinity, but reads 1e999 as such. */
export const finite = type.number.atLeast(-Number.MAX_VALUE).atMost(Number.MAX_VALUE)

const DATE = String.raw`\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])`
const TIME = String.raw`(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?`
const ZONE = String.raw`(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)`
/** ISO 8601's extended form, as in 2026-01-31 or 2026-01-31T09:30:00.000Z. ArkType's own takes every form, in four times the time. */
const isoTime = type(new RegExp(`^${DATE}(?:T${TIME}${ZONE}?)?$`)).describe('an ISO 8601 time')
/** ISO 8601, or milliseconds since the epoch. */
export const time = isoTime.or(finite)
/** The key of all three topics. */
export const symbol = type('string > 0')
