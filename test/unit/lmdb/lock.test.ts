import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { claim, lockDirectory, type Lock } from '../../../src/lmdb/lock.js'
import { temporaryFolder } from '../../support/temporary.js'
import { run, type Child } from './child/run.js'

const now = (): number => Date.UTC(2026, 0, 2, 3, 4, 5)

async function lock(directory: string, worker = 'a'): Promise<Lock> {
  const held = await lockDirectory({ directory, worker, now })
  onTestFinished(() => held.release())
  return held
}
async function holder(directory: string): Promise<Child> {
  const child = run('hold-lock.ts', [directory, 'child'])
  expect(await child.line()).toBe('held')
  return child
}
const locks = (directory: string): string[] =>
  readdirSync(directory).filter((name) => /^lock\.\d|^listening/.test(name))

describe('lockDirectory', { timeout: 30_000 }, () => {
  it('refuses while another has it, and says who', async () => {
    const directory = temporaryFolder()
    await lock(directory, 'market-spread-1')
    await expect(lock(directory, 'b')).rejects.toMatchObject({
      code: 'STATE_DIRECTORY_LOCKED',
      message: expect.stringMatching(
        new RegExp(`"market-spread-1" \\(process ${String(process.pid)} on .*\\) since 2026-01-02T03:04:05.000Z`),
      ) as string,
    })
  })

  it('is free again after release, any number of times', async () => {
    const directory = temporaryFolder()
    for (let i = 0; i < 3; i++) await (await lock(directory)).release()
    await lock(directory)
    expect(locks(directory)).toEqual(['lock.4'])
  })

  it('keeps the highest number after release: others must see that it was there (4)', async () => {
    const directory = temporaryFolder()
    await (await lock(directory)).release()
    expect(locks(directory)).toEqual(['lock.1'])
  })

  it('is held by a paused process, and free at once when it is killed', async () => {
    const directory = temporaryFolder()
    const child = await holder(directory)
    child.process.kill('SIGSTOP')
    await expect(lock(directory)).rejects.toMatchObject({ code: 'STATE_DIRECTORY_LOCKED' })
    child.process.kill('SIGKILL')
    expect(await child.ended).toMatchObject({ signal: 'SIGKILL' })
    await lock(directory)
  })

  it('does not go by process ids: a dead holder whose id lives on as another process is dead', async () => {
    const directory = temporaryFolder()
    const child = await holder(directory)
    child.process.kill('SIGKILL')
    await child.ended
    const reused = { number: 1, worker: 'child', pid: process.pid, host: 'here', since: '2026-01-01T00:00:00.000Z' }
    writeFileSync(join(directory, 'lock.json'), JSON.stringify(reused))
    await lock(directory)
  })

  it.each(['absent', 'unreadable', "of another holder's"])(
    'holds though what it says about its holder is %s',
    async (what) => {
      const directory = temporaryFolder()
      await lock(directory)
      const other = { number: 7, worker: 'old', pid: 1, host: 'h', since: 's' }
      writeFileSync(
        join(directory, 'lock.json'),
        what === 'absent' ? '' : what === 'unreadable' ? '{' : JSON.stringify(other),
      )
      await expect(lock(directory)).rejects.toMatchObject({
        code: 'STATE_DIRECTORY_LOCKED',
        message: expect.stringContaining('a process that has just started') as string,
      })
    },
  )

  it('goes to exactly one of many who take over from a dead one', async () => {
    const directory = temporaryFolder()
    for (let round = 1; round <= 10; round++) {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, (_, i) => lockDirectory({ directory, worker: String(i), now })),
      )
      const winners = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
      const reasons = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []))
      for (const winner of winners) await winner.release()
      expect(winners).toHaveLength(1)
      for (const reason of reasons) expect(reason).toMatchObject({ code: 'STATE_DIRECTORY_LOCKED' })
    }
  })

  it('goes to exactly one of several processes', async () => {
    const directory = temporaryFolder()
    const dead = await holder(directory)
    dead.process.kill('SIGKILL')
    await dead.ended
    const children = Array.from({ length: 4 }, (_, i) => run('hold-lock.ts', [directory, String(i)]))
    const said = await Promise.all(children.map((child) => child.line()))
    expect(said.sort()).toEqual([...Array<string>(3).fill('STATE_DIRECTORY_LOCKED'), 'held'])
  })

  it('works where the path is too long for a socket', async () => {
    const directory = join(temporaryFolder(), 'x'.repeat(120))
    mkdirSync(directory)
    await lock(directory)
    await expect(lock(directory)).rejects.toMatchObject({ code: 'STATE_DIRECTORY_LOCKED' })
    expect(locks(directory)).toEqual(['lock.1'])
  })

  it('sweeps away what killed ones left', async () => {
    const directory = temporaryFolder()
    for (const name of ['lock.1', 'lock.3', 'listening.0123']) writeFileSync(join(directory, name), '')
    await lock(directory)
    expect(locks(directory)).toEqual(['lock.4'])
  })

  it('says what is wrong with the directory', async () => {
    await expect(lock(join(temporaryFolder(), 'absent'))).rejects.toMatchObject({ code: 'STORE_FAILED' })
  })
})

describe('claim', () => {
  it('lets go where a higher number is, alive or dead: it came too late (5)', async () => {
    const directory = temporaryFolder()
    await (await lock(directory)).release()
    await lock(directory)
    expect(locks(directory)).toEqual(['lock.2'])
    expect(await claim(directory, 1)).toBeUndefined()
    expect(locks(directory)).toEqual(['lock.2'])
  })

  it('gives each number once (2)', async () => {
    const directory = temporaryFolder()
    const servers = await Promise.all([claim(directory, 1), claim(directory, 1), claim(directory, 1)])
    for (const server of servers) server?.close()
    expect(servers.filter((server) => server !== undefined)).toHaveLength(1)
  })
})
