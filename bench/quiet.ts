import type { Logger } from '#potoroo/ports/logger.js'

const ignore = (): void => undefined

/** Says what went wrong, and nothing else: the figures are for standard output. */
export const quiet: Logger = {
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: (fields: object, message: string): void => console.error(message, fields),
}
