/**
 * Every option of every command, from commander's own lists, so that none is forgotten: what it refuses, and that it says what it
 * takes. What it takes without a bound stands here, too, with the reason.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { exitCodes } from '../../../src/errors.js'
import { anyProgram, runInProcess } from '../../support/cli-in-process.js'
import { temporaryFolder } from '../../support/temporary.js'

interface Refused {
  readonly wrong: readonly string[]
  /** What the error says of values that are taken. */
  readonly says: string
}
const refuses = (says: string, ...wrong: readonly string[]): Refused => ({ says, wrong })
const wholeNumbers = (says: string, ...wrong: readonly string[]): Refused =>
  refuses(`It must be a whole number${says}`, '', 'many', '-1', '1.5', '1e3', ...wrong)

const brokers = refuses('write host:port', 'nowhere', 'host:', 'host:99999', 'kafka://host:9092')
const topicPrefix = refuses("letters, digits, '.', '_' or '-', 100 at most", 'a b', 'ä', 'x'.repeat(101))
const replicationFactor = (most: number): Refused => wholeNumbers(` from 1 to ${String(most)}`, '0', String(most + 1))
const path = refuses('It must be a path', '')
const field = refuses('It must be the name of a field', '', '.', 'a.', '.a', 'a..b')
const named = refuses('It must be name=value', '', 'name', '=value')
const port = wholeNumbers(' from 0 to 65535', '65536')

const table: Readonly<Record<string, Refused>> = {
  'broker --port': port,
  'broker --data-dir': path,
  'broker --heap': refuses('a size as Java takes it: 512m, 1g', '', 'lots', '0', '1.5g', '-1'),
  'broker --set': named,
  'dead-letters --code': refuses('It must be an error code', '', 'NONE_SUCH'),
  'dead-letters --topic': refuses("It must be a topic's name", '', 'a b', 'x'.repeat(250)),
  'dead-letters --partition': wholeNumbers(', 0 or more'),
  'dead-letters --since': refuses('It must be a time with its zone', '', 'now', '2026-01-31T12:00', '3w', '-1h'),
  'dead-letters --until': refuses('It must be a time with its zone', '', 'now', '2026-01-31T12:00', '3w', '-1h'),
  // Any text may be a key.
  'dead-letters --key': refuses(''),
  'dead-letters --timestamps': refuses('Allowed choices are original, now', '', 'both'),
  'dead-letters --replication-factor': replicationFactor(32_767),
  'dead-letters --brokers': brokers,
  'dead-letters --topic-prefix': topicPrefix,
  'demo --seconds': wholeNumbers(' from 1 to 3600', '0', '3601'),
  'demo --workers': wholeNumbers(' from 1 to 16', '0', '17'),
  'demo --rate': wholeNumbers(' from 1 to 100000', '0', '100001'),
  'demo --seed': wholeNumbers(', 0 or more'),
  'demo --brokers': brokers,
  'produce --application': path,
  'produce --timestamp-field': field,
  'produce --header': named,
  'produce --brokers': brokers,
  'produce --topic-prefix': topicPrefix,
  'reset --to': refuses('earliest, latest, or a time with its zone', '', 'now', '2026-01-31T12:00', '31.1.2026', '-1'),
  'reset --replication-factor': replicationFactor(32_767),
  'reset --brokers': brokers,
  'reset --topic-prefix': topicPrefix,
  'roll-back --brokers': brokers,
  'roll-back --topic-prefix': topicPrefix,
  'run --workers': wholeNumbers(' from 1 to 100', '0', '101'),
  'run --name': refuses("1 to 100 letters, digits, '.', '_' or '-'", '', 'a b', 'a/b', 'x'.repeat(101)),
  'run --state-dir': path,
  'run --commit-interval': wholeNumbers(' from 1 to 10000', '0', '10001'),
  'run --backlog-commit-interval': wholeNumbers(' from 1 to 10000', '0', '10001'),
  'run --store-interval': wholeNumbers(' from 0 to 60000', '60001'),
  'run --backlog-store-interval': wholeNumbers(' from 0 to 600000', '600001'),
  'run --max-computation': wholeNumbers(' from 0 to 3600000', '3600001'),
  'run --standbys': wholeNumbers(' from 0 to 10', '11'),
  'run --on-error': refuses('Allowed choices are dead-letter, stop', '', 'retry'),
  'run --replication-factor': replicationFactor(100),
  'run --memory': refuses('a size, 2m or more: 512m, 2g', '', 'lots', '1m', '-1g', '2x'),
  'run --peer-host': refuses('the host to listen on is empty', ''),
  'run --peer-port': port,
  'run --peer-advertise': refuses('is not a host that peers can connect to', '', 'a b', 'a:b'),
  'run --http-port': port,
  'run --http-host': refuses('It must be a host or an address to listen on', '', ' '),
  'run --log-level': refuses('Allowed choices are trace, debug, info, warn, error, fatal, silent', '', 'verbose'),
  'run --brokers': brokers,
  'run --topic-prefix': topicPrefix,
  // Any text may be a key, or begin one.
  'state --prefix': refuses(''),
  'state --from': refuses(''),
  'state --before': refuses(''),
  'state --limit': wholeNumbers(', 1 or more', '0'),
  'state --consistency': refuses('It must be committed, fenced, or a number of ms', '', 'soon', '-1', '3600001'),
  'state --brokers': brokers,
  'state --topic-prefix': topicPrefix,
  'status --brokers': brokers,
  'status --topic-prefix': topicPrefix,
  'tail --count': wholeNumbers(', 1 or more', '0'),
  'tail --format': refuses('Allowed choices are value, text, json', '', 'avro'),
  'tail --brokers': brokers,
  'tail --topic-prefix': topicPrefix,
  'topics --replication-factor': replicationFactor(32_767),
  'topics --brokers': brokers,
  'topics --topic-prefix': topicPrefix,
  'topology --against': brokers,
  'topology --brokers': refuses('write host:port', ...brokers.wrong),
  'topology --topic-prefix': topicPrefix,
  'ui --host': refuses('It must be a host or an address to listen on', '', ' '),
  'ui --port': port,
  'ui --brokers': brokers,
  'ui --topic-prefix': topicPrefix,
}
/** Without them the option is not looked at. */
const beside: Readonly<Record<string, readonly string[]>> = {
  'topology --brokers': ['--against'],
  'produce --brokers': ['--application', 'MODULE'],
}

const folder = temporaryFolder()
const module = join(folder, 'app.mjs')
writeFileSync(
  module,
  `const orders = { name: 'orders', partitions: 1, partitioner: 'murmur2', config: {}, start: 'earliest', key: {} }
  const upstream = { kind: 'source', topic: orders, name: 'orders' }
  const definition = { name: 'a', pipelines: [{ kind: 'sink', upstream, topic: orders }] }
  export default { name: 'a', [Symbol.for('potoroo.application')]: definition }`,
)

const program = await anyProgram()
const operands: Readonly<Record<string, string>> = { application: module, action: 'list' }
const operandsOf = (command: (typeof program.commands)[number]): string[] =>
  command.registeredArguments
    .filter(({ required }) => required)
    .map((argument) => operands[argument.name()] ?? 'orders')
const options = program.commands.flatMap((command) =>
  command.options.map((option) => ({ command, option, name: `${command.name()} ${String(option.long)}` })),
)

test('the table has every option with a value, and no other', () => {
  const withValues = options.filter(({ option }) => option.required || option.optional).map(({ name }) => name)
  expect(Object.keys(table).sort()).toEqual(withValues.sort())
})

describe('is refused with exit code 2, and told what it takes', () => {
  const cases = options.flatMap(({ command, option, name }) =>
    (table[name]?.wrong ?? []).map((value) => ({ name, value, command, option })),
  )

  test.each(cases)('$name=$value', async ({ name, value, command, option }) => {
    const args = [
      command.name(),
      ...operandsOf(command),
      `${String(option.long)}=${value}`,
      ...(beside[name] ?? []).map((word) => word.replace('MODULE', module)),
    ]
    const { code, said } = await runInProcess(args)
    expect(said).toContain(table[name]?.says ?? 'nothing')
    expect(code).toBe(exitCodes.usage)
  })
})

describe('an option without a value refuses one', () => {
  const flags = options.filter(({ option }) => !option.required && !option.optional)

  test.each(flags)('$name', async ({ command, option }) => {
    const { code, said } = await runInProcess([command.name(), ...operandsOf(command), `${String(option.long)}=yes`])
    expect(said).toContain(String(option.long))
    expect(code).toBe(exitCodes.usage)
  })
})

test.each([
  [['topology', module, '--mermaid', '--json'], "cannot be used with option '--json'"],
  [['topology', module, '--mermaid', '--against', '127.0.0.1:1'], 'cannot be used with option'],
  [['run', module, '--workers', '3', '--peer-port', '65534'], 'it must be 65533 or less'],
])('%j contradict each other', async (args, says) => {
  expect(await runInProcess(args)).toEqual({ code: exitCodes.usage, said: expect.stringContaining(says) as unknown })
})
