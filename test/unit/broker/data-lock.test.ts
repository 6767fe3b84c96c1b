import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { assertUnlocked, removeLock, writeLock } from '../../../src/broker/data-lock.js'
import { temporaryFolder } from '../../support/temporary.js'

/** Something that the command line of this very process contains. */
const mark = process.argv[0] ?? ''
const env = process.env

describe('the lock on a data directory', () => {
  test('holds while a process with this directory’s mark runs', async () => {
    const folder = temporaryFolder()
    await writeLock(folder, process.pid)
    await expect(assertUnlocked(folder, mark, env)).rejects.toMatchObject({
      code: 'BROKER_NOT_STARTED',
      message: expect.stringContaining(`process ${String(process.pid)}`) as unknown,
    })
    await removeLock(folder)
    await assertUnlocked(folder, mark, env)
  })

  test('does not hold when the id is another program’s by now', async () => {
    const folder = temporaryFolder()
    await writeLock(folder, process.pid)
    await assertUnlocked(folder, `${folder}/server.properties`, env)
    expect(existsSync(join(folder, 'broker.pid'))).toBe(false)
  })

  test('does not hold for a process that is gone, nor for a torn file', async () => {
    const folder = temporaryFolder()
    await writeLock(folder, 2 ** 22 + 1)
    await assertUnlocked(folder, mark, env)
    writeFileSync(join(folder, 'broker.pid'), '12')
    await assertUnlocked(folder, mark, env)
  })

  test('of two that start together one gets it', async () => {
    const folder = temporaryFolder()
    const results = await Promise.allSettled([writeLock(folder, 1), writeLock(folder, 2)])
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })
})
