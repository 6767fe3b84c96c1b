/** The demonstration where there is no terminal: as lines. On one: test/nightly/demo.test.ts. */
import { expect, test } from 'vitest'
import { runCli } from '../support/cli.js'
import { withAdmin } from '../support/topics.js'

test('adds a worker, kills it, starts it again, checks what came out, and leaves nothing behind', async () => {
  const { code, stdout, stderr } = await runCli(['demo', '--seconds', '4', '--rate', '500'])
  expect(stderr).toEqual([])
  expect(code, stdout.join('\n')).toBe(0)
  const told = stdout.filter((line) => !/^ +\d+ s /.test(line))
  expect(told).toEqual([
    expect.stringMatching(/^to be seen at http:\/\/127\.0\.0\.1:\d+\/ while it runs$/),
    '+ worker-1 started',
    '+ worker-2 added',
    expect.stringMatching(/^✗ worker-2 killed: SIGKILL to process \d+$/),
    '+ worker-2 started again',
    expect.stringMatching(/^[\d,]+ quotes and orders were fed, [\d,]+ rejections expected$/),
    expect.stringMatching(/^all [\d,]+ rejections are right: none lost, none repeated$/),
  ])
  const looks = stdout.filter((line) => /^ +\d+ s /.test(line))
  for (const look of looks)
    expect(look).toMatch(/^ +\d+ s +[\d,-]+ records\/s {2}p99 +[\d,-]+ ms +[\d,]+ rejections {2}worker-1: [\d -]+/)
  // Tasks went there, and back, and there again.
  const owners = looks.map((look) => look.replace(/^.*rejections {2}/, ''))
  const places = [/worker-2: \d \d \d \d$/, /worker-2: killed$/, /worker-2: \d \d \d \d$/]
  let at = 0
  for (const owner of owners) if (places[at]?.test(owner) === true) at++
  expect(at, owners.join('\n')).toBe(places.length)

  const [, killed = ''] = /process (\d+)/.exec(told.join('\n')) ?? []
  expect(() => process.kill(Number(killed), 0)).toThrow('ESRCH')
  const topics = await withAdmin((admin) => admin.listTopics())
  expect(topics.filter((topic) => topic.startsWith('demo-'))).toEqual([])
})
