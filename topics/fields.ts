/** What fields of several topics have in common. */
import * as z from 'zod'

const DATE = String.raw`\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])`
const TIME = String.raw`(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?`
const ZONE = String.raw`(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)`
/** ISO 8601's extended form, as in 2026-01-31 or 2026-01-31T09:30:00.000Z, with or without a zone. */
const isoTime = new RegExp(`^${DATE}(?:T${TIME}${ZONE}?)?$`)

/** ISO 8601, or milliseconds since the epoch. One check: a union would try one kind, and fail, for each of the other. */
export const time = z.custom<number | string>(
  (value) => (typeof value === 'number' ? Number.isFinite(value) : typeof value === 'string' && isoTime.test(value)),
  'must be an ISO 8601 time, or milliseconds since the epoch',
)

/** The key of all three topics. */
export const symbol = z.string().min(1)
