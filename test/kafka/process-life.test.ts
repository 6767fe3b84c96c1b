/**
 * The worker's process, from outside: signals that come before it is ready for them, a log that nobody reads, an
 * application that leaves things running. It ends, in time, and with its own exit code.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { CLI_MAIN } from '../support/cli.js'
import { testBrokers } from '../support/broker.js'
import { LedgerBench, LEDGER } from '../support/ledger.js'
import { temporaryDirectory } from '../support/market-spread.js'
import { until } from '../support/until.js'

const BUSY_MODULE = 'test/fixtures/busy-module.mjs'
/** Nobody listens there. */
const NO_BROKERS = '127.0.0.1:1'
/** Far below the 10 s for which a start tries to reach brokers. */
const AT_ONCE_MS = 5_000

interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

const begun = new Set<ChildProcess>()
afterAll(() => {
  for (const child of begun) child.kill('SIGKILL')
})

/** Its output goes into pipes that are read only where the test does so. */
function begin(command: string, args: readonly string[], brokers: string) {
  const child = spawn(command, args, {
    env: { ...process.env, KAFKA_BROKERS: brokers },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  begun.add(child)
  const exited = once(child, 'exit').then(([code, signal]): Exit => {
    begun.delete(child)
    return { code: code as number | null, signal: signal as NodeJS.Signals | null }
  })
  return { child, exited }
}

const run = (application: string, brokers: string, ...flags: readonly string[]) =>
  begin(process.execPath, [CLI_MAIN, 'run', application, `--state-dir=${temporaryDirectory()}`, ...flags], brokers)

async function within(ms: number, exited: Promise<Exit>): Promise<Exit | string> {
  const late = new AbortController()
  const timer = setTimeout(() => {
    late.abort()
  }, ms)
  try {
    return await Promise.race([exited, once(late.signal, 'abort').then(() => `still there after ${String(ms)} ms`)])
  } finally {
    clearTimeout(timer)
  }
}

describe('SIGTERM', { timeout: 120_000 }, () => {
  test('during a start without brokers ends a worker at once and well', async () => {
    const { child, exited } = run(LEDGER, NO_BROKERS)
    const lines: string[] = []
    child.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(text))
    child.stderr.resume()
    await until('its first try', () => lines.join('').includes('no broker answers yet'))
    child.kill('SIGTERM')
    expect(await within(AT_ONCE_MS, exited)).toEqual({ code: 0, signal: null })
  })

  const canUnshare = spawnSync('unshare', ['--fork', '--pid', '--mount-proc', 'true']).status === 0
  const containers = canUnshare ? ['a process', 'process 1 of a container'] : ['a process']

  test.each(containers)('stops %s before anything of it is loaded', async (kind) => {
    const node = ['--import', './test/fixtures/says-handlers.mjs']
    const inside = [...node, CLI_MAIN, 'run', 'test/fixtures/says-loaded.mjs', `--state-dir=${temporaryDirectory()}`]
    const isInit = kind !== 'a process'
    const args = isInit ? ['--fork', '--pid', '--mount-proc', process.execPath, ...inside] : inside
    const { child, exited } = begin(isInit ? 'unshare' : process.execPath, args, NO_BROKERS)
    const said: string[] = []
    child.stdout.resume()
    child.stderr.setEncoding('utf8').on('data', (text: string) => said.push(text))
    await until('the handlers', () => said.join('').includes('handles SIGTERM\n'))
    const pid = isInit ? await until('its process 1', () => childOf(Number(child.pid))) : Number(child.pid)
    process.kill(pid, 'SIGTERM')
    expect(await within(AT_ONCE_MS, exited)).toEqual({ code: 0, signal: null })
    expect(said.join('')).not.toContain('application loaded')
  })
})

const childOf = (parent: number): number | undefined =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => {
      try {
        return readFileSync(`/proc/${String(pid)}/status`, 'utf8').includes(`\nPPid:\t${String(parent)}\n`)
      } catch {
        return false
      }
    })

describe('a log that nobody reads', { timeout: 120_000 }, () => {
  /** Of 3 KB each, as JSON: far more than a pipe and the bound together. */
  const FAILING = 1_500

  async function chattyWorker(...flags: readonly string[]) {
    const bench = new LedgerBench()
    await bench.createTopics()
    const worker = run(LEDGER, testBrokers().join(), `--topic-prefix=${bench.prefix}`, ...flags)
    worker.child.stderr.resume()
    const fail = { fail: 'x'.repeat(3_000) }
    await bench.send({ add: 1 })
    // A batch takes 1 MB.
    for (let sent = 0; sent < FAILING; sent += 300) await bench.send(...Array.from({ length: 300 }, () => fail))
    await bench.send({ add: 2 })
    return { bench, worker }
  }

  test('holds up no message; what is dropped is counted and told of when somebody reads again', async () => {
    const { bench, worker } = await chattyWorker()
    expect(await bench.balances(2)).toEqual([1, 3])
    const lines: string[] = []
    worker.child.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(text))
    const told = await until('the count', () => /"dropped":(\d+)/.exec(lines.join(''))?.[1])
    const letters = lines.join('').split('a record went to the dead letters').length - 1
    expect(letters + Number(told)).toBeGreaterThanOrEqual(FAILING)
    worker.child.kill('SIGTERM')
    expect(await worker.exited).toEqual({ code: 0, signal: null })
  })

  test('does not keep a worker from stopping', async () => {
    const { bench, worker } = await chattyWorker()
    await bench.balances(2)
    worker.child.kill('SIGTERM')
    expect(await within(30_000, worker.exited)).toEqual({ code: 0, signal: null })
  })

  test('holds up neither workers under a supervisor nor their stop', async () => {
    const { bench, worker } = await chattyWorker('--workers=2', '--name=w')
    expect(await bench.balances(2)).toEqual([1, 3])
    worker.child.kill('SIGTERM')
    expect(await within(40_000, worker.exited)).toEqual({ code: 0, signal: null })
  })
})

describe('an application that keeps the event loop alive', { timeout: 120_000 }, () => {
  test('does not keep a worker that was stopped', async () => {
    const bench = new LedgerBench()
    await bench.createTopics()
    const { child, exited } = run(BUSY_MODULE, testBrokers().join(), `--topic-prefix=${bench.prefix}`)
    await bench.send({ add: 1 })
    child.stdout.resume()
    expect(await bench.balances(1)).toEqual([1])
    child.kill('SIGTERM')
    expect(await within(30_000, exited)).toEqual({ code: 0, signal: null })
  })

  test('does not keep a worker that failed from ending with its code', async () => {
    const bench = new LedgerBench()
    await bench.createTopics()
    const flags = [`--topic-prefix=${bench.prefix}`, '--on-error=stop']
    const { child, exited } = run(BUSY_MODULE, testBrokers().join(), ...flags)
    const lines: string[] = []
    child.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(text))
    await bench.send({ fail: 'no' })
    expect(await within(60_000, exited)).toEqual({ code: 6, signal: null })
    // The last line is out before the process ends.
    expect(lines.join('').trimEnd().split('\n').at(-1)).toContain('STOPPED_BY_ON_ERROR')
  })

  test('does not keep a worker that never started', async () => {
    const { child, exited } = run(BUSY_MODULE, testBrokers().join(), '--topic-prefix=nothing-there-')
    child.stdout.resume()
    expect(await within(60_000, exited)).toEqual({ code: 3, signal: null })
  })
})
