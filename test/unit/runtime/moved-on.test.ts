/** A restore whose task has gone on elsewhere, while compaction takes away what it was to find. */
import { expect, test } from 'vitest'
import { COMMIT_KEY, encodeCommitRecord } from '../../../src/core/commit/commit-record.js'
import { RecordWriter } from '../../../src/core/records/records.js'
import { noFaults, type Faults } from '../../../src/memory/faults.js'
import type { MemoryDisk } from '../../../src/memory/stores.js'
import type { StoreMeta } from '../../../src/ports/store.js'
import { APPLICATION, simulated } from '../../sim/application.js'
import { ChangelogView } from '../../sim/views.js'
import { MemoryWorkers } from '../../support/memory-workers.js'

const CHANGELOG = `${APPLICATION}-symbol-changelog`
const SET_ASIDE = 'the store is set aside, and rebuilt from the changelog'

/** Another owner commits something of another key, twice, and what it makes superfluous is compacted away. */
function goOnElsewhere({ cluster }: MemoryWorkers): void {
  const to = { topic: CHANGELOG, partition: 0 }
  const log = cluster.partition(to)
  const view = new ChangelogView('changelog', log)
  view.update()
  if (view.commit === undefined) throw new Error('nothing was committed')
  const owner = cluster.transactions.init(`${APPLICATION}-symbol-0`, 10_000)
  const [value] = view.values.values()
  if (value === undefined) throw new Error('there is no state object')
  for (let i = 0; i < 2; i++) {
    const writer = new RecordWriter(1_000_000)
    writer.append(0, 'symbol\0elsewhere', Buffer.from(value, 'latin1'))
    writer.append(0, COMMIT_KEY, encodeCommitRecord(view.commit))
    for (const chunk of writer.take()) log.append(chunk, { producerId: owner.producerId })
    log.mark(owner.producerId, 'commit')
  }
  cluster.compact(CHANGELOG)
}

type Disk = ReturnType<MemoryDisk['contents']>

test.each([
  ['first, without a store,', 1, (_: Disk, disk: MemoryDisk) => disk.wipe()],
  ['first, behind what the store has,', 1, () => undefined],
  // Its identity shows only when the changelog is read.
  ['second, after the store was set aside,', 2, (contents: Disk) => (contents.meta = another(contents.meta))],
])(
  'a restore whose %s reading finds no commit record below its end is fenced, and no store is set aside for it: another owner went on',
  async (_, readings, prepare) => {
    let toGo = Infinity
    const faults: Faults = {
      ...noFaults,
      request: (request) => {
        const { api, subject, process } = request
        if (process === 'w1' && api === 'fetch' && subject === `${CHANGELOG}-0` && --toGo === 0) goOnElsewhere(workers)
        return noFaults.request(request)
      },
    }
    const topics = ['quotes', 'orders', 'checked', 'noted']
    const workers: MemoryWorkers = new MemoryWorkers({ application: simulated, topics, faults })
    for (const symbol of ['A', 'B']) workers.append('quotes', symbol, { id: symbol, symbol, bid: 1, kind: 'plain' })
    await workers.start('w1')
    await workers.rest()
    await workers.stop('w1')
    const disk = workers.disks.get('w1')
    if (disk === undefined) throw new Error('the worker has no disk')
    prepare(disk.contents('symbol_0'), disk)
    toGo = readings
    await workers.start('w1')
    await workers.rest()
    expect(workers.endOf('w1')).toBeUndefined()
    expect(workers.said(SET_ASIDE)).toHaveLength(readings - 1)
    expect(workers.said('fenced: another activation of this task started')).toHaveLength(1)
    expect(workers.active('w1')).toEqual(['symbol_0'])
    workers.append('orders', 'A', { id: 'o', symbol: 'A', account: 'a', kind: 'plain' })
    await workers.rest()
    const [checked] = workers.records('checked')
    expect(JSON.parse(checked?.value ?? '')).toMatchObject({ quotes: 1, orders: 1 })
  },
)

function another(meta: StoreMeta | undefined): StoreMeta {
  if (meta === undefined) throw new Error('nothing is stored')
  return { ...meta, identity: 'of another changelog/symbol' }
}
