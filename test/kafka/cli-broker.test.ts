import { describe, expect, test } from 'vitest'
import { runCli, startCli } from '../support/cli.js'
import { temporaryFolder } from '../support/temporary.js'
import { until } from '../support/until.js'

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function startBroker(dataDir: string) {
  const cli = startCli(['broker', '--port', '0', '--data-dir', dataDir, '--heap', '512m'])
  const line = await cli.line(/is ready at/, 60_000)
  const [, brokers = '', pid = ''] = /ready at (\S+) \(process (\d+)/.exec(line) ?? []
  return { cli, brokers, pid: Number(pid) }
}

// This file needs java, also where the other tests have another broker.
describe('potoroo broker', () => {
  test('keeps what it holds over a stop, ends with its parent, and shares its data with nobody', async () => {
    const dataDir = temporaryFolder()
    const application = 'dist/market-spread/application.js'

    const first = await startBroker(dataDir)
    expect((await runCli(['topics', application, '--brokers', first.brokers])).stdout.join()).toContain('created')

    const second = await runCli(['broker', '--port', '0', '--data-dir', dataDir])
    expect(second.code).toBe(4)
    expect(second.stderr.join()).toContain(`is used by another broker, process ${String(first.pid)}`)

    // Killed without a chance to say goodbye: the broker has to go with it.
    first.cli.kill('SIGKILL')
    await first.cli.exited
    await until('the broker ends after its parent', () => !isAlive(first.pid))

    const third = await startBroker(dataDir)
    const there = await runCli(['topics', application, '--brokers', third.brokers])
    expect(there.code).toBe(0)
    expect(there.stdout.join()).not.toContain('created')

    third.cli.kill('SIGINT')
    expect(await third.cli.exited).toMatchObject({ code: 0 })
    expect(isAlive(third.pid)).toBe(false)
  })

  test('says so when the broker ends by itself, and exits with 4', async () => {
    const { cli, pid } = await startBroker(temporaryFolder())
    process.kill(pid, 'SIGKILL')
    expect(await cli.exited).toMatchObject({ code: 4 })
    expect(cli.stderr.at(-1)).toMatch(/^error BROKER_NOT_STARTED: Kafka exited on its own with status 137/)
  })
})
