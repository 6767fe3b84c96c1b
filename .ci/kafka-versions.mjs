/**
 * Runs what depends on the broker's release against several of them, and prints a table with each file's count of tests:
 * `node .ci/kafka-versions.mjs`, or with the releases to run, `node .ci/kafka-versions.mjs 3.9.1`. Exit status 1 if a test failed.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
/** The last of some minor releases: docs/deployment.md has what came of them. */
const releases = ['3.7.2', '3.9.2', '4.0.2', '4.2.0', '4.3.1']
const files = [
  'bigger-steps',
  'chaos',
  'conformance',
  'faults/broker',
  'faults/state',
  'faults/upstream',
  'faults/worker',
  'fetcher',
  'group',
  'idempotent-producer',
  'log',
  'market-spread',
  'routing',
  'transaction-version',
  'transactions',
  'upgrades',
].map((name) => `test/kafka/${name}.test.ts`)
/** What is about something that Kafka 3 does not have: epochs of transactions. */
const isFor = (release, file) => !(release.startsWith('3.') && file.endsWith('transaction-version.test.ts'))

const folder = mkdtempSync(join(tmpdir(), 'potoroo-kafka-versions-'))
const chosen = process.argv.length > 2 ? process.argv.slice(2) : releases
/** By release, by file: how many tests passed, and the names of those that did not. */
const found = new Map()
for (const release of chosen) {
  process.stdout.write(`== Kafka ${release}\n`)
  const output = join(folder, `${release}.json`)
  spawnSync(
    'npx',
    [
      'vitest',
      'run',
      '--project',
      'kafka',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${output}`,
      ...files.filter((file) => isFor(release, file)),
    ],
    {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, KAFKA_VERSION: release, KAFKA_BROKERS: '' },
    },
  )
  found.set(release, resultsIn(output))
}
rmSync(folder, { recursive: true, force: true })

/** Nothing where vitest did not get as far as an end. */
function resultsIn(output) {
  try {
    const { testResults } = JSON.parse(readFileSync(output, 'utf8'))
    return new Map(
      testResults.map(({ name, status, assertionResults }) => {
        const passed = assertionResults.filter((test) => test.status === 'passed').length
        const failed = assertionResults.filter((test) => test.status !== 'passed').map(({ fullName }) => fullName)
        // A file that could not be loaded has no tests.
        return [relative(root, name), { passed, failed: failed.length === 0 && status !== 'passed' ? [name] : failed }]
      }),
    )
  } catch {
    return new Map()
  }
}

const cell = (result) =>
  result === undefined
    ? 'not run'
    : `${result.passed}${result.failed.length > 0 ? `, ${result.failed.length} failed` : ''}`
const rows = [
  ['file', ...chosen],
  ['-', ...chosen.map(() => '-')],
  ...files.map((file) => [
    file,
    ...chosen.map((release) => (isFor(release, file) ? cell(found.get(release)?.get(file)) : '-')),
  ]),
  [
    'all',
    ...chosen.map((release) => [...(found.get(release)?.values() ?? [])].reduce((sum, { passed }) => sum + passed, 0)),
  ],
]
for (const row of rows) process.stdout.write(`| ${row.join(' | ')} |\n`)
let wrong = 0
for (const release of chosen)
  for (const file of files.filter((each) => isFor(release, each))) {
    const result = found.get(release)?.get(file)
    for (const name of result?.failed ?? [`${file} did not run`]) {
      wrong += 1
      process.stdout.write(`failed on ${release}: ${name}\n`)
    }
  }
process.exitCode = wrong > 0 ? 1 : 0
