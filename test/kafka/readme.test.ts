/** Everything that the README, the tutorial and the page on the API show is done here, command by command. */
import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { testBrokers, uniqueName } from '../support/broker.js'
import { runCli, startCli } from '../support/cli.js'
import { blockWith, codeBlocks, compile, linkPackages, readDocument, writeFiles } from '../support/documents.js'
import { readCommitted } from '../support/read-committed.js'
import { temporaryFolder } from '../support/temporary.js'
import { createTopics } from '../support/topics.js'

const readme = codeBlocks(readDocument('README.md'), '## Your first application', '## The API on one screen')
const tutorialPage = readDocument('docs/tutorial.md')
const tutorial = codeBlocks(tutorialPage, '## 1. Set up', '## A worker inside your own program')

/** The folder that the tutorial lets its reader make, and in it the application of the README. */
const folder = temporaryFolder()
const prefix = `${uniqueName('tutorial')}-`
const firstPrefix = `${uniqueName('readme')}-`
const embeddedPrefix = `${uniqueName('embedded')}-`
let complaints = ''

beforeAll(async () => {
  linkPackages(folder, ['potoroo', 'zod', '@types/node'])
  const embedded = blockWith(codeBlocks(tutorialPage), 'ts', 'startWorker(bank')
  writeFiles(folder, {
    'package.json': JSON.stringify({ name: 'bank', private: true, type: 'module' }),
    'tsconfig.json': blockWith(tutorial, 'json', 'compilerOptions'),
    'bookings.ndjson': blockWith(tutorial, 'json', '"account":"ada"'),
    'src/wallets.ts': blockWith(readme, 'ts', "'wallets'"),
    'src/desk.ts': blockWith(codeBlocks(readDocument('docs/api.md')), 'ts', "'desk'"),
    'src/application.ts': blockWith(tutorial, 'ts', "application('bank'"),
    'src/check.ts': blockWith(tutorial, 'ts', 'node:assert'),
    // The test broker in place of the one on the usual port, and names of its own on it.
    'src/embedded.ts': replaced(
      embedded,
      "brokers: ['127.0.0.1:9092'],",
      `brokers: ${JSON.stringify(testBrokers())}, topicPrefix: '${embeddedPrefix}',`,
    ),
  })
  complaints = await compile(folder)
})

function replaced(text: string, what: string, by: string): string {
  if (!text.includes(what)) throw new Error(`${what} is not in:\n${text}`)
  return text.replace(what, () => by)
}

test('their TypeScript compiles, strictly, with the tsconfig that the tutorial shows', () => {
  expect(JSON.parse(blockWith(tutorial, 'json', 'compilerOptions'))).toMatchObject({
    compilerOptions: { strict: true },
  })
  expect(complaints).toBe('')
})

test('the API on one screen processes messages', async () => {
  const flags = ['--topic-prefix', prefix]
  expect(await runCli(['topics', 'dist/desk.js', ...flags], { cwd: folder })).toMatchObject({ code: 0 })
  const messages = {
    quotes: [{ symbol: 'x', bid: 9, offer: 10 }],
    orders: [{ id: '1', symbol: 'x', quantity: 1, limit: 9 }],
    fills: [
      { id: '2', symbol: 'x', quantity: 3, account: 'a' },
      { id: '3', symbol: 'x', quantity: -3, account: 'a' },
      { id: '4', symbol: 'x', quantity: -1, account: 'a' },
      { id: '5', symbol: 'constructor', quantity: -1, account: 'b' },
      { id: '6', symbol: '__proto__', quantity: -1, account: 'c' },
    ],
  }
  for (const [topic, lines] of Object.entries(messages)) {
    const input = lines.map((line) => JSON.stringify(line)).join('\n')
    const produced = await runCli(['produce', topic, '--application', 'dist/desk.js', ...flags], { cwd: folder, input })
    expect(produced, produced.stderr.join('\n')).toMatchObject({ code: 0 })
  }
  const worker = startCli(['run', 'dist/desk.js', '--state-dir', 'state/desk', ...flags], { cwd: folder })
  const alerts = await readCommitted(`${prefix}alerts`, 4)
  expect(alerts.map(({ value }) => (JSON.parse(value ?? '') as { text: string }).text).sort()).toEqual([
    expect.stringMatching(/^a is short since \d+$/) as string,
    expect.stringMatching(/^b is short since \d+$/) as string,
    expect.stringMatching(/^c is short since \d+$/) as string,
    'order 1 is below 10',
  ])
  worker.kill('SIGTERM')
  expect((await worker.exited).code).toBe(0)
})

test('the first application runs without being compiled, command by command', async () => {
  writeFiles(folder, { 'wallets.mjs': blockWith(readme, 'ts', "'wallets'") })
  const commands = blockWith(readme, 'sh', 'potoroo run').trim().split('\n')
  const shown = commands.map((line) => /^(?:echo '(.*)' \| )?npx potoroo (.*)$/.exec(line)?.slice(1) ?? [])
  // Node 22.18 runs TypeScript; what is on any Node takes the name that the README has for older ones.
  const [broker, topics, run, ...rest] = shown.map(([input, line = '']) => ({
    input: input === undefined ? {} : { input: `${input}\n` },
    words: [...wordsOf(line.replace('wallets.ts', 'wallets.mjs')), '--topic-prefix', firstPrefix],
  }))
  if (broker === undefined || topics === undefined || run === undefined) throw new Error('commands are missing')
  expect(broker.words[0]).toBe('broker') // the test broker takes its place
  expect(await runCli(topics.words, { cwd: folder })).toMatchObject({ code: 0, stderr: [] })
  const worker = startCli([...run.words, '--state-dir', 'state/first'], { cwd: folder })
  const printed: string[] = []
  for (const { input, words } of rest) {
    if (words[0] === 'tail') await readCommitted(`${firstPrefix}wallet-balances`, 2)
    const { code, stdout, stderr } = await runCli(words, { cwd: folder, ...input })
    expect(code, stderr.join('\n')).toBe(0)
    if (words[0] === 'tail') printed.push(...stdout)
  }
  expect(printed).toEqual(blockWith(readme, 'text', 'balance').trim().split('\n'))
  worker.kill('SIGTERM')
  expect((await worker.exited).code).toBe(0)
})

describe('an application of one’s own', () => {
  test('has computations that a plain program can test', async () => {
    await promisify(execFile)(process.execPath, ['dist/check.js'], { cwd: folder })
  })

  test('does what is shown, command by command', async () => {
    const commands = shellLines(tutorial).filter((words) => words[0] === 'potoroo')
    const [broker, topics, run, ...rest] = commands.map(([, ...words]) => words)
    if (broker === undefined || topics === undefined || run === undefined) throw new Error('commands are missing')
    expect(broker).toEqual(['broker']) // the test broker takes its place
    const here = (words: readonly string[]): string[] => [...words, '--topic-prefix', prefix]

    const made = await runCli(here(topics), { cwd: folder })
    expect(made).toMatchObject({ code: 0, stderr: [] })
    expect(cells(made.stdout.join('\n').replaceAll(prefix, ''))).toEqual(
      cells(blockWith(tutorial, 'text', 'changelog')),
    )

    const worker = startCli([...here(run), '--state-dir', 'state/bank'], { cwd: folder })
    const printed: string[] = []
    for (const words of rest) {
      if (words[0] === 'tail') {
        // The tutorial's reader is slower than the worker; this one waits.
        const [topic = ''] = words.slice(1)
        await readCommitted(`${prefix}${topic}`, topic === 'balances' ? 4 : 1)
      }
      const { code, stdout, stderr } = await runCli(here(words), { cwd: folder })
      expect(code, stderr.join('\n')).toBe(0)
      printed.push(...stdout)
    }
    const shown = blockWith(tutorial, 'text', 'records produced').trimEnd().split('\n')
    const account = (name: string) => (line: string) => line.includes(`"account":"${name}"`)
    for (const name of ['ada', 'bob']) expect(printed.filter(account(name))).toEqual(shown.filter(account(name)))
    expect(printed[0]?.replace(prefix, '')).toBe(shown[0])
    expect(printed).toHaveLength(shown.length)
    worker.kill('SIGTERM')
    expect((await worker.exited).code).toBe(0)
  })

  test('runs inside another program, which ends it', async () => {
    const [bookings, balances] = [`${embeddedPrefix}bookings`, `${embeddedPrefix}balances`]
    await createTopics([bookings, balances].map((name) => ({ name, partitions: 2 })))
    const child = spawn(process.execPath, ['dist/embedded.js'], { cwd: folder, stdio: 'ignore' })
    const exited = new Promise((resolve) => child.once('exit', resolve))
    try {
      const input = '{"account":"eve","amount":7}\n'
      const flags = ['--application', 'dist/application.js', '--topic-prefix', embeddedPrefix]
      expect(await runCli(['produce', 'bookings', ...flags], { cwd: folder, input })).toMatchObject({ code: 0 })
      const [balance] = await readCommitted(balances, 1)
      expect(balance?.value).toBe('{"account":"eve","balance":7,"bookings":1}')
      child.kill('SIGTERM')
      expect(await exited).toBe(0)
    } finally {
      child.kill('SIGKILL')
    }
    expect(existsSync(join(folder, 'state/bank-1'))).toBe(true)
  })
})

/** Commands in shell blocks, in words, with `npx` and comments left out. */
const shellLines = (blocks: readonly { readonly language: string; readonly text: string }[]): string[][] =>
  blocks
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => text.trim().split('\n'))
    .flatMap((line) => line.replace(/#.*$/, '').split(/&&| \| /))
    .map(wordsOf)

const wordsOf = (command: string): string[] =>
  command
    .trim()
    .split(/\s+/)
    .filter((word, i) => !(i === 0 && word === 'npx'))

/** A table's cells, however wide its columns are. */
const cells = (table: string): string[][] =>
  table
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s{2,}/))
