/** The Dockerfile, carried out without an engine (test/support/images.ts), and what comes of it, run as in a container. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ignore from '@balena/dockerignore'
import { beforeAll, expect, inject, test } from 'vitest'
import { uniqueName } from '../support/broker.js'
import { blockWith, codeBlocks, readDocument, ROOT } from '../support/documents.js'
import { Images } from '../support/images.js'
import { events, MarketSpreadBench } from '../support/market-spread.js'
import { temporaryFolder } from '../support/temporary.js'
import { until } from '../support/until.js'

const images = new Images()
const APPLICATION = '/app/node_modules/potoroo/dist/market-spread/application.js'
/** Of the user that the image names, and of the processes in it. */
const USER = 1000

beforeAll(() => {
  const committed = execFileSync('git', ['ls-files'], { cwd: ROOT, encoding: 'utf8' }).trim().split('\n')
  const files = committed.filter(ignore.default().add(readDocument('.dockerignore')).createFilter())
  images.build('potoroo', readDocument('Dockerfile'), { folder: ROOT, files })
}, 1_800_000)

const linesOfProcess = (pid: number, field: string): string[] =>
  readFileSync(`/proc/${String(pid)}/status`, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith(`${field}:`))

const descendants = (pid: number): number[] => {
  const children = readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8').trim()
  return children === '' ? [] : children.split(' ').flatMap((child) => [Number(child), ...descendants(Number(child))])
}

test('says what it can do, where it is told nothing', async () => {
  const container = await images.run('potoroo')
  expect(await container.exited).toEqual({ code: 0, signal: null })
  expect(container.stdout.join('\n')).toContain('potoroo run')
})

test('a worker runs as a user without rights, writes to its volume alone, and stops on a signal', async () => {
  const bench = new MarketSpreadBench()
  await bench.createTopics(2)
  await bench.feed(events(2000, 1))
  const container = await images.run('potoroo', {
    args: ['run', APPLICATION, '--name', 'w1', '--topic-prefix', bench.prefix],
    environment: { KAFKA_BROKERS: inject('brokers') },
  })
  await container.line(/"worker started"/)
  await bench.settled()
  const [node = 0] = descendants(container.pid)
  for (const pid of [container.pid, node]) {
    expect(linesOfProcess(pid, 'Uid')).toEqual([`Uid:\t${[USER, USER, USER, USER].join('\t')}`])
    expect(linesOfProcess(pid, 'CapEff')).toEqual(['CapEff:\t0000000000000000'])
  }
  expect(linesOfProcess(container.pid, 'NSpid')[0]).toMatch(/\t1$/)
  // As the container sees them: nothing but the volume, and the machine's devices, can be written to.
  const writable = readFileSync(`/proc/${String(node)}/mounts`, 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(
      ([, path = '', type = '', options = '']) => type !== 'proc' && !path.startsWith('/dev') && /^rw\b/.test(options),
    )
  expect(writable.map(([, path]) => path)).toEqual(['/var/lib/potoroo'])
  process.kill(container.pid, 'SIGTERM')
  expect(await container.exited).toEqual({ code: 0, signal: null })
  expect(container.stdout.at(-1)).toContain('worker stopped')
  const { lost, repeated, right } = await bench.compare()
  expect({ lost, repeated }).toEqual({ lost: [], repeated: [] })
  expect(right).toBeGreaterThan(20)
  await bench.close()
})

test('a signal while Node itself starts ends it: none is lost', async () => {
  for (let i = 0; i < 5; i++) {
    const container = await images.run('potoroo', {
      args: ['run', APPLICATION],
      environment: { KAFKA_BROKERS: inject('brokers') },
    })
    await until('Node is there', () => descendants(container.pid).length > 0)
    process.kill(container.pid, 'SIGTERM')
    const { code } = await container.exited
    // Node had not begun yet, or the worker had.
    expect([128 + 15, 0]).toContain(code)
  }
})

test('an application continues top of it, as docs/deployment.md says', async () => {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'dist'))
  const application = readDocument('examples/word-count/application.ts')
  writeFileSync(join(folder, 'dist/application.js'), await compiled(application))
  const dockerfile = blockWith(codeBlocks(readDocument('docs/deployment.md')), 'dockerfile', 'FROM potoroo')
  images.build('application', dockerfile, { folder, files: ['dist/application.js'] })
  const container = await images.run('application', {
    args: ['topics', 'dist/application.js', '--topic-prefix', `${uniqueName('image')}-`],
    environment: { KAFKA_BROKERS: inject('brokers') },
  })
  expect(await container.exited, container.stderr.join('\n')).toEqual({ code: 0, signal: null })
  await until('it says what it created', () => container.stdout.some((line) => line.includes('created')))
})

async function compiled(source: string): Promise<string> {
  const { default: typescript } = await import('typescript')
  const { ModuleKind, ScriptTarget } = typescript
  return typescript.transpileModule(source, {
    compilerOptions: { module: ModuleKind.ESNext, target: ScriptTarget.ES2022 },
  }).outputText
}
