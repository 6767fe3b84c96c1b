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

const names = ['handoff', 'latency', 'restore', 'routing', 'scaling', 'sizes', 'throughput', 'windows']
/** These have a chart. */
const drawn = ['handoff', 'latency', 'restore', 'routing', 'throughput', 'windows']

it(
  'measures throughput, latency, restore, hand-off, sizes, routing, windows and scaling',
  { timeout: 180_000 },
  async () => {
    const args = ['run', '-s', 'bench', '--', 'all', '--short', '--only', 'potoroo', '--results', results]
    // Rejects when the exit code is not 0, which it is not when a rejection was lost, repeated or wrong.
    const { stdout } = await promisify(execFile)('npm', args, {
      cwd: ROOT,
      env: { ...process.env, KAFKA_BROKERS: inject('brokers') },
    })
    expect(stdout.match(/All were right/g)).toHaveLength(names.length)
    expect(readdirSync(results).sort()).toEqual(
      ['README.md', ...names.map((name) => `${name}.json`), ...drawn.map((name) => `${name}.svg`)].sort(),
    )
    for (const name of names)
      expect(json(name)).toMatchObject({
        name,
        right: true,
        surroundings: { versions: { node: process.versions.node } },
      })
    expect(json('throughput')).toMatchObject({
      measured: [100, 2000].map((symbols) => ({
        symbols,
        results: [{ contender: 'potoroo', rounds: [{ lost: 0, repeated: 0 }] }],
      })),
    })
    expect(json('scaling')).toMatchObject({
      measured: { real: [{ members: 3 }], transactions: [{ tasks: 2, perSecond: expect.any(Number) as number }] },
    })
    // What was calculated of a group's record is what brokers go by: their default of message.max.bytes. But how long this
    // machine's address is for a broker in a container is not known here.
    const { measured } = json('scaling') as { readonly measured: { readonly recordLimit: number } }
    expect(Math.abs(measured.recordLimit - 1_048_588)).toBeLessThan(50)
    const none = { lost: 0, repeated: 0, miscounted: 0 }
    expect(json('routing')).toMatchObject({
      measured: {
        latency: [1, 3].map((stages) => ({ stages, results: [{ contender: 'potoroo', rounds: [none] }] })),
        backlog: [{ contender: 'potoroo', rounds: [{ outputs: 8000, wrong: 0 }] }],
        disk: [{ contender: 'potoroo', wrong: 0 }],
      },
    })
    expect(json('windows')).toMatchObject({ measured: [{ contender: 'potoroo', rounds: [{ wrong: 0 }] }] })
    expect(json('sizes')).toMatchObject({ measured: [{ records: 1000, wrong: 0 }, { wrong: 0 }] })
    // What says that nothing was lost has to have seen something.
    expect(stdout).not.toContain('NaN')
  },
)
