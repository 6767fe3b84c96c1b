import { expect, it } from 'vitest'
import { parseUsage, usageOf } from '../../../bench/usage.js'

const status = 'Name:\tnode\nRssAnon:\t   2048 kB\nRssFile:\t  9999 kB\n'

it('reads user and system time, whatever the program is called', () => {
  const stat = '12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20'
  expect(parseUsage(stat, status)).toEqual({ cpuSeconds: 2, anonymousBytes: 2 * 1024 * 1024 })
})

it('knows nothing of a process that has ended', () => {
  expect(parseUsage('12 (node) Z 1 2 3 4 5 6 7 8 9 10 150 50 0', 'Name:\tnode\n')).toBeUndefined()
  expect(usageOf(2 ** 30)).toBeUndefined()
})

it.runIf(process.platform === 'linux')('sees that this very process uses something', () => {
  const usage = usageOf(process.pid)
  expect(usage?.cpuSeconds).toBeGreaterThan(0)
  expect(usage?.anonymousBytes).toBeGreaterThan(1024 * 1024)
})
