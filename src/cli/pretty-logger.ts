import { pino } from 'pino'

/** Several processes on one terminal are told apart by their ids. */
export const prettyLogger = (level: string, several: boolean) =>
  pino({
    level,
    base: { pid: process.pid },
    transport: { target: 'pino-pretty', options: { destination: 1, ...(several ? {} : { ignore: 'pid' }) } },
  })
