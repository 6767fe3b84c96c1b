/**
 * ops/ held against what others take: the manifests against Kubernetes' schemas, strictly, and the unit against systemd. Needs
 * python3 with venv (the validator is PyPI's kubernetes-validate, which brings the schemas along), and systemd-analyze.
 */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { ROOT } from '../support/documents.js'
import { temporaryFolder } from '../support/temporary.js'

interface Ended {
  readonly code: number
  readonly output: string
}

async function run(command: string, ...args: readonly string[]): Promise<Ended> {
  try {
    const { stdout, stderr } = await promisify(execFile)(command, args)
    return { code: 0, output: stdout + stderr }
  } catch (error) {
    if (!(error instanceof Error && 'stdout' in error && 'code' in error && typeof error.code === 'number')) throw error
    return { code: error.code, output: `${String(error.stdout)}\n${error.message}` }
  }
}

describe('the manifests', () => {
  const environment = temporaryFolder()
  const validate = (file: string): Promise<Ended> => run(join(environment, 'bin/kubernetes-validate'), '--strict', file)
  const folder = join(ROOT, 'ops/kubernetes')
  // That one is read by kubectl alone, and has no schema there.
  const files = readdirSync(folder).filter((file) => file !== 'kustomization.yaml')

  beforeAll(async () => {
    for (const [command, ...args] of [
      ['python3', '-m', 'venv', environment],
      [join(environment, 'bin/pip'), 'install', '--quiet', 'kubernetes-validate'],
    ] as const) {
      const { code, output } = await run(command, ...args)
      if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${output}`)
    }
  })

  test.each(files)('%s is what Kubernetes takes, without a field that it does not know', async (file) => {
    expect(await validate(join(folder, file))).toMatchObject({ code: 0 })
  })

  test('a misspelt field would be found', async () => {
    const file = join(temporaryFolder(), 'statefulset.yaml')
    const misspelt = readFileSync(join(folder, 'statefulset.yaml'), 'utf8').replace(
      'failureThreshold',
      'failuresThreshold',
    )
    writeFileSync(file, misspelt)
    const { code, output } = await validate(file)
    expect(code).not.toBe(0)
    expect(output).toContain('failuresThreshold')
  })
})

test('the unit is what systemd takes, and says nothing against', async () => {
  expect(await run('systemd-analyze', 'verify', '--man=no', join(ROOT, 'ops/systemd/potoroo@.service'))).toEqual({
    code: 0,
    output: '',
  })
})
