import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Trials } from '../../../../src/cli/ui/trial.js'
import { temporaryFolder } from '../../../support/temporary.js'
import { until } from '../../../support/until.js'

const invocation = { application: '-app.js', brokers: 'a:1', bootstrapServers: 'a:1', topicPrefix: 'x-' }

/** In the place of the command line. */
function trialsOf(source: string, maxMs?: number): Trials {
  const main = join(temporaryFolder(), 'main.mjs')
  writeFileSync(main, source)
  return new Trials(invocation, { main, ...(maxMs === undefined ? {} : { maxMs }) })
}

it('gives what the command line says, of standard output and of errors, and how it ended', async () => {
  const said = 'console.log(JSON.stringify(process.argv.slice(2))); console.error("too large");'
  expect(await trialsOf(said).try('3:17')).toEqual({
    isDone: true,
    text: '["dead-letters","--brokers=a:1","--topic-prefix=x-","--","-app.js","try","3:17"]\ntoo large\n',
  })
  expect(await trialsOf(`${said} process.exitCode = 1`).try('3:17')).toMatchObject({ isDone: false })
})

it('stops what takes too long, and what ends itself is no more than that', async () => {
  const endless = await trialsOf('console.log("begun"); for (;;) ;', 1_500).try('0:1')
  expect(endless).toEqual({
    isDone: false,
    text: 'begun\nIt was stopped before its end: it took longer than 1.5 s, or ended itself\n',
  })
  expect(await trialsOf('process.kill(process.pid, "SIGKILL")').try('0:1')).toMatchObject({ isDone: false })
})

it('keeps the beginning of a text without an end', async () => {
  const { text } = await trialsOf('process.stdout.write("ä".repeat(1_000_000))').try('0:1')
  expect(text).toBe('ä'.repeat(256 * 1024))
})

it('tries one at a time, and ends with the page', async () => {
  const trials = trialsOf('console.log(process.pid); setInterval(() => undefined, 1000)')
  const first = trials.try('0:1')
  await expect(trials.try('0:2')).rejects.toMatchObject({ code: 'QUERY_UNANSWERED' })
  await trials.close()
  const { isDone, text } = await first
  expect([isDone, text]).toEqual([false, expect.stringContaining('It was stopped before its end')])
  const pid = Number(/^\d+/.exec(text)?.[0] ?? NaN)
  if (Number.isFinite(pid)) await until('it is gone', () => isGone(pid))
})

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch {
    return true
  }
}
