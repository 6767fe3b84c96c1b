/** The demonstration on a terminal: its picture, and that it leaves the terminal and the machine as they were. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, inject, onTestFinished, test } from 'vitest'
import { CLI_MAIN } from '../support/cli.js'
import { inTerminal, type PseudoTerminal } from '../support/pseudo-terminal.js'
import { until } from '../support/until.js'

const environment = (): NodeJS.ProcessEnv => {
  const { NO_COLOR: _, FORCE_COLOR: __, CI: ___, ...rest } = process.env
  return { ...rest, KAFKA_BROKERS: inject('brokers'), TERM: 'xterm-256color' }
}

async function demo(args: readonly string[], env = environment(), columns = 90, rows = 28): Promise<PseudoTerminal> {
  if (inject('buildErrors') !== '') throw new Error('the command line was not built')
  return inTerminal([process.execPath, CLI_MAIN, 'demo', ...args], env, columns, rows)
}

/** Of workers of demonstrations, by what they were started with. */
function workers(): readonly number[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      const isOne = words.includes(CLI_MAIN) && words.some((word) => word.startsWith('--topic-prefix=demo-'))
      return isOne ? [Number(pid)] : []
    } catch {
      // No process, or it has ended in between.
      return []
    }
  })
}

/** By what was switched last: cursor and wrapping are on, the first screen is shown. */
const isSane = (written: string): boolean =>
  [...'h25 h7 l1049'.split(' ')].every(
    ([mode, ...name]) =>
      [...written.matchAll(new RegExp(`\\u001b\\[\\?${name.join('')}([hl])`, 'g'))].at(-1)?.[1] === mode,
  )

test('a worker comes, is killed, comes back: all of it is seen, and the last frame stays with the result', async () => {
  const terminal = await demo(['--seconds', '8'])
  await terminal.shows(/^worker-1 +0 +1 +2 +3 +4 +5 +6 +7 {2}8 tasks$/)
  expect(terminal.screen()).toBe('alternate')
  expect(terminal.written()).toContain('\u001b[36m')
  await terminal.shows(/^worker-2 +· +· +· +· +↓4 +↓5 +↓6 +↓7 {2}4 tasks$/)
  await terminal.shows(/^worker-2 .* killed$/)
  await terminal.shows(/^worker-1 +0 +1 +2 +3 +↑4 +↑5 +↑6 +↑7 {2}8 tasks$/)
  await terminal.shows(/^worker-2 +· +· +· +· +↓4 +↓5 +↓6 +↓7 {2}4 tasks$/)
  expect(await terminal.exited).toBe(0)
  const end = terminal.lines().join('\n')
  expect(terminal.screen()).toBe('normal')
  expect(isSane(terminal.written())).toBe(true)
  expect(end).toMatch(/records\/s +[▁-█ ]+ [\d,]+\n/)
  expect(end).toMatch(/✗ worker-2 killed: SIGKILL to process \d+/)
  expect(end).toMatch(/all [\d,]+ rejections are right: none lost, none repeated/)
  expect(workers()).toEqual([])
})

test('Ctrl-C in the middle: the terminal is back at once, workers finish what was fed, and it says so', async () => {
  const terminal = await demo(['--seconds', '60'])
  await terminal.shows(/[1-9]\d*\.\d s of 60 s/)
  terminal.type('\u0003')
  await until('the first screen is back', () => terminal.screen() === 'normal' && isSane(terminal.written()), 1_000)
  expect(await terminal.exited).toBe(0)
  const end = terminal.lines().join('\n')
  expect(end).toMatch(/stopped early\n[\d,]+ quotes and orders were fed/)
  expect(end).toMatch(/all [\d,]+ rejections are right|rejections had come by then, all of them right/)
  expect(workers()).toEqual([])
})

test('a second Ctrl-C ends it at once, and its workers notice', async () => {
  const terminal = await demo(['--seconds', '60'])
  await terminal.shows(/\d s of 60 s/)
  terminal.type('\u0003')
  await until('the first screen is back', () => terminal.screen() === 'normal')
  terminal.type('\u0003')
  await terminal.exited
  expect(isSane(terminal.written())).toBe(true)
  await until('its workers have ended', () => workers().length === 0)
})

test('a worker that ends by itself ends it with what that worker said, and the terminal is as it was', async () => {
  const terminal = await demo(['--seconds', '60'])
  await terminal.shows(/\d s of 60 s/)
  const [pid = 0] = workers()
  process.kill(pid, 'SIGKILL')
  expect(await terminal.exited).toBe(1)
  expect(terminal.screen()).toBe('normal')
  expect(isSane(terminal.written())).toBe(true)
  expect(terminal.written()).toMatch(/error WORKER_ENDED: worker-1 has ended by itself \(SIGKILL\):\s+\{.*"msg"/)
  expect(workers()).toEqual([])
})

test('when it is killed, nothing goes on without it', async () => {
  const terminal = await demo(['--seconds', '60'])
  await terminal.shows(/\d s of 60 s/)
  const [pid = 0] = workers()
  const [, parent = ''] = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8')) ?? []
  process.kill(Number(parent), 'SIGKILL')
  await terminal.exited
  await until('its worker has stopped', () => workers().length === 0)
})

test('a change of the size, and a small terminal', async () => {
  const terminal = await demo(['--seconds', '60'])
  onTestFinished(() => terminal.type('\u0003\u0003'))
  await terminal.shows(/^records\/s/)
  await terminal.resize(44, 12)
  // Drawn anew for what there is room for: the time ends at the last column.
  await terminal.shows(/^Market Spread on Potoroo {4,}\d+\.\d s of 60 s$/)
  expect(terminal.lines()).toHaveLength(12)
  await terminal.resize(100, 30)
  await terminal.shows(/^Market Spread on Potoroo {50,}\d+\.\d s of 60 s$/)
  await terminal.shows(/^http:.* fed, .* rejections$/)
})

test.each([
  ['NO_COLOR', { NO_COLOR: '1' }, [], 'alternate'],
  ['TERM=dumb', { TERM: 'dumb' }, [], 'normal'],
  ['CI', { CI: 'true' }, [], 'normal'],
  ['--lines', {}, ['--lines'], 'normal'],
] as const)('%s', async (_, env, args, screen) => {
  const terminal = await demo(['--seconds', '60', ...args], { ...environment(), ...env })
  onTestFinished(() => terminal.type('\u0003\u0003'))
  await terminal.shows(screen === 'normal' ? /^ +\d s .*records\/s/ : /\d s of 60 s/)
  expect(terminal.screen()).toBe(screen)
  expect(terminal.written()).not.toMatch(/\u001b\[[\d;]*m/)
})
