/** Every option of every command, with values that nobody means: refused, or taken, and never a defect of Potoroo. */
import { expect, test } from 'vitest'
import { exitCodes } from '../../../src/errors.js'
import { anyProgram, runInProcess } from '../../support/cli-in-process.js'
import { temporaryFolder } from '../../support/temporary.js'

/** What a command needs beside its options to go as far as the modules, brokers and tools that are not there. */
const operands: Readonly<Record<string, readonly string[]>> = {
  broker: ['--data-dir', temporaryFolder()],
  topics: ['nowhere.js'],
  topology: ['nowhere.js'],
  reset: ['nowhere.js'],
  'roll-back': ['nowhere.js'],
  run: ['nowhere.js'],
  state: ['nowhere.js', 'account'],
  status: ['nowhere.js'],
  ui: ['nowhere.js'],
  produce: ['orders', '/dev/null'],
  tail: ['orders'],
  demo: [],
  'dead-letters': ['ledger', 'list'],
}
const values = ['', ' ', '-1', '0', '1e999', '9007199254740993', '0x10', 'nonsense', '../..', '💥', 'a\nb', '\u001b[2J', '--', '=', 'x'.repeat(10_000)] // prettier-ignore

const expected: ReadonlySet<number> = new Set([exitCodes.usage, exitCodes.broker])

test('whatever is given to an option is refused, or leads to what is missing', async () => {
  const program = await anyProgram()
  expect(program.commands.map((command) => command.name()).sort()).toEqual(Object.keys(operands).sort())
  const runs = program.commands.flatMap((command) =>
    command.options
      .filter(({ required }) => required)
      .flatMap(({ long }) =>
        values.map((value) => [command.name(), `${String(long)}=${value}`, ...(operands[command.name()] ?? [])]),
      ),
  )
  expect(runs.length).toBeGreaterThan(400)
  const ends = await Promise.all(runs.map(async (args) => ({ args, ...(await runInProcess(args)) })))
  const wrong = ends.filter(
    ({ code, said }) => !expected.has(code) || !/^error/.test(said) || said.includes('INTERNAL'),
  )
  expect(wrong).toEqual([])
})
