/** Every option of every command, with values that nobody means: refused, or taken, and never a defect of Potoroo. */
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import type { CliContext } from '../../../src/cli/context.js'
import { reportFailure } from '../../../src/cli/failure.js'
import { createProgram } from '../../../src/cli/program.js'
import { exitCodes } from '../../../src/errors.js'
import { silentLogger } from '../../support/silent-logger.js'
import { temporaryFolder } from '../../support/temporary.js'

/** What a command needs beside its options to go as far as the modules, brokers and tools that are not there. */
const operands: Readonly<Record<string, readonly string[]>> = {
  broker: ['--data-dir', temporaryFolder()],
  topics: ['nowhere.js'],
  topology: ['nowhere.js'],
  reset: ['nowhere.js'],
  run: ['nowhere.js'],
  status: ['nowhere.js'],
  produce: ['orders', '/dev/null'],
  tail: ['orders'],
  demo: [],
  'dead-letters': ['ledger', 'list'],
}
const values = ['', ' ', '-1', '0', '1e999', '9007199254740993', '0x10', 'nonsense', '../..', '💥', 'a\nb', '\u001b[2J', '--', '=', 'x'.repeat(10_000)] // prettier-ignore

async function run(args: readonly string[]): Promise<{ readonly code: number; readonly said: string }> {
  const stderr = new PassThrough()
  let code: number = exitCodes.ok
  const context: CliContext = {
    // No broker answers there, and there is no Java.
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

const expected: ReadonlySet<number> = new Set([exitCodes.usage, exitCodes.broker])

test('whatever is given to an option is refused, or leads to what is missing', async () => {
  const program = await createProgram([], { stdout: new PassThrough(), stderr: new PassThrough() } as never, '1.2.3')
  expect(program.commands.map((command) => command.name()).sort()).toEqual(Object.keys(operands).sort())
  const runs = program.commands.flatMap((command) =>
    command.options
      .filter(({ required }) => required)
      .flatMap(({ long }) =>
        values.map((value) => [command.name(), `${String(long)}=${value}`, ...(operands[command.name()] ?? [])]),
      ),
  )
  expect(runs.length).toBeGreaterThan(400)
  const ends = await Promise.all(runs.map(async (args) => ({ args, ...(await run(args)) })))
  const wrong = ends.filter(
    ({ code, said }) => !expected.has(code) || !/^error/.test(said) || said.includes('INTERNAL'),
  )
  expect(wrong).toEqual([])
})
