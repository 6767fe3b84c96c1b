/** What goes wrong with files and with LMDB, as PotorooErrors. */
import { messageOf, PotorooError } from '../errors.js'

/** LMDB's own codes (lmdb.h) that say that the file is not what LMDB wrote. */
const damageCodes: ReadonlySet<unknown> = new Set([
  -30797, // MDB_PAGE_NOTFOUND
  -30796, // MDB_CORRUPTED
  -30794, // MDB_VERSION_MISMATCH
  -30793, // MDB_INVALID
])

const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined

export const damaged = (path: string, found: string, cause?: unknown): PotorooError =>
  new PotorooError('STORE_DAMAGED', `The store ${path} can't be used: ${found}.`, { cause })

export const failed = (doing: string, cause: unknown): PotorooError =>
  cause instanceof PotorooError ? cause : new PotorooError('STORE_FAILED', `${doing}: ${messageOf(cause)}.`, { cause })

/** An error that LMDB threw: damage where its code says so, else a failure. */
export const lmdbFailure = (doing: string, path: string, cause: unknown): PotorooError => {
  if (cause instanceof PotorooError) return cause
  return damageCodes.has(codeOf(cause)) ? damaged(path, `LMDB says ${messageOf(cause)}`, cause) : failed(doing, cause)
}

export const isNotFound = (error: unknown): boolean => codeOf(error) === 'ENOENT'
export const isCode = (error: unknown, ...codes: readonly string[]): boolean => {
  const code = codeOf(error)
  return typeof code === 'string' && codes.includes(code)
}
