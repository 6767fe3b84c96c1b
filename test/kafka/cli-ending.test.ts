/** A command that is done ends its process, whatever the application's module has left running. */
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { uniqueName } from '../support/broker.js'
import { runCli, startCli } from '../support/cli.js'
import { temporaryFolder } from '../support/temporary.js'

const APPLICATION = 'test/fixtures/keeps-alive.mjs'
const prefix = `${uniqueName('alive')}-`
const flags = ['--topic-prefix', prefix]

describe('an application whose module keeps the event loop alive', () => {
  beforeAll(async () => {
    const { code, stdout } = await runCli(['topics', APPLICATION, ...flags])
    expect(code).toBe(0)
    expect(stdout.join('\n')).toContain(`${prefix}commands`)
  })

  test('potoroo status and produce end after their output', async () => {
    const status = await runCli(['status', APPLICATION, ...flags])
    expect(status).toMatchObject({ code: 0, stderr: [] })
    expect(status.stdout.join('\n')).toContain('no workers')
    const produce = await runCli(['produce', 'commands', '--application', APPLICATION, ...flags], {
      input: JSON.stringify({ account: 'a', add: 1 }),
    })
    expect(produce).toMatchObject({ code: 0, stdout: [`1 record produced to ${prefix}commands`] })
  })

  test('a command that fails ends, too', async () => {
    const { code, stderr } = await runCli(['topics', APPLICATION, ...flags, '--brokers', '127.0.0.1:1'])
    expect({ code, stderr }).toEqual({ code: 4, stderr: [expect.stringContaining('BROKER_UNREACHABLE')] })
  })

  test.each([
    ['a worker', []],
    ['several workers', ['--workers', '2']],
  ])('%s ends after it has stopped', async (_, more) => {
    const cli = startCli(['run', APPLICATION, ...flags, '--state-dir', join(temporaryFolder(), 'state'), ...more])
    await cli.line(/task is active/)
    cli.kill('SIGTERM')
    expect(await cli.exited).toEqual({ code: 0, signal: null })
  })
})
