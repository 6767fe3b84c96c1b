/** The part of pino's interface that Potoroo uses: a pino logger is one, and so is any object with these methods. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
