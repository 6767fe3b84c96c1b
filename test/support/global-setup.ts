/**
 * Before the tests in test/kafka: builds what the command line tests start, and finds them a broker. A missing broker is
 * never a reason to skip a test: then this fails, and says what to install.
 */
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'
import { provideBroker } from './provide-broker.js'

declare module 'vitest' {
  interface ProvidedContext {
    brokers: string
    /** What `tsc -b` complained about; empty when it built. */
    buildErrors: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [broker, buildErrors] = await Promise.all([provideBroker(process.env), build()])
  project.provide('brokers', broker.brokers)
  project.provide('buildErrors', buildErrors)
  return () => broker.stop()
}

/** Tests that don't need what is built go on without it: a build that fails is reported by those that do. */
async function build(): Promise<string> {
  const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  const root = fileURLToPath(new URL('../..', import.meta.url))
  try {
    await promisify(execFile)(process.execPath, [compiler, '-b', root], { maxBuffer: 16 * 1024 * 1024 })
    return ''
  } catch (error) {
    return error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error)
  }
}
