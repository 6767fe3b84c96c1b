/**
 * Arguments, files, streams and the environment as they can be: whatever they are, a command ends with what was wrong and
 * an exit code that says which kind, and never with a defect of Potoroo or a stack trace.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { uniqueName } from '../support/broker.js'
import { CLI_MAIN, runCli } from '../support/cli.js'
import { APPLICATION } from '../support/market-spread.js'
import { temporaryFolder } from '../support/temporary.js'

const folder = temporaryFolder()
const prefix = `${uniqueName('walk')}-`
const application = join(process.cwd(), APPLICATION)
const topic = `${prefix}orders`
const order = JSON.stringify({
  orderId: '1',
  account: 'a',
  symbol: 'A',
  side: 'buy',
  quantity: 1,
  price: 1,
  time: '2026-01-01T00:00:00.000Z',
})

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** A line for bash, in which `potoroo` is the command line, `$app` an application and `$topic` one of its topics. */
function shell(line: string): Promise<Ended> {
  const script = `potoroo() { "$node" "$main" "$@"; }; ${line}`
  const env = {
    ...process.env,
    KAFKA_BROKERS: inject('brokers'),
    NO_COLOR: '1',
    node: process.execPath,
    main: CLI_MAIN,
    app: application,
    prefix,
    topic,
  }
  return new Promise((resolve, reject) => {
    execFile('bash', ['-c', script], { cwd: folder, env, timeout: 50_000 }, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') reject(new Error(line, { cause: error }))
      else resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
}

/** Exit code, and what its standard error has to say. */
type Case = readonly [line: string, code: number, said: RegExp]

function walk(cases: readonly Case[]): void {
  test.concurrent.each(cases)('%s', async (line, code, said) => {
    const ended = await shell(line)
    expect(ended).toMatchObject({ code, stderr: expect.stringMatching(said) as unknown })
    expect(ended.stderr).not.toMatch(/INTERNAL|^\s+at /m)
  })
}

beforeAll(async () => {
  expect(await runCli(['topics', application, '--topic-prefix', prefix])).toMatchObject({ code: 0 })
  const files = {
    'orders.ndjson': `${order}\n`,
    'never.mjs': 'await new Promise(() => undefined)',
    'nothing.mjs': 'throw undefined',
    'no-text.mjs': Buffer.from([0xff, 0xfe, 0x00]),
    'application.json': '{}',
    'proxy.cjs': 'module.exports = new Proxy({}, { get() { throw 1 }, ownKeys() { throw 2 }, has() { throw 3 } })',
  }
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
  mkdirSync(join(folder, 'directory'))
  expect(await shell('mkfifo fifo module.fifo')).toMatchObject({ code: 0 })
})

const produce = 'potoroo produce orders --topic-prefix $prefix'

describe('what is read', () => {
  walk([
    [`${produce} directory`, 2, /INVALID_CONFIGURATION: directory can't be read: it is a directory/],
    [`${produce} nowhere`, 2, /INVALID_CONFIGURATION: nowhere can't be read: ENOENT/],
    // Readable by its mode, but not at its beginning.
    [`${produce} /proc/self/mem`, 2, /INVALID_CONFIGURATION: \/proc\/self\/mem can't be read: EIO/],
    [`${produce} < directory`, 2, /INVALID_CONFIGURATION: standard input can't be read: it is a directory/],
    [`${produce} <&-`, 0, /^$/],
    [`${produce} /dev/null`, 0, /^$/],
    [`cat orders.ndjson > fifo & ${produce} fifo`, 0, /^$/],
    [`printf '\\xff\\xfe\\x00\\n' | ${produce}`, 1, /line 1: NOT_JSON/],
  ])
})

describe('where is written', () => {
  walk([
    ['potoroo topics "$app" --topic-prefix $prefix > /dev/full', 1, /SYSTEM_REFUSED: ENOSPC/],
    ['potoroo status "$app" --topic-prefix $prefix > /dev/full', 1, /SYSTEM_REFUSED: ENOSPC/],
    [`${produce} orders.ndjson > /dev/full`, 1, /SYSTEM_REFUSED: ENOSPC/],
    [
      `${produce} orders.ndjson && potoroo tail $topic --from-beginning --count 1 > /dev/full`,
      1,
      /SYSTEM_REFUSED: ENOSPC/,
    ],
    ['potoroo --help > /dev/full', 1, /SYSTEM_REFUSED: ENOSPC/],
    ['set -o pipefail; potoroo topics "$app" --topic-prefix $prefix | true', 0, /^$/],
    ['set -o pipefail; potoroo --help | true', 0, /^$/],
    ['potoroo topics "$app" --topic-prefix $prefix >&-', 0, /^$/],
    ['potoroo topics nowhere.mjs 2>&-', 2, /^$/],
    ['potoroo topics nowhere.mjs 2> /dev/full', 2, /^$/],
    // A worker that can't log works on: it ends as it is told to.
    [
      'timeout -s TERM 8 "$node" "$main" run "$app" --topic-prefix $prefix --state-dir full > /dev/full; test $? = 124',
      0,
      /^$/,
    ],
  ])
})

describe('modules', () => {
  walk([
    ['potoroo topics directory', 2, /INVALID_CONFIGURATION: .*directory is not a file/],
    ['potoroo topics module.fifo', 2, /INVALID_CONFIGURATION: .*module\.fifo is not a file/],
    ['potoroo run /dev/null', 2, /INVALID_CONFIGURATION: \/dev\/null is not a file/],
    ['potoroo status nowhere.mjs', 2, /INVALID_CONFIGURATION: there is no module/],
    [`potoroo run $'\\xff.mjs'`, 2, /INVALID_CONFIGURATION: there is no module/],
    ['potoroo topics never.mjs', 2, /INVALID_DEFINITION: there is nothing left to do/],
    ['potoroo topics nothing.mjs', 2, /INVALID_DEFINITION: .*nothing\.mjs does not load: undefined/],
    ['potoroo topics no-text.mjs', 2, /INVALID_DEFINITION: .*no-text\.mjs does not load/],
    ['potoroo topics application.json', 2, /INVALID_DEFINITION: .*does not load/],
    ['potoroo topics proxy.cjs', 2, /INVALID_DEFINITION: .*is not an application/],
  ])
})

describe('directories and variables', () => {
  walk([
    ['potoroo run "$app" --state-dir /dev/null/x', 5, /STORE_FAILED: Creating the state directory .*ENOTDIR/],
    ['potoroo run "$app" --state-dir orders.ndjson', 5, /STORE_FAILED: Creating the state directory .*EEXIST/],
    ['potoroo run "$app" --state-dir /sys/x', 5, /STORE_FAILED: Creating the state directory .*(EPERM|EROFS|EACCES)/],
    ['XDG_STATE_HOME=/dev/null potoroo run "$app"', 5, /STORE_FAILED: .*ENOTDIR/],
    [
      'HOME= XDG_STATE_HOME= potoroo run "$app"',
      2,
      /INVALID_CONFIGURATION: HOME is '': there is no home directory.*--state-dir/,
    ],
    ['HOME= XDG_STATE_HOME= potoroo run "$app" --state-dir state --brokers 127.0.0.1:1', 4, /BROKER_UNREACHABLE/],
    [
      'HOME= XDG_CACHE_HOME= potoroo broker --port 0',
      2,
      /INVALID_CONFIGURATION: there is no home directory.*XDG_CACHE_HOME/,
    ],
    ['potoroo broker --port 0 --data-dir orders.ndjson', 1, /SYSTEM_REFUSED: E/],
    ['JAVA_HOME=/nowhere potoroo broker --port 0', 4, /TOOL_MISSING/],
    ['TMPDIR=/nowhere potoroo demo', 1, /SYSTEM_REFUSED: ENOENT/],
    ['POTOROO_PEER_TOKEN=\'a b\' potoroo status "$app"', 2, /INVALID_CONFIGURATION: .*visible ASCII/],
    ['mkdir gone && cd gone && rmdir ../gone && potoroo topics x.mjs', 1, /SYSTEM_REFUSED: ENOENT.*uv_cwd/],
  ])
})

describe('arguments', () => {
  walk([
    ['potoroo tail "a b"', 2, /INVALID_CONFIGURATION: 'a b' can't be a topic/],
    ['potoroo tail ""', 2, /INVALID_CONFIGURATION: '' can't be a topic/],
    ['potoroo tail ..', 2, /INVALID_CONFIGURATION: '\.\.' can't be a topic/],
    [`potoroo tail $'\\xff'`, 2, /INVALID_CONFIGURATION: .* can't be a topic/],
    [`potoroo tail $'a\\x1b[2J'`, 2, /INVALID_CONFIGURATION: 'a\\u\{1b\}\[2J' can't be a topic/],
  ])
})
