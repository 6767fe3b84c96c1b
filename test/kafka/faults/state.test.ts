/** A worker's state: its disk is full, its files are damaged or someone else's, its changelog is another one. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { open as openLmdb } from 'lmdb'
import { afterEach, expect, it, onTestFinished } from 'vitest'
import { compare, rejectionsOf, type Event } from '../../../src/market-spread/calculation.js'
import { expectAllRejections } from '../../support/all-rejections.js'
import { runCli } from '../../support/cli.js'
import { LedgerBench } from '../../support/ledger.js'
import {
  APPLICATION,
  events,
  MarketSpreadBench,
  temporaryDirectory,
  type WorkerHandle,
} from '../../support/market-spread.js'
import { withAdmin } from '../../support/topics.js'
import { until } from '../../support/until.js'

const SET_ASIDE = 'the store is set aside, and rebuilt from the changelog'

let bench: MarketSpreadBench
afterEach(async () => {
  await bench.close()
})

async function stop(worker: WorkerHandle): Promise<void> {
  worker.kill('SIGTERM')
  expect((await worker.exited).code).toBe(0)
}

/** A disk of its own, of so many KiB. Mounting takes root: without it this fails, because a disk can't be filled otherwise. */
function smallDisk(kib: number): string {
  const directory = temporaryDirectory()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${String(kib)}k`, 'tmpfs', directory], { stdio: 'pipe' })
  } catch (cause) {
    throw new Error(`This test mounts a small tmpfs, to fill it: run it as root, or in a container that may mount`, {
      cause,
    })
  }
  onTestFinished(() => {
    execFileSync('umount', ['-l', directory])
  })
  return directory
}

it('a full disk stops the worker with one clear line, and nothing is lost when it starts elsewhere', async () => {
  bench = new MarketSpreadBench()
  await bench.createTopics(2)
  await bench.feed(events(1000, 20, 500))
  const worker = bench.workerIn(smallDisk(3072), 'w1')
  await bench.settled()
  let full = false
  const feeding = bench.feed(events(1_000_000, 21, 20_000), () => full)
  feeding.catch(() => undefined)
  const { code } = await worker.exited
  full = true
  await feeding
  expect(code).toBe(5)
  const errors = worker.log().filter(({ level }) => level >= 50)
  expect(errors).toEqual([worker.log().at(-1)])
  expect(errors[0]).toMatchObject({ msg: 'worker stopped by an error', code: 'STORE_FAILED' })
  expect(errors[0]?.['error']).toContain('the disk is full')
  expect(worker.stderr.filter((line) => !line.includes('STORE_FAILED'))).toEqual([])
  const elsewhere = bench.worker('w1')
  await bench.settled()
  await expectAllRejections(bench, 20)
  await stop(elsewhere)
})

it('stores that are damaged or of another application are set aside and rebuilt, and the answers are right', async () => {
  bench = new MarketSpreadBench()
  await bench.createTopics(5)
  await bench.feed(events(5000, 22, 2000))
  const worker = bench.worker('w1')
  await bench.settled()
  await stop(worker)
  const fileOf = (task: number): string => join(worker.stateDir, `symbol_${String(task)}`, 'data.mdb')

  truncateSync(fileOf(0), 10_000)
  writeFileSync(fileOf(1), Buffer.alloc(100_000, 'rubbish'))
  copyFileSync(await foreignFile(), fileOf(2))
  copyFileSync(await storeOfAnotherApplication(), fileOf(3))

  await bench.feed(events(2000, 23, 2000))
  const again = bench.worker('w1')
  await bench.settled()
  await expectAllRejections(bench, 20)
  const setAside = again.log(SET_ASIDE)
  expect(setAside.map(({ level, task }) => ({ level, task }))).toHaveLength(4)
  expect(setAside.map(({ task }) => String(task)).sort()).toEqual([0, 1, 2, 3].map((n) => `symbol_${String(n)}`))
  for (const { level, why } of setAside) {
    expect(level).toBe(40)
    expect(String(why)).not.toBe('')
  }
  const active = again.log('task is active')
  expect(active.filter(({ rebuilt }) => rebuilt === false).map(({ task }) => task)).toEqual(['symbol_4'])
  const kept = readdirSync(worker.stateDir).filter((name) => name.includes('.discarded-'))
  expect(kept).toHaveLength(4)
  await stop(again)
})

/** A whole LMDB file, made with lmdb by somebody else. */
async function foreignFile(): Promise<string> {
  const directory = temporaryDirectory()
  const foreign = openLmdb({ path: directory, noSubdir: false })
  await foreign.put('somebody', 'else')
  await foreign.close()
  return join(directory, 'data.mdb')
}

async function storeOfAnotherApplication(): Promise<string> {
  const ledger = new LedgerBench()
  await ledger.createTopics()
  const worker = ledger.worker()
  await ledger.send(...Array.from({ length: 10 }, (_, i) => ({ add: i })))
  await ledger.balances(10)
  worker.kill('SIGTERM')
  await worker.exited
  return join(ledger.directory, 'w1', 'ledger_0', 'data.mdb')
}

it('a changelog that was deleted stops the worker; recreated, no store of the old one is taken for its own', async () => {
  bench = new MarketSpreadBench()
  await bench.createTopics(1)
  await bench.feed(events(3000, 24, 500))
  const first = bench.worker('w1')
  await bench.settled()
  await stop(first)
  const before: Event[] = bench.sent.splice(0)
  const changelog = bench.topic('market-spread-symbol-changelog')
  const endOfChangelog = async (): Promise<number> => {
    const [end] = await withAdmin((admin) => admin.fetchTopicOffsets(changelog))
    return Number(end?.high)
  }
  const formerEnd = await endOfChangelog()
  await withAdmin(async (admin) => {
    await admin.deleteTopics({ topics: [changelog] })
    await until('the changelog is gone', async () => !(await admin.listTopics()).includes(changelog))
  })
  const refused = bench.worker('w1')
  expect((await refused.exited).code).toBe(7)
  expect([...refused.stdout, ...refused.stderr].at(-1)).toContain('CHANGELOG_LOST')

  // It is there again, and empty. Who has a store of the old one says so, and stops; so does who has none, because the group knows.
  expect((await runCli(['topics', APPLICATION, '--topic-prefix', bench.prefix])).code).toBe(0)
  const stale = bench.worker('w1')
  expect((await stale.exited).code).toBe(7)
  expect(stale.log().at(-1)).toMatchObject({ code: 'CHANGELOG_LOST', level: 50 })
  expect(stale.log().at(-1)?.['error']).toContain('deleted and recreated')
  expect(stale.log(SET_ASIDE)).toEqual([])
  const without = bench.worker('w2')
  expect((await without.exited).code).toBe(7)
  expect(without.log().at(-1)).toMatchObject({ code: 'CHANGELOG_LOST', level: 50 })
  expect(without.log().at(-1)?.['error']).toContain(`the group ${bench.group} has offsets of one`)
  expect(without.log().at(-1)?.['cure']).toContain(`--group ${bench.group} --topic ${bench.topic('market-data')}`)

  // The operator continues where the group is, as the error says: --reset-offsets --to-current.
  await withAdmin(async (admin) => {
    for (const topic of ['market-data', 'orders'].map((name) => bench.topic(name))) {
      const [now] = await admin.fetchOffsets({ groupId: bench.group, topics: [topic] })
      await admin.setOffsets({ groupId: bench.group, topic, partitions: now?.partitions ?? [] })
    }
  })
  // A worker without a store begins with new state objects, and goes further than the old changelog went.
  const second = bench.worker('w2')
  for (let seed = 100; seed === 100 || (await endOfChangelog()) <= formerEnd; seed++) {
    await bench.feed(events(1000, seed, 500))
    await bench.settled()
  }
  await stop(second)
  // Positions of the old store lie within the new changelog: only its identity tells.
  await bench.feed(events(500, 26, 500))
  const third = bench.worker('w1')
  await bench.settled()
  expect(third.log(SET_ASIDE)).toHaveLength(1)
  expect(String(third.log(SET_ASIDE)[0]?.['why'])).toMatch(/identity|no commit record/)
  expect(third.log('task is active').at(-1)).toMatchObject({ rebuilt: true, replayedFrom: 0 })
  const after = bench.sent.splice(0)
  const expected = [...rejectionsOf(before), ...rejectionsOf(after)]
  const { lost, repeated, right } = compare(expected, await bench.rejections())
  expect({ lost, repeated }).toEqual({ lost: [], repeated: [] })
  expect(right).toBe(expected.length)
  await stop(third)
})
