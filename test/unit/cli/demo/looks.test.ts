import { expect, test } from 'vitest'
import { Looks } from '../../../../src/cli/demo/looks.js'
import { nowWith } from './support.js'

const away = (forMs: number) =>
  ({ event: 'away', data: { code: 'REQUEST_FAILED', message: 'no broker', forMs } }) as const

test('who waits gets the next look', async () => {
  const looks = new Looks()
  looks.listener({ event: 'now', data: nowWith(1, []) })
  const next = looks.next()
  looks.listener({ event: 'now', data: nowWith(2, []) })
  looks.listener({ event: 'now', data: nowWith(3, []) })
  expect((await next).atMs).toBe(2)
})

test('Kafka that is away for a moment is waited for; after half a minute it is gone', async () => {
  const looks = new Looks()
  const next = looks.next()
  looks.listener(away(29_000))
  looks.listener({ event: 'now', data: nowWith(1, []) })
  expect((await next).atMs).toBe(1)
  const last = looks.next()
  looks.listener(away(31_000))
  await expect(last).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE', message: 'no broker' })
})
