/**
 * The part of pino's interface that Potoroo uses: a pino logger qualifies, and so does any object with these methods.
 */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** The same, but isolated: what a user's logger throws or rejects with must not end what it logs. */
export function unfailing(logger: Logger): Logger {
  const asked: Readonly<Record<keyof Logger, (fields: object, message: string) => unknown>> = logger
  const guarded =
    (level: keyof Logger): Logger[typeof level] =>
    (fields, message) => {
      try {
        // By its type it returns nothing, but it may be asynchronous.
        const outcome = asked[level](fields, message)
        if (outcome instanceof Promise) outcome.catch(() => undefined)
      } catch {
        // There is no one to report it to.
      }
    }
  return { debug: guarded('debug'), info: guarded('info'), warn: guarded('warn'), error: guarded('error') }
}
