/** The benchmarks run, and check what comes out; what they measure of tiny input is of no interest. */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, inject, it } from 'vitest'
import { ROOT } from '../support/documents.js'
import { temporaryFolder } from '../support/temporary.js'

const results = temporaryFolder()
const json = (name: string): unknown => JSON.parse(readFileSync(join(results, `${name}.json`), 'utf8'))

it('measures throughput, latency, restore and hand-off', { timeout: 120_000 }, async () => {
  const args = ['run', '-s', 'bench', '--', 'all', '--short', '--only', 'potoroo', '--results', results]
  // Rejects when the exit code is not 0, which it is not when a rejection was lost, repeated or wrong.
  const { stdout } = await promisify(execFile)('npm', args, {
    cwd: ROOT,
    env: { ...process.env, KAFKA_BROKERS: inject('brokers') },
  })
  expect(stdout.match(/All were right/g)).toHaveLength(4)
  expect(readdirSync(results).sort()).toEqual(
    [
      'README.md',
      ...['handoff', 'latency', 'restore', 'throughput'].flatMap((name) => [`${name}.json`, `${name}.svg`]),
    ].sort(),
  )
  for (const name of ['handoff', 'latency', 'restore', 'throughput'])
    expect(json(name)).toMatchObject({ name, right: true, surroundings: { versions: { node: process.versions.node } } })
  expect(json('throughput')).toMatchObject({
    measured: [100, 2000].map((symbols) => ({
      symbols,
      results: [{ contender: 'potoroo', rounds: [{ lost: 0, repeated: 0 }] }],
    })),
  })
  // What says that nothing was lost has to have seen something.
  expect(stdout).not.toContain('NaN')
})
