/** The manifest in Kafka: a commit of which nobody knows whether it was done is no reason for a worker not to start. */
import { describe, expect, it } from 'vitest'
import type { Manifest } from '../../../src/core/plan/manifest.js'
import { PotorooError, type ErrorCode } from '../../../src/errors.js'
import { MemoryCluster } from '../../../src/memory/cluster.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import type { Log } from '../../../src/ports/log.js'
import { MAX_UNEXPECTED_ANSWERS } from '../../../src/runtime/in-doubt.js'
import { changeManifest, readManifest } from '../../../src/runtime/manifest-topic.js'

const TOPIC = 'app-manifest'
const MANIFEST: Manifest = { v: 1, generation: 1, subTopologies: [] }
const { signal } = new AbortController()

/** Commits end with that code so many times: they were done, or were not. */
function world(code: ErrorCode, times: number, wasDone: boolean) {
  const scheduler = new Scheduler()
  const cluster = new MemoryCluster({ scheduler })
  cluster.createTopic({ name: TOPIC, partitions: 1 })
  const process = scheduler.process('w')
  const log: Log = cluster.log({ process })
  const producerOf = log.producer.bind(log)
  const seen: (Manifest | undefined)[] = []
  let failed = 0
  log.producer = async (...args) => {
    const producer = await producerOf(...args)
    const commit = producer.commit.bind(producer)
    producer.commit = async (transaction) => {
      if (failed === times) return commit(transaction)
      failed++
      if (wasDone) await commit(transaction)
      throw new PotorooError(code, 'ending the transaction: UNKNOWN_SERVER_ERROR')
    }
    return producer
  }
  const env = { log, clock: process.clock, signal }
  return {
    run: <T>(promise: Promise<T>) => scheduler.run(promise),
    change: () =>
      changeManifest(env, TOPIC, 'app', (there) => {
        seen.push(there)
        return there ?? MANIFEST
      }),
    read: () => readManifest(log, TOPIC, signal),
    /** What was there, each time that it was looked at. */
    seen,
  }
}

describe.each<ErrorCode>(['TRANSACTION_FAILED', 'UNEXPECTED_ANSWER'])('a commit that ends with %s', (code) => {
  it.each([
    ['was done', true],
    ['was not done', false],
  ])('and %s, is looked at again', async (_, wasDone) => {
    const { run, change, read, seen } = world(code, 3, wasDone)
    expect(await run(change())).toEqual(MANIFEST)
    expect(await run(read())).toEqual(MANIFEST)
    // What was done is found, and not done again.
    expect(seen).toEqual(wasDone ? [undefined, MANIFEST] : [undefined, undefined, undefined, undefined])
  })
})

it('ends when the broker goes on giving answers that nobody expects', async () => {
  const { run, change, read } = world('UNEXPECTED_ANSWER', MAX_UNEXPECTED_ANSWERS, false)
  await expect(run(change())).rejects.toMatchObject({
    code: 'REQUEST_REFUSED',
    message: 'ending the transaction: UNKNOWN_SERVER_ERROR; 10 times in a row',
  })
  expect(await run(read())).toBeUndefined()
})

it('ends at once with any other failure', async () => {
  const { run, change } = world('RECORD_TOO_LARGE', 1, false)
  await expect(run(change())).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' })
})
