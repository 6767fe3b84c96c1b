/** State objects that change their shape, on a real broker: the next version of an application, and the way back. */
import { expect, test } from 'vitest'
import { exitCodes } from '../../src/errors.js'
import { runCli } from '../support/cli.js'
import { LEDGER, LedgerBench } from '../support/ledger.js'

const UPGRADED = 'test/fixtures/ledger-upgraded.mjs'

test(
  'continues with the state of the version before, and that one is refused afterwards',
  { timeout: 120_000 },
  async () => {
    const bench = new LedgerBench()
    await bench.createTopics()
    const stop = async (worker: ReturnType<LedgerBench['worker']>): Promise<void> => {
      worker.kill('SIGTERM')
      expect((await worker.exited).code).toBe(0)
    }
    const against = (application: string) =>
      runCli(['topology', application, '--topic-prefix', bench.prefix, '--against'])

    await bench.send({ add: 1 })
    const first = bench.worker()
    expect(await bench.balances(1)).toEqual([1])
    await stop(first)

    expect((await against(UPGRADED)).stdout.find((line) => line.includes('state object'))).toMatch(
      /^upgraded +state object +ledger v1$/,
    )
    const second = bench.workerOf(UPGRADED)
    await bench.send({ add: 10 })
    expect(await bench.balances(2)).toEqual([1, 11])
    await stop(second)

    const { code, stderr } = await against(LEDGER)
    expect([code, stderr.join()]).toEqual([exitCodes.topics, expect.stringContaining('STATE_NEWER')])
    const back = bench.worker()
    expect((await back.exited).code).toBe(exitCodes.topics)
    expect(back.stderr.join('\n')).toContain(
      'STATE_NEWER: State object ledger of ledger is stored in version 1, but the newest version that this application knows is 0.',
    )

    const third = bench.workerOf(UPGRADED)
    await bench.send({ add: 100 })
    expect(await bench.balances(3)).toEqual([1, 11, 111])
    await stop(third)
  },
)
