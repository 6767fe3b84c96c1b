/** potoroo dead-letters, on a broker: what it shows, and that it replays each once, whatever it dies of. */
import { describe, expect, it } from 'vitest'
import type { Message } from 'kafkajs'
import { namesOf } from '../../src/core/plan/topology.js'
import { isPotorooError } from '../../src/errors.js'
import { finishLetters } from '../../src/runtime/dead-letters/finish.js'
import { systemClock } from '../../src/system.js'
import { runCli, startCli } from '../support/cli.js'
import { LEDGER, LedgerBench } from '../support/ledger.js'
import { openLog, openProxied } from '../support/open-logs.js'
import { api } from '../support/proxy.js'
import { readCommitted } from '../support/read-committed.js'
import { createTopics, produce } from '../support/topics.js'
import { until } from '../support/until.js'

const CORRECTED = 'test/fixtures/ledger-corrected.mjs'
const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

const letters = (bench: LedgerBench, ...args: readonly string[]) =>
  runCli(['dead-letters', ...args, '--topic-prefix', bench.prefix])
const wrong = async (bench: LedgerBench, code: number, ...args: readonly string[]): Promise<string> => {
  const run = await letters(bench, ...args)
  expect([run.code, run.stdout]).toEqual([code, []])
  return run.stderr.join('\n')
}

describe('potoroo dead-letters', () => {
  it('lists, shows, tries, drops and replays', async () => {
    const bench = new LedgerBench()
    await bench.createTopics()
    expect(await wrong(bench, 3, 'ledger', 'list')).toMatch(/TOPIC_MISSING: there is no topic \S+-ledger-dead-letters/)
    const worker = bench.worker()
    const fails = JSON.stringify({ account: 'a', add: 7, fail: 'on purpose' })
    await bench.send(
      { add: 100 },
      { key: 'a', value: fails, headers: { traceparent: TRACE } },
      { key: 'a', value: '{' },
    )
    expect(await bench.balances(1)).toEqual([100])
    await bench.read('ledger-dead-letters', 2)

    const list = await letters(bench, 'ledger', 'list')
    expect(list.stdout.map((line) => line.split(/ {2,}/).filter((_, column) => column !== 1))).toEqual([
      ['LETTER', 'CODE', 'FROM', 'KEY', 'REASON'],
      ['0:0', 'COMPUTATION_FAILED', `${bench.topic('commands')} 0:1`, 'a', 'on purpose'],
      ['0:1', 'NOT_JSON', `${bench.topic('commands')} 0:2`, 'a', expect.any(String)],
    ])
    expect(list.stderr).toEqual(['2 open, 0 done'])
    const json = await letters(
      bench,
      'list',
      LEDGER,
      '--json',
      '--code',
      'computation_failed',
      '--since',
      '1h',
      '--key',
      'a',
    )
    expect(json.stdout.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { letter: '0:0', code: 'COMPUTATION_FAILED', key: 'a', state: 'open', source: { partition: 0, offset: 1 } },
    ])

    const show = (await letters(bench, 'ledger', 'show', '0:0')).stdout.join('\n')
    for (const part of [
      `traceparent: ${TRACE}`,
      fails,
      "{ balance: 100, note: '' }",
      'Error: on purpose',
      'ledger.mjs',
    ])
      expect(show).toContain(part)

    const failed = await letters(bench, LEDGER, 'try', '0:0')
    expect(failed.code).toBe(1)
    expect(failed.stdout.join('\n')).toMatch(/failed with COMPUTATION_FAILED\nError: on purpose\n +at .*ledger\.mjs/)
    const through = await letters(bench, 'try', CORRECTED, '0:0')
    expect(through.code).toBe(0)
    expect(through.stdout.join('\n')).toContain(
      `output to ${bench.topic('balances')}, key a\n  traceparent: ${TRACE}\n  {"account":"a","balance":107}`,
    )
    expect(through.stdout.join('\n')).toMatch(
      /before\n +\{ balance: 100, .*\nstate object ledger after\n +\{ balance: 107, /,
    )
    // None of that has written anything.
    expect(await bench.balances(1)).toEqual([100])
    await bench.read('ledger-dead-letters', 2)

    expect((await letters(bench, 'ledger', 'drop', '--code', 'NOT_JSON', '--dry-run')).stderr).toEqual(['would drop 1'])
    expect((await letters(bench, 'ledger', 'drop', '--code', 'NOT_JSON')).stdout).toEqual(['dropped 1'])
    expect((await letters(bench, 'ledger', 'list')).stderr).toEqual(['1 open, 1 done that are not shown (--all)'])
    expect((await letters(bench, 'ledger', 'list', '--all')).stdout.map((line) => line.split(/ {2,}/).at(-1))).toEqual([
      'STATE',
      'open',
      'dropped',
    ])
    worker.kill('SIGTERM')
    await worker.exited

    const corrected = bench.workerOf(CORRECTED)
    expect(await wrong(bench, 2, 'ledger', 'replay')).toMatch(/replay of all open dead letters needs --yes/)
    expect((await letters(bench, 'ledger', 'replay', '--yes')).stdout).toEqual(['replayed 1; 1 done before'])
    expect(await bench.balances(2)).toEqual([100, 107])
    const [, again] = await bench.read('balances', 2)
    expect(again?.headers).toEqual({ traceparent: TRACE })
    expect((await letters(bench, 'ledger', 'replay', '0:0')).stdout).toEqual(['replayed 0; 1 done before'])
    expect((await letters(bench, 'ledger', 'list')).stdout).toEqual([])
    corrected.kill('SIGTERM')
    await corrected.exited
  })

  it('says what is wrong with a command line, and does nothing', async () => {
    const bench = new LedgerBench()
    await bench.createTopics()
    await createTopics([{ name: bench.topic('ledger-dead-letters') }])
    const mistakes = [
      [/'replays' is not an action of dead-letters, which are list, show, replay, drop, try/, 'ledger', 'replays'],
      [/there is no dead letter 0:17/, 'ledger', 'show', '0:17'],
      [/'17' is not the id of a dead letter/, 'ledger', 'show', '17'],
      [/show needs the ids/, 'ledger', 'show'],
      [/--dry-run does not apply to list: it is for replay, drop/, 'ledger', 'list', '--dry-run'],
      [/It must be an error code: NOT_JSON/, 'ledger', 'list', '--code', 'NO_JSON'],
      [/It must be a time with its zone/, 'ledger', 'list', '--since', 'yesterday'],
      [/try runs the application's own code/, 'ledger', 'try', '0:0'],
    ] as const
    await Promise.all(mistakes.map(async ([said, ...args]) => expect(await wrong(bench, 2, ...args)).toMatch(said)))
  })
})

/** So many dead letters, of two partitions, with what the record was in each. */
async function bench(count: number): Promise<{ readonly made: LedgerBench; readonly expected: readonly string[] }> {
  const made = new LedgerBench()
  await made.createTopics({}, 2)
  await createTopics([{ name: made.topic('ledger-dead-letters'), partitions: 2 }])
  const messages = Array.from({ length: count }, (_, n): Message => {
    const headers = { n: String(n), 'potoroo-source-topic': made.topic('commands') }
    const origin = { 'potoroo-source-partition': String(n % 2), 'potoroo-source-offset': String(n) }
    const error = { 'potoroo-source-timestamp': String(Date.now()), 'potoroo-error-code': 'COMPUTATION_FAILED' }
    const value = JSON.stringify({ account: 'a', n })
    return { key: Buffer.from([0xff, n % 7]), value, partition: n % 2, headers: { ...headers, ...origin, ...error } }
  })
  for (let from = 0; from < count; from += 5_000)
    await produce(made.topic('ledger-dead-letters'), messages.slice(from, from + 5_000))
  return {
    made,
    expected: messages.map((_, n) => `${String(n % 2)} {"n":"${String(n)}"} {"account":"a","n":${String(n)}}`),
  }
}
async function replayed(made: LedgerBench, count: number): Promise<string[]> {
  const records = await readCommitted(made.topic('commands'), count)
  return records.map(
    ({ partition, headers, value }) => `${String(partition)} ${JSON.stringify(headers)} ${String(value)}`,
  )
}

describe('a replay', () => {
  it('that is killed again and again writes each dead letter once, to its partition', async () => {
    const count = 20_000
    const { made, expected } = await bench(count)
    const start = () => startCli(['dead-letters', 'ledger', 'replay', '--yes', '--topic-prefix', made.prefix])
    const done = (lines: readonly string[]): number => Number(/\d+/.exec(lines.at(-1) ?? '')?.[0] ?? 0)
    let before = 0
    for (let kills = 0; kills < 2; kills++) {
      const cli = start()
      await cli.line(/^replayed \d+$/)
      cli.kill('SIGKILL')
      expect((await cli.exited).signal).toBe('SIGKILL')
      before += done(cli.stderr)
    }
    expect(before).toBeLessThan(count)
    const last = start()
    expect((await last.exited).code).toBe(0)
    const [, rest, killed] = /^replayed (\d+); (\d+) done before$/.exec(last.stdout.at(-1) ?? '') ?? []
    expect(Number(rest)).toBeGreaterThan(0)
    expect(Number(killed)).toBeGreaterThanOrEqual(before)
    expect(Number(rest) + Number(killed)).toBe(count)
    const found = await replayed(made, count)
    expect(found.sort()).toEqual([...expected].sort())
  })

  it('whose answers are lost, and beside a second one, writes each dead letter once', async () => {
    const count = 400
    const { made, expected } = await bench(count)
    const names = namesOf(made.prefix, 'ledger')
    const { log, proxy } = await openProxied()
    const other = await openLog()
    proxy.rule = ({ apiKey, nth }) =>
      (apiKey === api.endTxn && nth % 3 === 1) || (apiKey === api.produce && nth % 4 === 2)
        ? { kind: 'lose answer' }
        : undefined
    const run = (through: typeof log) =>
      finishLetters({ log: through, clock: systemClock }, names, {
        how: 'replay',
        choice: {},
        atOnce: 40,
        signal: new AbortController().signal,
      }).then(
        () => 'done',
        (error: unknown) => (isPotorooError(error) ? error.code : String(error)),
      )
    const first = run(log)
    await until('something is replayed', () => proxy.seen.filter(({ apiKey }) => apiKey === api.endTxn).length > 2)
    const outcomes = await Promise.all([first, run(other.log)])
    // Whoever is fenced says so, and the other one continues to the end.
    expect(outcomes).toContain('done')
    for (const outcome of outcomes) expect(['done', 'FENCED']).toContain(outcome)
    expect((await replayed(made, count)).sort()).toEqual([...expected].sort())
  })
})
