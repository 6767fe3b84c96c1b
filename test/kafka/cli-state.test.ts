/** `potoroo state`, and docs/queries.md's examples, on a real broker. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { uniqueName } from '../support/broker.js'
import { runCli } from '../support/cli.js'
import { readDocument } from '../support/documents.js'
import { LEDGER, LedgerBench } from '../support/ledger.js'
import { until } from '../support/until.js'

const state = (prefix: string, ...args: readonly string[]) =>
  runCli(['state', LEDGER, ...args, '--topic-prefix', prefix])
const jsonOf = (lines: readonly string[]): unknown[] => lines.map((line) => JSON.parse(line) as unknown)

it('says that no worker runs and how to start one, and which state objects there are', async () => {
  const prefix = `${uniqueName('state')}-`
  const without = await state(prefix, 'ledger', 'alice')
  expect([without.code, without.stdout]).toEqual([1, []])
  expect(without.stderr.join('\n')).toMatch(
    new RegExp(
      `QUERY_UNANSWERED: no worker of ledger is running. Start one: npx potoroo run ${LEDGER} --topic-prefix ${prefix}`,
    ),
  )
  const unknown = await state(prefix, 'leger', 'alice')
  expect([unknown.code, unknown.stderr.join('\n')]).toEqual([
    2,
    expect.stringMatching(/STATE_UNKNOWN: .*leger.*has ledger/),
  ])
  const both = await state(prefix, 'ledger', 'alice', '--prefix', 'a')
  expect([both.code, both.stderr.join('\n')]).toEqual([2, expect.stringMatching(/give one or the other/)])
})

it('shows one and many, and the examples of docs/queries.md do what it says', async () => {
  const bench = new LedgerBench()
  await bench.createTopics({}, 3)
  const worker = bench.workerWith({ env: { POTOROO_PEER_TOKEN: 'a-secret' } }, 'w1', '--http-port', '0')
  const { url } = JSON.parse(await worker.line(/metrics and health are served/)) as { readonly url: string }
  const accounts = ['alan', 'alice', 'bob', 'zoë']
  const add = (account: string): number => account.length
  await bench.send(
    ...accounts.map((account) => ({ key: account, value: JSON.stringify({ account, add: add(account) }) })),
  )
  const env = { POTOROO_PEER_TOKEN: 'a-secret' }
  const ask = (...args: readonly string[]) =>
    runCli(['state', LEDGER, 'ledger', ...args, '--topic-prefix', bench.prefix], { env })
  await until('all are stored', async () => (await ask('--json')).stdout.length === accounts.length)

  const one = await ask('alice')
  expect([one.code, one.stderr]).toEqual([0, []])
  expect(one.stdout.join('\n')).toMatch(/"balance": 5[^]*as of 2\d{3}-.*from its owner, w1$/)
  expect((await ask('nobody')).stdout).toEqual(["no ledger of key 'nobody'"])
  const [found] = jsonOf((await ask('zoë', '--json', '--consistency', 'fenced')).stdout)
  expect(found).toMatchObject({ key: 'zoë', state: { balance: 3 }, from: 'owner', worker: 'w1' })
  const many = jsonOf((await ask('--prefix', 'al', '--json')).stdout) as { readonly key: string }[]
  expect(many.map(({ key }) => key)).toEqual(['alan', 'alice'])
  expect((await ask('--limit', '3')).stdout.map((line) => line.split('\t', 1)[0])).toEqual(accounts.slice(0, 3))
  expect((await ask('--from', 'b', '--before', 'c', '--json')).stdout.length).toBe(1)
  // Without the token nothing is told.
  const refused = await state(bench.prefix, 'ledger', 'alice')
  expect([refused.code, refused.stderr.join('\n')]).toEqual([
    1,
    expect.stringMatching(/PEER_REFUSED.*POTOROO_PEER_TOKEN/),
  ])

  const curls = [...readDocument('docs/queries.md').matchAll(/^curl .*$/gm)].map(([line]) => line)
  expect(curls.length).toBeGreaterThan(3)
  for (const curl of curls) {
    const line = curl
      .replaceAll(/http:\/\/[\d.]+:9464/g, url)
      .replace(/^curl(?!.*-H)/, `curl -H "Authorization: Bearer $POTOROO_PEER_TOKEN"`)
    const { stdout } = await promisify(execFile)('bash', ['-c', line.replace('curl', 'curl -sS')], {
      env: { ...process.env, ...env, no_proxy: '*' },
    })
    const body = JSON.parse(stdout) as { readonly entries?: readonly unknown[]; readonly state?: unknown }
    if (curl.includes('prefix')) expect(body.entries, curl).toHaveLength(2)
    else expect(body.state, curl).toMatchObject({ balance: 5 })
  }
  const bare = await fetch(`${url}/v1/ledger/alice`)
  expect([bare.status, await bare.text()]).toEqual([401, ''])
})

it('shows windows as a list, timers beside what they are of, and the open messages of interval joins', async () => {
  const bench = new LedgerBench()
  await bench.createTopics()
  const visits = 'test/fixtures/visits.mjs'
  const worker = bench.workerOf(visits, {}, 'w1', '--http-port', '0')
  await worker.line(/"task is active"/)
  // In a window that is not over before the test is.
  const atMs = Math.floor(Date.now() / 60_000) * 60_000 + 180_000
  const command = { account: 'alice', add: 5 }
  await bench.send({ key: 'alice', value: JSON.stringify(command), timestamp: String(atMs) })
  const ask = (...args: readonly string[]) => runCli(['state', visits, ...args, '--topic-prefix', bench.prefix])
  const found = async (name: string): Promise<unknown> => jsonOf((await ask(name, 'alice', '--json')).stdout)[0]
  const window = { key: 'alice', startMs: atMs, endMs: atMs + 60_000, messages: 1, state: { balance: 5 } }
  await until('it has come', async () => (await ask('minute', 'alice')).stdout.length > 1)
  expect(await found('minute')).toMatchObject({ key: 'alice', state: [window], from: 'owner' })
  const dueMs = atMs + 3_600_000
  const timers = [{ name: 'calm', id: 'x', dueMs }]
  expect(await found('ledger')).toMatchObject({ state: { balance: 5 }, timers })
  const message = { timestampMs: atMs, hasMet: true, message: command }
  expect(await found('near')).toMatchObject({ state: { left: [message], right: [message] } })
  const text = (await ask('ledger', 'alice')).stdout
  expect(text).toContain(`timer calm 'x' is due ${new Date(dueMs).toISOString()}`)
  await until('it is stored', async () => (await ask('minute')).stdout.length === 1)
  expect((await ask('minute')).stdout).toEqual([`alice\t${JSON.stringify([window])}`])
})
