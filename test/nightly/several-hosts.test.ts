/**
 * Workers on hosts of their own, with an address each (test/support/hosts.ts): they reach each other by address and token;
 * one is cut off, so that packets are dropped and nobody is told. The example's ledger (examples/ledger) is the load: each
 * transfer is settled once, whatever happens.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { StatusReport } from '../../src/cli/status/report.js'
import { runCli, startCli, type CliProcess } from '../support/cli.js'
import type { ExampleWorker, LogLine } from '../support/example-bench.js'
import { Hosts } from '../support/hosts.js'
import { LedgerInput, type Settled } from '../support/ledger-example.js'
import { temporaryFolder } from '../support/temporary.js'
import { until } from '../support/until.js'

const APPLICATION = 'dist/examples/ledger/application.js'
/** So many that a standby is far behind at first, and asks its owner for a copy of the store. */
const ACCOUNTS = 240_000
const TRANSFERS = 60_000
const PER_ROUND = 20
const ROUND_MS = 80
const PEER_PORT = 9465
/** However busy the machine is. */
const PATIENCE_MS = 240_000
/** A worker's, as it is by default: then the group goes on without it. */
const SESSION_TIMEOUT_MS = 6_000

const hosts = new Hosts('kafka', 'w1', 'w2', 'w3', 'operator')
const brokers = `${hosts.address('kafka')}:9092`
const directory = temporaryFolder()
const input = new LedgerInput(ACCOUNTS, TRANSFERS, true)
const workers = new Map<string, ExampleWorker>()
let feed: CliProcess
let feeding: Promise<void>
let sent = 0
let stop = false

const on = (host: string, token = 'a-secret') => ({
  through: hosts.on(host),
  env: { KAFKA_BROKERS: brokers, POTOROO_PEER_TOKEN: token },
})

/** Runs a command on the operator's host. Resolves with what it printed; rejects unless it ends well. */
async function operator(args: readonly string[], lines: readonly object[] = []): Promise<readonly string[]> {
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
  const { code, stdout, stderr } = await runCli(args, { ...on('operator'), input: text })
  if (code !== 0) throw new Error(`potoroo ${args.join(' ')} ended with ${String(code)}: ${stderr.join('\n')}`)
  return stdout
}

function start(name: string): ExampleWorker {
  const peers = ['--peer-host', hosts.address(name), '--peer-port', String(PEER_PORT)]
  const own = ['--name', name, '--state-dir', `${directory}/${name}`]
  const cli = startCli(['run', APPLICATION, ...own, ...peers], on(name))
  const worker = {
    ...cli,
    log: (message?: string) => {
      const lines = cli.stdout.map((line) => JSON.parse(line) as LogLine)
      return message === undefined ? lines : lines.filter(({ msg }) => msg === message)
    },
  }
  workers.set(name, worker)
  return worker
}

const workerNamed = (name: string): ExampleWorker => {
  const worker = workers.get(name)
  if (worker === undefined) throw new Error(`${name} was not started`)
  return worker
}

async function status(): Promise<StatusReport> {
  const [line = ''] = await operator(['status', APPLICATION, '--json'])
  return JSON.parse(line) as StatusReport
}

const tasksOf = (report: StatusReport, name: string): number =>
  report.workers.find(({ worker }) => worker === name)?.active.length ?? 0

/** Resolves with a report in which all tasks run on these workers alone, and each has some. */
async function sharedBy(...names: readonly string[]): Promise<StatusReport> {
  let last: StatusReport | undefined
  try {
    return await until(
      `${names.join(' and ')} share the tasks`,
      async () => {
        const report = (last = await status())
        const all = report.tasks.every(({ worker, state }) => state === 'running' && names.includes(worker ?? ''))
        return all && report.tasks.length > 0 && names.every((name) => tasksOf(report, name) > 0) && report
      },
      PATIENCE_MS,
    )
  } catch (cause) {
    throw new Error(`the last report: ${JSON.stringify(last)}`, { cause })
  }
}

/** Resolves when each transfer that was sent until now is settled; fails where one is twice. */
async function settled(): Promise<void> {
  const due = input.transfers.slice(0, sent).map(({ id }) => id)
  await until(
    `${String(due.length)} transfers are settled`,
    async () => {
      const lines = await operator(['tail', 'settled', '--from-beginning', '--until-end'])
      // Those that are sent meanwhile may be among them.
      const ids = new Set(lines.map((line) => (JSON.parse(line) as Settled).id))
      expect(ids.size).toBe(lines.length)
      return due.every((id) => ids.has(id))
    },
    PATIENCE_MS,
  )
}

beforeAll(async () => {
  hosts.make()
  const listeners = 'PLAINTEXT://0.0.0.0:9092,CONTROLLER://127.0.0.1:9093'
  const settings = {
    listeners,
    'advertised.listeners': `PLAINTEXT://${brokers}`,
    'controller.quorum.voters': '1@127.0.0.1:9093',
  }
  const set = Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`])
  const broker = startCli(['broker', '--data-dir', `${directory}/kafka`, '--heap', '512m', ...set], on('kafka'))
  await broker.line(/is ready at/, 60_000)
  await operator(['topics', APPLICATION])
  await operator(['produce', 'deposits', '--application', APPLICATION], input.deposits)
  feed = startCli(['produce', 'transfers', '--application', APPLICATION], on('operator'))
  feeding = (async () => {
    while (!stop && sent < TRANSFERS) {
      const round = input.transfers.slice(sent, sent + PER_ROUND)
      feed.write(round.map((transfer) => `${JSON.stringify(transfer)}\n`).join(''))
      sent += round.length
      await delay(ROUND_MS)
    }
  })()
  await start('w1').line(/"worker started"/)
})

afterAll(async () => {
  stop = true
  await feeding
})

test('a worker that joins copies the stores from the other host, and both say how they are', async () => {
  await settled()
  const second = start('w2')
  const report = await sharedBy('w1', 'w2')
  expect(second.log('took a snapshot of the store').length).toBeGreaterThan(0)
  expect(second.log('no snapshot: the changelog is read instead')).toEqual([])
  expect(report.workers.map(({ worker, address, problem }) => ({ worker, address, problem }))).toEqual(
    ['w1', 'w2'].map((worker) => ({ worker, address: `${hosts.address(worker)}:${String(PEER_PORT)}`, problem: null })),
  )
})

test('who has another token learns nothing', async () => {
  const { stdout } = await runCli(['status', APPLICATION, '--json'], on('operator', 'another-secret'))
  const { workers: told } = JSON.parse(stdout[0] ?? '') as StatusReport
  expect(told.map(({ worker, problem }) => [worker, problem === null])).toEqual([
    ['w1', false],
    ['w2', false],
  ])
})

test('a worker that is killed is noticed from the other hosts at once', async () => {
  const third = start('w3')
  await sharedBy('w1', 'w2', 'w3')
  third.kill('SIGKILL')
  const killedMs = performance.now()
  await until('somebody says that it is gone', () =>
    ['w1', 'w2'].some((name) =>
      workerNamed(name)
        .log('a worker is gone: its address refuses connections')
        .some((line) => JSON.stringify(line).includes('w3')),
    ),
  )
  expect(performance.now() - killedMs).toBeLessThan(SESSION_TIMEOUT_MS / 2)
  await third.exited
  await sharedBy('w1', 'w2')
  await settled()
})

test('a host that is cut off loses its tasks after the session timeout, comes back, and nothing is lost or repeated', async () => {
  const [first, second] = [workerNamed('w1'), workerNamed('w2')]
  hosts.cutOff('w2')
  const cutMs = performance.now()
  await sharedBy('w1')
  const noticedMs = performance.now() - cutMs
  console.log(`a host that was cut off was given up after ${(noticedMs / 1000).toFixed(1)} s`)
  // Nobody refused a connection, so nobody could be sure before.
  expect(noticedMs).toBeGreaterThan(SESSION_TIMEOUT_MS / 2)
  expect(
    first
      .log('a worker is gone: its address refuses connections')
      .filter((line) => JSON.stringify(line).includes('w2')),
  ).toEqual([])
  await settled()
  // It has noticed, and tries on.
  await second.line(/"the group cannot be reached: trying again"|"broker is gone, trying to reach it again"/, 60_000)
  expect(second.running()).toBe(true)
  hosts.connect('w2')
  await sharedBy('w1', 'w2')
  await settled()
})

test('hosts that reach the brokers, but not each other, go on: none takes the other for dead', async () => {
  const [first, second] = [workerNamed('w1'), workerNamed('w2')]
  const rebalances = (): number => first.log('tasks assigned').length + second.log('tasks assigned').length
  const before = rebalances()
  hosts.separate('w1', 'w2')
  // Longer than anything between workers is waited for.
  await delay(20_000)
  await settled()
  expect(rebalances()).toBe(before)
  hosts.bringTogether('w1', 'w2')
})

test('in the end each transfer has been settled once, and the workers end well', async () => {
  stop = true
  await feeding
  feed.write('', true)
  expect(await feed.exited).toEqual({ code: 0, signal: null })
  await settled()
  const lines = await operator(['tail', 'settled', '--from-beginning', '--until-end'])
  expect(lines.map((line) => (JSON.parse(line) as Settled).id).sort()).toEqual(
    input.transfers
      .slice(0, sent)
      .map(({ id }) => id)
      .sort(),
  )
  console.log(`${String(sent)} transfers`)
  for (const name of ['w1', 'w2']) workerNamed(name).kill('SIGTERM')
  for (const name of ['w1', 'w2']) expect(await workerNamed(name).exited).toEqual({ code: 0, signal: null })
})
