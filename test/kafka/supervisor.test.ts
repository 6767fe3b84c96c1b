/** `potoroo run --workers` on a real broker: what becomes of the workers when one of them, or their supervisor, ends. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { exitCodes } from '../../src/errors.js'
import { type CliProcess, startCli } from '../support/cli.js'
import { LEDGER, LedgerBench } from '../support/ledger.js'
import { type LogLine, temporaryDirectory } from '../support/market-spread.js'
import { withAdmin } from '../support/topics.js'
import { until } from '../support/until.js'

const SAME_LEDGER = `export { default } from ${JSON.stringify(pathToFileURL(resolve(LEDGER)).href)}`

const linesOf = (cli: CliProcess, msg: RegExp): LogLine[] =>
  cli.stdout.map((line) => JSON.parse(line) as LogLine).filter((line) => msg.test(line.msg))

/** Of all worker processes that were ever started. */
const pidsOf = (supervisor: CliProcess): number[] =>
  linesOf(supervisor, /^worker process started$/).map((line) => Number(line['workerPid']))

/** Also false for one that has ended while nobody has asked for its exit code yet. */
function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))
  } catch {
    // No /proc here, or it has ended in between: the next look says.
    return true
  }
}

const supervise = (bench: LedgerBench, ...flags: readonly string[]): CliProcess =>
  startCli([
    'run',
    LEDGER,
    '--workers=2',
    '--name=w',
    `--state-dir=${bench.directory}`,
    `--topic-prefix=${bench.prefix}`,
    ...flags,
  ])

async function running(partitions = 2, ...flags: readonly string[]): Promise<{ bench: LedgerBench; cli: CliProcess }> {
  const bench = new LedgerBench()
  await bench.createTopics({}, partitions)
  const cli = supervise(bench, ...flags)
  await until('both workers have started', () => {
    if (!cli.running()) throw new Error(`it ended:\n${[...cli.stdout, ...cli.stderr].join('\n')}`)
    return linesOf(cli, /^worker started$/).length === 2
  })
  return { bench, cli }
}

const groupState = (group: string): Promise<string | undefined> =>
  withAdmin(async (admin) => (await admin.describeGroups([group])).groups[0]?.state)

describe('a supervisor', () => {
  it('restarts a worker that was killed, says so, and passes on all lines whole', async () => {
    const { bench, cli } = await running()
    const [first, second] = pidsOf(cli)
    if (first === undefined || second === undefined) throw new Error('no process ids')
    process.kill(first, 'SIGKILL')
    const died = JSON.parse(await cli.line(/worker died/)) as LogLine
    expect(died).toMatchObject({ workerPid: first, signal: 'SIGKILL', restartInMs: 200, level: 40 })
    await until('the worker has started again', () => linesOf(cli, /^worker started$/).length === 3)
    const again = linesOf(cli, /^worker process started$/).at(-1)
    expect(again).toMatchObject({ worker: died['worker'], starts: 2 })
    // It works, under the names and in the directories that were given.
    await bench.send({ add: 1 }, { add: 2 })
    expect(await bench.balances(2)).toEqual([1, 3])
    expect(new Set(linesOf(cli, /^worker started$/).map((line) => line['worker']))).toEqual(new Set(['w-1', 'w-2']))
    cli.kill('SIGTERM')
    expect(await cli.exited).toEqual({ code: 0, signal: null })
    expect(linesOf(cli, /^worker stopped$/)).toHaveLength(2)
    expect(pidsOf(cli)).toHaveLength(3)
    expect(pidsOf(cli).filter(lives)).toEqual([])
  })

  it('does not restart a worker that onError stopped: the others stop, and its exit code is the end', async () => {
    const { bench, cli } = await running(2, '--on-error=stop')
    await bench.send({ add: 1, fail: 'on purpose' })
    expect((await cli.exited).code).toBe(exitCodes.stoppedByOnError)
    // The other worker may get the task, and with it the message, before it is told to stop: then it says the same.
    const ends = linesOf(cli, /not restarted/)
    expect([1, 2]).toContain(ends.length)
    for (const end of ends) expect(end).toMatchObject({ exitCode: exitCodes.stoppedByOnError, level: 50 })
    const errors = cli.stderr.filter((line) => line.startsWith('error '))
    expect([1, 2]).toContain(errors.length)
    for (const error of errors) expect(error).toContain('STOPPED_BY_ON_ERROR')
    expect(pidsOf(cli)).toHaveLength(2)
    expect(pidsOf(cli).filter(lives)).toEqual([])
    expect(await groupState(bench.group)).toBe('Empty')
  })

  it('ends instead of looping when its workers cannot start', async () => {
    const bench = new LedgerBench()
    const cli = supervise(bench)
    expect((await cli.exited).code).toBe(exitCodes.topics)
    expect(cli.stderr.join('\n')).toContain('TOPIC_MISSING')
    expect(pidsOf(cli)).toHaveLength(2)
    expect(pidsOf(cli).filter(lives)).toEqual([])
  })

  it('ends when partitions were added under state objects: a start that they stopped is not tried forever', async () => {
    const { bench, cli } = await running()
    const topic = bench.topic('commands')
    await withAdmin((admin) => admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] }))
    expect((await cli.exited).code).toBe(exitCodes.topics)
    // Who notices it first is started again, as it could do without state, and says that it can't with it.
    const [first, ...others] = linesOf(cli, /^worker died: restarting it$/)
    expect(first).toMatchObject({ exitCode: exitCodes.topics, level: 40 })
    expect(others.length).toBeLessThan(2)
    expect(linesOf(cli, /not restarted/)[0]).toMatchObject({ exitCode: exitCodes.topics, level: 50 })
    expect(cli.stderr.join('\n')).toContain('CHANGELOG_UNFIT')
    expect(pidsOf(cli).filter(lives)).toEqual([])
  })

  it('says once what no worker would take', async () => {
    const cli = startCli(['run', join('test', 'nowhere.js'), '--workers=3'])
    expect((await cli.exited).code).toBe(exitCodes.usage)
    expect(cli.stderr).toHaveLength(1)
    expect(cli.stdout).toEqual([])
  })

  it.each<[string, string, string, readonly string[]]>([
    ['does not load', 'INVALID_DEFINITION', 'export default {', []],
    ['throws', 'INVALID_DEFINITION', 'throw new Error("on purpose")', []],
    ['exports no application', 'INVALID_DEFINITION', 'export const application = 1', []],
    ['is given wrong brokers', 'INVALID_CONFIGURATION', SAME_LEDGER, ['--brokers=http://x:1']],
    ['is given a wrong token', 'INVALID_CONFIGURATION', SAME_LEDGER, ['--peer-host=0.0.0.0']],
  ])('says once what its workers found wrong, and ends: the application %s', async (_what, code, text, flags) => {
    const directory = temporaryDirectory()
    const loads = join(directory, 'loads')
    const path = join(directory, 'application.mjs')
    // A module that does not compile loads nowhere; any other notes who loads it.
    const note = `(await import('node:fs')).appendFileSync(${JSON.stringify(loads)}, process.pid + '\\n');`
    writeFileSync(path, text.endsWith('{') ? text : `${note}\n${text}`)
    const cli = startCli(['run', path, '--workers=3', '--name=w', `--state-dir=${directory}`, ...flags])
    expect(await cli.exited).toEqual({ code: exitCodes.usage, signal: null })
    expect(cli.stderr).toEqual([expect.stringContaining(`error ${code}: `)])
    expect(pidsOf(cli)).toHaveLength(3)
    expect(linesOf(cli, /^worker died/)).toEqual([])
    expect(linesOf(cli, /not restarted$/)[0]).toMatchObject({ exitCode: exitCodes.usage, level: 50 })
    // The supervisor loads nothing itself: its workers would wait for that.
    if (existsSync(loads))
      expect(pidsOf(cli).map(String)).toEqual(expect.arrayContaining(readFileSync(loads, 'utf8').trim().split('\n')))
  })

  it('with --debug, says with it where in the application that was', async () => {
    const path = join(temporaryDirectory(), 'application.mjs')
    writeFileSync(path, 'function faulty() { throw new Error("on purpose") }\nfaulty()')
    const cli = startCli(['--debug', 'run', path, '--workers=2'])
    expect((await cli.exited).code).toBe(exitCodes.usage)
    expect(cli.stderr.filter((line) => /at faulty .*application\.mjs:1/.test(line))).toHaveLength(1)
  })

  it('a second signal kills the workers that do not stop', async () => {
    const { cli } = await running()
    const [stuck = 0] = pidsOf(cli)
    process.kill(stuck, 'SIGSTOP')
    cli.kill('SIGINT')
    await until('the other one has stopped', () => linesOf(cli, /^worker process ended$/).length === 1)
    cli.kill('SIGINT')
    expect(await cli.exited).toEqual({ code: exitCodes.failure, signal: null })
    expect(linesOf(cli, /^worker process ended$/).at(-1)).toMatchObject({ workerPid: stuck, signal: 'SIGKILL' })
    expect(pidsOf(cli).filter(lives)).toEqual([])
  })

  it('when it is killed, its workers stop as by SIGTERM', async () => {
    const { bench, cli } = await running()
    const pids = pidsOf(cli)
    expect(pids.filter(lives)).toHaveLength(2)
    cli.kill('SIGKILL')
    expect((await cli.exited).signal).toBe('SIGKILL')
    await until('the workers have ended', () => !pids.some(lives))
    // They have left: the members of a group whose workers just die stay until the session timeout.
    expect(await groupState(bench.group)).toBe('Empty')
  })
})
