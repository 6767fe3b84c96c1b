/** potoroo reset, on a broker: what it deletes and keeps, whom it waits for, and that it can be killed. */
import { describe, expect, it } from 'vitest'
import { stateDefinition } from '../../src/api/state-object.js'
import { total } from '../../examples/word-count/application.js'
import { ExampleBench } from '../support/example-bench.js'
import { startCli } from '../support/cli.js'
import { withAdmin } from '../support/topics.js'
import { until } from '../support/until.js'

interface Count {
  readonly word: string
  readonly n: number
}
const NAMES = ['wa', 'wb', 'wc', 'wd'] as const
const TEXTS = Array.from({ length: 40 }, (_, n) => ({ text: `${NAMES[n % 4] ?? ''} ${NAMES[n % 3] ?? ''}` }))
const WORDS = 2 * TEXTS.length
const REPARTITION = 'word-count-lines-total-repartition'

const sorted = (counts: readonly Count[]): string[] => counts.map(({ word, n }) => `${word} ${String(n)}`).sort()
const once = (texts = TEXTS): string[] => {
  const seen = new Map<string, number>()
  return texts
    .flatMap(({ text }) => text.split(' '))
    .map((word) => {
      seen.set(word, (seen.get(word) ?? 0) + 1)
      return `${word} ${String(seen.get(word))}`
    })
    .sort()
}

/** The lines were counted by a worker, which was stopped. */
async function done(): Promise<ExampleBench> {
  const bench = new ExampleBench('word-count')
  await bench.createTopics()
  await bench.send('lines', TEXTS)
  await run(bench, WORDS)
  return bench
}

/** A worker with the store that it had, until so many counts are there. */
async function run(bench: ExampleBench, counts: number): Promise<Count[]> {
  const worker = bench.worker('w1')
  await worker.line(/"worker started"/)
  const out = await bench.read<Count>('counts', counts)
  worker.kill('SIGTERM')
  expect(await worker.exited).toEqual({ code: 0, signal: null })
  expect(worker.log().filter(({ level, msg }) => level >= 40 && !msg.startsWith('the store is set aside'))).toEqual([])
  return out
}

const topicsOf = async ({ prefix }: ExampleBench): Promise<string[]> =>
  (await withAdmin((admin) => admin.listTopics())).filter((name) => name.startsWith(prefix)).sort()

describe('potoroo reset', () => {
  it('shows with --dry-run what it would do, and does nothing', async () => {
    const bench = await done()
    const { stdout } = await bench.command('reset', '--dry-run')
    const name = (topic: string): string => bench.names.topic(topic)
    expect(stdout.map((line) => line.trim().split(/\s{2,}/))).toEqual([
      ['a reset of word-count:'],
      ['fences', '16 transactional ids'],
      ['deletes', `the offsets of group ${bench.names.group}`],
      ['deletes', `topic ${bench.names.changelog('total')}`],
      ['deletes', `topic ${name(REPARTITION)}`],
      ['creates', `topic ${bench.names.changelog('total')}`],
      ['creates', `topic ${name(REPARTITION)}`],
      ['reads', `${name('lines')} from its beginning`],
      ['forgets', 'all state objects: total'],
      ['keeps', `topic ${bench.names.deadLetters}`],
      ['keeps', `topic ${name('counts')}: results that it already has are written again`],
    ])
    await bench.send('lines', TEXTS.slice(0, 1))
    expect(sorted(await run(bench, WORDS + 2))).toEqual(once([...TEXTS, ...TEXTS.slice(0, 1)]))
  })

  it('starts again from the sources, on stores of before, and leaves everything else', async () => {
    const bench = await done()
    const before = await topicsOf(bench)
    await bench.command('reset', '--yes')
    expect(await topicsOf(bench)).toEqual(before)
    expect(sorted(await run(bench, 2 * WORDS))).toEqual([...once(), ...once()].sort())
    // And goes on from there.
    await bench.send('lines', TEXTS)
    expect(sorted(await run(bench, 3 * WORDS))).toEqual([...once(), ...once([...TEXTS, ...TEXTS])].sort())
  })

  it('reads the sources from their end, or from a time', async () => {
    const bench = await done()
    await bench.command('reset', '--yes', '--to', 'latest')
    const at = new Date().toISOString()
    await bench.send('lines', TEXTS.slice(0, 5))
    expect(sorted(await run(bench, WORDS + 10))).toEqual([...once(), ...once(TEXTS.slice(0, 5))].sort())
    const { stdout } = await bench.command('reset', '--yes', '--to', at)
    expect(stdout.join('\n')).toContain(`from ${at}`)
    expect(sorted(await run(bench, WORDS + 20))).toEqual(
      [...once(), ...once(TEXTS.slice(0, 5)), ...once(TEXTS.slice(0, 5))].sort(),
    )
  })

  it('wants the name typed', async () => {
    const bench = await done()
    const start = () => startCli(['reset', 'dist/examples/word-count/application.js', '--topic-prefix', bench.prefix])
    const wrong = start()
    wrong.write('word\n', true)
    expect((await wrong.exited).code).toBe(2)
    expect(wrong.stderr.at(-1)).toMatch(/error INVALID_CONFIGURATION: nothing was changed/)
    const right = start()
    right.write('word-count\n', true)
    expect((await right.exited).code).toBe(0)
    expect(await run(bench, 2 * WORDS)).toHaveLength(2 * WORDS)
  })

  it('refuses while workers run, and names them; and a time without its zone', async () => {
    const bench = await done()
    const worker = bench.worker('w1')
    await worker.line(/"task is active"/)
    const { stderr } = await bench.refused(1, 'reset', '--yes')
    expect(stderr.at(-1)).toMatch(/^error WORKERS_RUNNING: the group \S+ has members: w1\. Stop all workers/)
    worker.kill('SIGTERM')
    await worker.exited
    await bench.refused(2, 'reset', '--yes', '--to', '2026-01-31T12:00:00')
    await run(bench, WORDS)
  })

  it.each(['fencing', 'deleting changelogs', 'recreating', 'writing'])(
    'goes on when it is run again, killed when it began: %s',
    async (step) => {
      const bench = await done()
      const killed = startCli([
        ...['reset', 'dist/examples/word-count/application.js', '--topic-prefix', bench.prefix, '--yes'],
      ])
      await killed.line(new RegExp(`^${step}`))
      killed.kill('SIGKILL')
      const { signal } = await killed.exited
      const worker = bench.worker('w1')
      // The one that was killed may have come to its end before.
      const refused = await until('the worker says whether it starts', () => {
        if (worker.log('worker started').length > 0) return 'no'
        return worker.running() ? undefined : 'yes'
      })
      worker.kill('SIGTERM')
      await worker.exited
      if (refused === 'yes') expect([...worker.stdout, ...worker.stderr].join('\n')).toContain('RESET_UNFINISHED')
      // Killed in the last of them, it may have come to its end before.
      if (signal === 'SIGKILL' && step !== 'writing') expect(refused).toBe('yes')
      await bench.command('reset', '--yes')
      await bench.send('lines', [{ text: 'last' }])
      const last = bench.worker('w2')
      const states = () => bench.states<{ n: number }>('total', stateDefinition(total, 'word count'))
      await until('the last word is counted', async () => (await states()).has('last'))
      last.kill('SIGTERM')
      expect((await last.exited).code).toBe(0)
      const counted = Object.fromEntries([...(await states())].map(([word, { n }]) => [word, n]))
      expect(counted).toEqual({ wa: 24, wb: 23, wc: 23, wd: 10, last: 1 })
    },
  )
})
