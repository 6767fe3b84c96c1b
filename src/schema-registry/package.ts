/** Packages that only some users need, and install by themselves. */
import { messageOf, PotorooError } from '../errors.js'

/** Rejects with DEPENDENCY_MISSING. */
export async function packageOf<T>(name: string, forWhat: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    const { code } = cause as { readonly code?: unknown }
    const isMissing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND'
    throw new PotorooError(
      'DEPENDENCY_MISSING',
      isMissing
        ? `${forWhat} needs the package ${name}, which is not installed: npm install ${name}`
        : `${forWhat} needs the package ${name}, which does not load: ${messageOf(cause)}`,
      { cause },
    )
  }
}
