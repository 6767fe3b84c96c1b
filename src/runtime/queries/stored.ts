/** What is stored, as it is told to who asks. */
import type { StateDefinition } from '../../api/definition.js'
import {
  MAX_PAGE_BYTES,
  MAX_SLICE_MS,
  type AsOf,
  type PageEntry,
  type PageQuestion,
  type TaskAnswer,
} from '../../core/query/question.js'
import { byteString, bytesOf, type ByteString } from '../../core/records/byte-string.js'
import { timesOf } from '../../core/state/due-index.js'
import { upgradedBytes } from '../../core/state/packing.js'
import { storeKeyOf } from '../../core/state/store-key.js'
import { isPotorooError, messageOf, PotorooError } from '../../errors.js'
import type { Clock } from '../../ports/clock.js'
import type { StateStore } from '../../ports/store.js'

export const NOT_HERE: TaskAnswer = { kind: 'not here' }
/** Entries between two looks at the clock. */
const ENTRIES_PER_LOOK = 16

/** Why a question has no answer, for who has asked it. */
export function failedWith(error: unknown): TaskAnswer {
  const known = isPotorooError(error) ? error : new PotorooError('INTERNAL', messageOf(error), { cause: error })
  return { kind: 'failed', code: known.code, message: known.message }
}

/** As the version that the application has. Undefined for what has expired by that time. */
export function told(definition: StateDefinition, packed: Buffer, key: string, timeMs: number): ByteString | undefined {
  if (definition.ttlMs !== undefined) {
    const { endsMs, time } = timesOf(packed, 0, packed.length)
    if (endsMs > 0 && endsMs <= timeMs && time.length === 0) return undefined
  }
  return byteString(upgradedBytes(definition, packed, key))
}

/** A part of the range, in one go: it ends by number, bytes and time. */
export function pageOf(
  { from, before, limit }: PageQuestion,
  definition: StateDefinition,
  store: StateStore,
  as: { readonly asOf: AsOf; readonly timeMs: number; readonly from: 'owner' | 'standby' },
  clock: Clock,
): TaskAnswer {
  const prefix = storeKeyOf(definition.name, '')
  const end = before === undefined ? `${definition.name}\u0001` : prefix + before
  const untilMs = clock.monotonic() + MAX_SLICE_MS
  const entries: PageEntry[] = []
  let [seen, bytes] = [0, 0]
  let next: ByteString | undefined
  store.scan(prefix + from, end, (storeKey, value) => {
    const key = storeKey.slice(prefix.length)
    const isLate = seen > 0 && seen % ENTRIES_PER_LOOK === 0 && clock.monotonic() >= untilMs
    if (entries.length === limit || bytes >= MAX_PAGE_BYTES || isLate) {
      next = key
      return false
    }
    seen++
    const packed = told(definition, Buffer.from(value), bytesOf(key).toString(), as.timeMs)
    if (packed === undefined) return true
    bytes += key.length + packed.length
    entries.push({ key, packed })
    return true
  })
  return { kind: 'page', entries, next, asOf: as.asOf, from: as.from }
}
