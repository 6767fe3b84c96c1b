/** src/cli/ui/live.ts; its invariants are at the head of that file. */
import { expect, onTestFinished, test } from 'vitest'
import { Live } from '../../../../src/cli/ui/live.js'
import type { UiEvent } from '../../../../src/cli/ui/wire.js'
import type { StatusReport } from '../../../../src/cli/status/report.js'
import { PotorooError } from '../../../../src/errors.js'
import { systemClock } from '../../../../src/system.js'
import { until } from '../../../support/until.js'
import { reportWith } from './support.js'

const WATCHED_MS = 20
const LATE_MS = 60

function start(look: (signal: AbortSignal) => Promise<StatusReport>) {
  const live = new Live({ look, deadLetters: () => 0 }, systemClock, WATCHED_MS, LATE_MS)
  const running = live.run()
  onTestFinished(async () => {
    live.stop()
    await running
  })
  const heard: UiEvent[] = []
  const leave = live.subscribe((event) => heard.push(event))
  const kinds = (): string[] => heard.map(({ event }) => event)
  return { live, heard, kinds, leave, running }
}

test('all who watch hear of one look, and who comes later of the last one at once (invariant 1)', async () => {
  let underWay = 0
  let most = 0
  const { live, heard, kinds } = start(async () => {
    most = Math.max(most, ++underWay)
    await new Promise((resolve) => setTimeout(resolve, 5))
    underWay--
    return reportWith({ atMs: Date.now() })
  })
  await until('three looks', () => kinds().length >= 3)
  const late: UiEvent[] = []
  live.subscribe((event) => late.push(event))
  expect(late).toEqual([heard.at(-1)])
  await until('both hear the next', () => late.length >= 2)
  expect(late.at(-1)).toBe(heard.at(-1))
  expect(most).toBe(1)
  expect(live.history.samples.length).toBeGreaterThanOrEqual(4)
})

test('a look that fails is told, with for how long nothing was seen, and tried again (invariant 2)', async () => {
  let fails = true
  const { heard, kinds, live } = start(() =>
    fails
      ? Promise.reject(new PotorooError('BROKER_UNREACHABLE', 'no broker of 127.0.0.1:1 answers'))
      : Promise.resolve(reportWith({})),
  )
  await until('it says so again and again', () => kinds().length >= 3)
  const aways = heard.flatMap((event) => (event.event === 'away' ? [event.data] : []))
  expect(aways[0]).toMatchObject({ code: 'BROKER_UNREACHABLE', message: 'no broker of 127.0.0.1:1 answers' })
  expect(aways[2]?.forMs).toBeGreaterThan(aways[0]?.forMs ?? Infinity)
  fails = false
  await until('it is back', () => kinds().at(-1) === 'now')
  // Who comes now hears of no failure.
  const late: string[] = []
  live.subscribe(({ event }) => late.push(event))
  expect(late).toEqual(['now'])
})

test('a look that takes long is told before it fails, and once it is over no more (invariant 2)', async () => {
  let go: (report: StatusReport) => void = () => undefined
  const { kinds, heard } = start(
    () =>
      new Promise((resolve) => {
        go = resolve
      }),
  )
  await until('it is told twice', () => kinds().filter((kind) => kind === 'away').length >= 2)
  expect(heard[0]).toMatchObject({ event: 'away', data: { message: expect.stringMatching(/not answered/) as string } })
  go(reportWith({}))
  await until('it is seen', () => kinds().includes('now'))
})

test('who has left hears nothing, and stopping ends a look that is under way', async () => {
  let signalled: AbortSignal | undefined
  const { live, leave, heard, running } = start(
    (signal) =>
      new Promise((_, reject) => {
        signalled = signal
        signal.addEventListener('abort', () => {
          reject(signal.reason as Error)
        })
      }),
  )
  await until('it looks', () => signalled !== undefined)
  leave()
  const before = heard.length
  live.stop()
  await running
  expect([signalled?.aborted, heard.length]).toEqual([true, before])
})
