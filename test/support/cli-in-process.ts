/** The command line in this process: no broker answers, and there is no Java. */
import { PassThrough } from 'node:stream'
import type { CliContext } from '../../src/cli/context.js'
import { reportFailure } from '../../src/cli/failure.js'
import { createProgram } from '../../src/cli/program.js'
import { exitCodes } from '../../src/errors.js'
import { silentLogger } from './silent-logger.js'

/** All commands, to be looked at. */
export const anyProgram = (): ReturnType<typeof createProgram> =>
  createProgram([], { stdout: new PassThrough(), stderr: new PassThrough() } as never, '1.2.3')

export async function runInProcess(args: readonly string[]): Promise<{ readonly code: number; readonly said: string }> {
  const stderr = new PassThrough()
  let code: number = exitCodes.ok
  const context: CliContext = {
    env: { KAFKA_BROKERS: '127.0.0.1:1', JAVA_HOME: '/nowhere' },
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    stderr,
    logger: silentLogger,
    stopRequested: () => new AbortController().signal,
    exitCode: (given) => (code = given),
  }
  try {
    await (await createProgram(args, context, '1.2.3')).parseAsync([...args], { from: 'user' })
  } catch (error) {
    code = reportFailure(error, stderr, false)
  }
  const said: unknown = stderr.read()
  return { code, said: Buffer.isBuffer(said) ? said.toString() : '' }
}
