import { expect, test } from 'vitest'
import { RecordsRefused } from '../../../src/ports/log.js'
import { logObserver } from '../../../src/runtime/log-lines.js'
import { RecordTime } from '../../../src/runtime/record-time.js'

test('a worker whose time is refused gives records none, and says so once, until its clock was set', () => {
  let [wallMs, monotonicMs] = [10_000_000, 0]
  const warned: object[] = []
  const ignore = (): void => undefined
  const logger = { debug: ignore, info: ignore, warn: (fields: object) => warned.push(fields), error: ignore }
  const clock = {
    now: () => wallMs,
    monotonic: () => monotonicMs,
    after: () => ({ cancel: ignore }),
    soon: ignore,
  }
  const time = new RecordTime({ clock, observer: logObserver(logger) })
  expect(time.now()).toBe(10_000_000)
  const refused = new RecordsRefused('changelog', 3, 'timestamp', 'should be within')
  time.refused(refused)
  // Another task, whose records were made before.
  time.refused(refused)
  expect(time.now()).toBe(-1)
  expect(warned).toEqual([
    { topic: 'changelog', partition: 3, clock: '1970-01-01T02:46:40.000Z', broker: 'should be within' },
  ])
  // A clock that drifts is not one that was set.
  wallMs += 3_600_500
  monotonicMs += 3_600_000
  expect(time.now()).toBe(-1)
  wallMs -= 7_200_000
  expect(time.now()).toBe(wallMs)
  time.refused(refused)
  expect([time.now(), warned.length]).toEqual([-1, 2])
})
