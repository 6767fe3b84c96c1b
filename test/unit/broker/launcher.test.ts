import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { launch } from '../../../src/broker/launcher.js'
import { temporaryFolder } from '../../support/temporary.js'

const env = { PATH: '/usr/bin:/bin' }
const start = async (script: string) => {
  const outputFile = join(temporaryFolder(), 'out')
  return { outputFile, launched: await launch({ command: '/bin/sh', args: ['-c', script], env, outputFile }) }
}

// That the program ends with its parent is tested with a real broker: test/kafka/cli-broker.test.ts.
describe('launch', () => {
  test('gives the exit status, and what was printed', async () => {
    const { launched, outputFile } = await start('echo one; echo two >&2; exit 7')
    expect(await launched.exited).toBe(7)
    expect(launched.running()).toBe(false)
    expect(readFileSync(outputFile, 'utf8')).toBe('one\ntwo\n')
  })

  test('gives the process id of the program, not of the shell between', async () => {
    const { launched } = await start('exec sleep 1000')
    expect(launched.running()).toBe(true)
    process.kill(launched.pid, 'SIGKILL')
    expect(await launched.exited).toBe(128 + 9)
  })

  test('a program that is not there ends at once', async () => {
    const outputFile = join(temporaryFolder(), 'out')
    const launched = await launch({ command: '/nowhere/java', args: [], env, outputFile })
    expect(await launched.exited).toBe(127)
  })

  test('gives the program no standard input', async () => {
    const { launched } = await start('read -r line')
    expect(await launched.exited).toBe(1)
  })
})
