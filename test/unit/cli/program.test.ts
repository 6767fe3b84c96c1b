import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { CliContext } from '../../../src/cli/context.js'
import { reportFailure } from '../../../src/cli/failure.js'
import { createProgram } from '../../../src/cli/program.js'
import { silentLogger } from '../../support/silent-logger.js'

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The command line in this process, for what ends before anything is connected. */
async function run(...args: string[]): Promise<Outcome> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  let code = 0
  const context = contextWith(stdout, stderr, (given) => (code = given))
  try {
    await (await createProgram(args, context, '1.2.3')).parseAsync(args, { from: 'user' })
  } catch (error) {
    code = reportFailure(error, stderr, false)
  }
  return { code, stdout: text(stdout), stderr: text(stderr) }
}
const contextWith = (
  stdout: PassThrough,
  stderr: PassThrough,
  exitCode: CliContext['exitCode'] = () => undefined,
): CliContext => ({
  env: {},
  stdin: new PassThrough(),
  stdout,
  stderr,
  logger: silentLogger,
  stopRequested: () => new AbortController().signal,
  exitCode,
})
const text = (stream: PassThrough): string => {
  const read: unknown = stream.read()
  return Buffer.isBuffer(read) ? read.toString() : ''
}

const commands = [
  'broker',
  'topics',
  'topology',
  'reset',
  'roll-back',
  'run',
  'status',
  'produce',
  'tail',
  'dead-letters',
]

describe('help', () => {
  test('names every command, and exits with 0', async () => {
    const { code, stdout } = await run('--help')
    expect(code).toBe(0)
    for (const command of commands) expect(stdout).toContain(`\n  ${command} `)
  })

  test.each(commands)('of %s has examples', async (command) => {
    const { code, stdout } = await run(command, '--help')
    expect(code).toBe(0)
    expect(stdout).toContain(`Examples:\n  `)
    expect(stdout).toContain(`potoroo ${command}`)
  })

  test('the version is the package’s', async () => {
    expect(await run('--version')).toMatchObject({ code: 0, stdout: '1.2.3\n' })
  })
})

describe('the program', () => {
  const commandsFor = async (args: readonly string[]): Promise<string[]> => {
    return (await createProgram(args, contextWith(new PassThrough(), new PassThrough()), '1.2.3')).commands.map(
      (command) => command.name(),
    )
  }

  test.each([
    ['run', ['run', 'x.js']],
    ['tail', ['--debug', 'tail', 'topic']],
    ['topics', ['topics', 'run']],
  ])('has %s alone for %j: a worker does not wait for what others need', async (command, args) => {
    expect(await commandsFor(args)).toEqual([command])
  })

  test.each([[[]], [['--help']], [['help', 'run']], [['rnu']], [['constructor']]])(
    'has all commands for %j, which names none',
    async (args) => {
      expect(await commandsFor(args)).toEqual([
        'broker',
        'topics',
        'topology',
        'reset',
        'roll-back',
        'run',
        'status',
        'ui',
        'state',
        'produce',
        'dead-letters',
        'tail',
        'demo',
      ])
    },
  )
})

describe('wrong use exits with 2, and says what was wrong', () => {
  test.each([
    [['nix'], "unknown command 'nix'"],
    [['tail'], "missing required argument 'topic'"],
    [['tail', 'a', 'b'], 'too many arguments'],
    [['tail', 'a', '--count', '0'], 'whole number, 1 or more'],
    [['tail', 'a', '--count', 'x'], 'whole number, 1 or more'],
    [['tail', 'a', '--nix'], "unknown option '--nix'"],
    [['tail', 'a', '--topic-prefix', 'a b'], 'letters, digits'],
    [['tail', 'a', '--brokers', 'x:y'], '--brokers'],
    [['broker', '--port', '65536'], 'from 0 to 65535'],
    [['broker', '--set', 'nix'], 'name=value'],
    [['topics', 'nowhere.js'], 'there is no module'],
    [['status', 'nowhere.js'], 'there is no module'],
    [['status'], "missing required argument 'application'"],
    [['topics', 'a.js', '--replication-factor', '0'], 'from 1 to 32767'],
    [['run', 'a.js', '--log-level', 'loud'], 'Allowed choices are trace, debug, info, warn, error, fatal, silent'],
    [['run', 'a.js', '--http-port', 'x'], 'from 0 to 65535'],
    [['run', 'test/fixtures/ledger.mjs', '--workers', '3', '--http-port', '65534'], 'needs ports up to 65536'],
    [['run', 'test/fixtures/ledger.mjs', '--workers', '3', '--peer-port', '65534'], 'needs ports up to 65536'],
    [['run', 'a.js', '--on-error', 'retry'], 'Allowed choices are dead-letter, stop'],
    [['run', 'a.js', '--workers', '2', '--log-level', ''], 'Allowed choices are'],
    [['broker', '--heap', 'lots'], 'a size as Java takes it: 512m, 1g'],
    [['broker', '--heap', '0m'], 'a size as Java takes it: 512m, 1g'],
  ])('%j', async (args, message) => {
    const { code, stderr } = await run(...args)
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })
})
