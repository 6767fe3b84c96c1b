import { writeFileSync } from 'node:fs'
import type { Reporter, SerializedError, TestModule } from 'vitest/node'

/**
 * Writes `N passed, N failed` into the file that SUMMARY_FILE names, for `.ci/run`. A file that could not be loaded and
 * an error outside of tests count as failed: they are no tests, but nobody may take the run for green.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const file = process.env['SUMMARY_FILE']
    if (file === undefined || file === '') return
    let passed = 0
    let failed = unhandled.length
    for (const module of modules) {
      failed += module.errors().length
      for (const suite of module.children.allSuites()) failed += suite.errors().length
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') passed += 1
        else if (state === 'failed') failed += 1
      }
    }
    writeFileSync(file, `${String(passed)} passed, ${String(failed)} failed\n`)
  }
}
