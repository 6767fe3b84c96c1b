/** The newcomer's hour: `npm create potoroo` from packed packages, in an empty folder, up to alerts on a broker. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, inject, test } from 'vitest'
import { uniqueName } from '../support/broker.js'
import { readDocument, ROOT } from '../support/documents.js'
import { npmEnvironment, startNpm } from '../support/npm.js'
import { temporaryFolder } from '../support/temporary.js'

const run = promisify(execFile)
const { version } = JSON.parse(readDocument('package.json')) as { version: string }

test('a project that was made builds, passes its test, and gives alerts', { timeout: 600_000 }, async () => {
  const folder = temporaryFolder()
  const env = { KAFKA_BROKERS: inject('brokers'), XDG_STATE_HOME: join(folder, 'state') }
  const npm = async (args: readonly string[], cwd = folder): Promise<string> =>
    (await run('npm', args, { cwd, env: { ...npmEnvironment, ...env } })).stdout
  await npm(['pack', '--silent', ROOT, join(ROOT, 'create-potoroo')])

  const begunMs = performance.now()
  const name = uniqueName('app')
  const create = ['exec', '--yes', '--prefer-offline', `--package=./create-potoroo-${version}.tgz`, '--']
  const said = await npm([...create, 'create-potoroo', name, '--potoroo', `potoroo-${version}.tgz`])
  expect(said).toContain(`made the project ${name} in `)
  const project = join(folder, name)
  expect(await npm(['test'], project)).toMatch(/pass 2\n[^]*fail 0\n/)

  const worker = startNpm(['start'], { cwd: project, env })
  await worker.line(/worker started/)
  expect(await npm(['run', 'feed'], project)).toContain('8 records produced to readings')
  const alerts = startNpm(['run', 'alerts'], { cwd: project, env })
  const alert = await alerts.line(/too hot/)
  const tookMs = performance.now() - begunMs
  expect(JSON.parse(alert)).toEqual({ sensor: 'turbine', text: '95 °C, too hot 3 times in a row' })
  console.log(`from npm create to the first alert: ${(tookMs / 1000).toFixed(1)} s`)

  // SIGTERM to npm, as a terminal that closes or a supervisor sends it.
  for (const started of [alerts, worker]) {
    started.kill('SIGTERM')
    await started.allEnded()
  }
})
