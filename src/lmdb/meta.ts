/** StoreMeta as bytes: JSON with the number of the store's format, readable with any LMDB tool. */
import { messageOf } from '../errors.js'
import type { StoreMeta } from '../ports/store.js'

/** Raise it whenever an older Potoroo would misread the store. */
export const STORE_FORMAT = 1

/** Without positions: a store that is being filled. */
export const encodeMeta = (meta: StoreMeta | undefined): Buffer =>
  Buffer.from(
    JSON.stringify(
      meta === undefined
        ? { format: STORE_FORMAT }
        : {
            format: STORE_FORMAT,
            changelogPosition: meta.changelogPosition,
            identity: meta.identity,
            inputPositions: meta.inputPositions,
            atEndMs: meta.atEndMs,
          },
    ),
  )

/** A string says what is wrong with the bytes. */
export function decodeMeta(bytes: Uint8Array): { readonly meta: StoreMeta | undefined } | string {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString())
  } catch (error) {
    return `its positions are not JSON (${messageOf(error)})`
  }
  if (!isObject(value)) return 'its positions are not an object'
  const { format, changelogPosition, identity, inputPositions, atEndMs } = value
  if (typeof format === 'number' && format > STORE_FORMAT)
    return `it was written by a newer Potoroo (store format ${String(format)}; this one knows ${String(STORE_FORMAT)})`
  if (format !== STORE_FORMAT) return 'it does not say which store format it has'
  if (Object.keys(value).length === 1) return { meta: undefined }
  if (
    !isPosition(changelogPosition) ||
    typeof identity !== 'string' ||
    !isPositions(inputPositions) ||
    typeof atEndMs !== 'number'
  )
    return 'its positions are incomplete'
  return { meta: { changelogPosition, identity, inputPositions, atEndMs } }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isPosition = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0
const isPositions = (value: unknown): value is Record<string, number> =>
  isObject(value) && Object.values(value).every(isPosition)
