import { PassThrough, Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { drained } from '../../../src/cli/ending.js'

test('what was written is waited for, however slow its reader is', async () => {
  const taken: string[] = []
  const slow = new Writable({
    write: (chunk: Buffer, _, done) => {
      setTimeout(() => {
        taken.push(String(chunk))
        done()
      }, 30)
    },
  })
  for (const text of ['a', 'b', 'c', 'd']) slow.write(text)
  // Less than all of them take, more than one.
  await drained(slow, 100)
  expect(taken.join('')).toBe('abcd')
})

test('a reader that stands still, or is gone, is not', async () => {
  const stuck = new Writable({ write: () => undefined })
  stuck.write('a')
  await drained(stuck, 10)
  expect(stuck.writableLength).toBeGreaterThan(0)

  const gone = new Writable({
    write: (_, __, done) => {
      done(new Error('EPIPE'))
    },
  })
  gone.on('error', () => undefined)
  gone.write('a')
  await drained(gone)
  expect(gone.errored).toMatchObject({ message: 'EPIPE' })

  const closed = new PassThrough()
  closed.destroy()
  await drained(closed)
})
