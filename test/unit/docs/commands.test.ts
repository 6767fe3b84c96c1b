/** Every command that the documents show is one: `potoroo …` as the command line takes it, `npm run …` as package.json has it. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { exitCodes } from '../../../src/errors.js'
import { programForDocuments } from '../../support/docs/commands.js'
import { codeBlocks, documents, readDocument, ROOT } from '../../support/documents.js'

const program = await programForDocuments()
/** Of the project that a page is about. */
function scriptsFor(document: string): string[] {
  const own = join(dirname(document), 'package.json')
  const { scripts } = JSON.parse(readDocument(existsSync(join(ROOT, own)) ? own : 'package.json')) as {
    scripts: Record<string, string>
  }
  return Object.keys(scripts)
}

const shellBlocks = (document: string): string[] =>
  codeBlocks(readDocument(document))
    .filter(({ language }) => language === 'sh')
    .map(({ text }) => text)

/** Commands of shell text, in words: pipes and lists taken apart, lines that go on joined, comments and variables left out. */
const commandsIn = (text: string): string[][] =>
  text
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .flatMap((line) => line.replace(/(^|\s)#.*$/, '').split(/&&|\|\||\s\|\s|;/))
    .map(wordsOf)

const wordsOf = (command: string): string[] =>
  [...command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)]
    .map(([, double, single, bare]) => double ?? single ?? bare ?? '')
    .filter(
      (word, i, all) =>
        !/^[A-Z_]+=/.test(word) && !(word === 'npx' && all.slice(0, i).every((other) => /^[A-Z_]+=/.test(other))),
    )

const spansOf = (document: string): string[][] =>
  [...readDocument(document).matchAll(/`((?:npx |npm )?(?:potoroo|run) [^`\n]+)`/g)].map(([, span = '']) =>
    wordsOf(span),
  )

const potoroo = (commands: readonly string[][]): string[][] =>
  commands.filter(([first]) => first === 'potoroo').map(([, ...words]) => words)

describe.each(documents)('%s', (document) => {
  test('has shell blocks that a shell can read', () => {
    for (const block of shellBlocks(document))
      execFileSync('bash', ['-n'], {
        input: block.replaceAll(/<([\w .-]+)>/g, 'placeholder'),
        stdio: ['pipe', 'ignore', 'pipe'],
      })
  })

  test('has blocks of commands that the command line takes', async () => {
    for (const words of potoroo(shellBlocks(document).flatMap(commandsIn)))
      await expect(program.parseAsync(words, { from: 'user' }), `potoroo ${words.join(' ')}`).resolves.toBeDefined()
  })

  test('has commands in its text that are known, with their options and arguments', () => {
    for (const [name = '', ...words] of potoroo(spansOf(document))) {
      if (name === '<command>' || name.startsWith('--')) continue
      const command = program.commands.find((one) => one.name() === name)
      expect(command, `potoroo ${name}`).toBeDefined()
      if (command !== undefined) expectTaken(command, words)
    }
  })

  test('has scripts of npm that there are', () => {
    const text = readDocument(document)
    for (const [, name = ''] of text.matchAll(/\bnpm run (?:-s )?([a-z:]+)\b/g))
      expect(scriptsFor(document)).toContain(name)
  })
})

/** Values may be placeholders there. */
function expectTaken(command: Command, words: readonly string[]): void {
  const shown = `potoroo ${[command.name(), ...words].join(' ')}`
  const known = ['--help', '--debug', '--version', ...command.options.flatMap(({ long }) => long ?? [])]
  const flags = words.filter((word) => word.startsWith('-'))
  for (const flag of flags) expect(known, shown).toContain(flag)
  const values = words.filter((word) => !word.startsWith('-'))
  const taken = command.options.filter(({ long, required }) => required && flags.includes(long ?? '')).length
  const most = command.registeredArguments.some(({ variadic }) => variadic)
    ? Infinity
    : command.registeredArguments.length
  expect(values.length - taken, shown).toBeLessThanOrEqual(most)
}

describe('docs/command-line.md', () => {
  const page = readDocument('docs/command-line.md')

  test('names every command', () => {
    expect(potoroo(shellBlocks('README.md').flatMap(commandsIn)).length).toBeGreaterThan(5)
    for (const command of program.commands)
      expect(page.includes(`\`potoroo ${command.name()}`), command.name()).toBe(true)
  })

  test('has every exit code', () => {
    const codes = [...page.matchAll(/^\| (\d) +\|/gm)].map(([, code]) => Number(code))
    expect(codes).toEqual(Object.values(exitCodes).sort())
  })
})

test('options that the pages of reference name are there', () => {
  const known = new Set([
    '--help',
    '--debug',
    '--version',
    ...program.commands.flatMap(({ options }) => options.flatMap(({ long }) => long ?? [])),
  ])
  for (const document of [
    'README.md',
    'docs/command-line.md',
    'docs/configuration.md',
    'docs/operations.md',
    'docs/failures.md',
    'docs/reprocessing.md',
  ])
    for (const [, flag = ''] of readDocument(document).matchAll(/`(--[a-z-]+)/g))
      expect(known, `${document}: ${flag}`).toContain(flag)
})

test('docs/configuration.md has every variable of the environment that the code reads', () => {
  const sources = [
    'src/kafka/environment.ts',
    'src/broker/jars.ts',
    'src/broker/java.ts',
    'src/cli/main.ts',
    'src/cli/commands/run.ts',
    'src/start-worker.ts',
  ]
  const read = sources.flatMap((path) =>
    [...readDocument(path).matchAll(/(?:KAFKA|XDG|JAVA|POTOROO)_[A-Z_]*[A-Z]\b|\bDEBUG\b/g)].map(([name]) => name),
  )
  expect(new Set(read).size).toBeGreaterThan(5)
  const page = readDocument('docs/configuration.md')
  for (const name of new Set(read)) if (name !== 'KAFKA_VERSION') expect(page.includes(`\`${name}\``), name).toBe(true)
})
