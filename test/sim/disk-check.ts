/** What stores on disks hold in the end, held against their changelog. */
import { bytesOf, type ByteString } from '../../src/core/records/byte-string.js'
import { CLOCKS, nextDueOf, timesOf } from '../../src/core/state/due-index.js'
import type { PartitionLog } from '../../src/memory/partition.js'
import type { MemoryDisk } from '../../src/memory/stores.js'
import { ChangelogView, valuesAfter } from './views.js'

/** A task's changelog, as it is in the end. */
export interface FinalChangelog {
  readonly task: string
  readonly log: PartitionLog
  readonly view: ChangelogView
  /** Of its earlier commits there may be no trace any more. */
  readonly compacted: boolean
  /** In words. */
  readonly show: (key: ByteString, bytes: ByteString) => string
}

/**
 * A store never has what the changelog has not, and at its position it has the same: or, where a write came to half of
 * its objects, what the changelog gave them later. A standby may have read a part of the next transaction.
 */
export function checkStore(
  { name, disk }: { readonly name: string; readonly disk: MemoryDisk },
  { task, log, view, compacted, show }: FinalChangelog,
): string[] {
  const { meta, values, dues, aheadTo, isRefused } = disk.look(task)
  const where = `${name}: the store of ${task}`
  if (meta === undefined || isRefused) return []
  const unindexed = withoutEntry(values, [...(dues?.values() ?? [])])
  if (unindexed !== undefined) return [`an index has no entry: ${where}, ${unindexed}`]
  if (meta.changelogPosition > view.commitPosition) return [`${where} is ahead of the changelog`]
  if (meta.changelogPosition < view.commitPosition && compacted) return []
  const then = new ChangelogView(where, log, meta.changelogPosition + 1)
  then.update()
  if (then.commitPosition !== meta.changelogPosition) return [`${where}: there is no commit at its position`]
  const upTo = aheadTo > meta.changelogPosition ? 'the end' : 'the next commit record'
  const later = valuesAfter(meta.changelogPosition, log, upTo)
  return [...new Set([...values.keys(), ...then.values.keys()])].flatMap((key) => {
    const [got, due] = [values.get(key), then.values.get(key)]
    if ((got !== undefined && got === due) || later.get(key)?.includes(got) === true) return []
    const words = (bytes: ByteString | undefined): string => (bytes === undefined ? 'nothing' : show(key, bytes))
    return [`${where}: ${key.slice(key.indexOf('\0') + 1)} is ${words(got)}, in the changelog ${words(due)}`]
  })
}

/** What has something due, by a clock, and no entry at or before that. */
function withoutEntry(
  values: ReadonlyMap<ByteString, ByteString>,
  entries: readonly { readonly clock: string; readonly dueMs: number; readonly key: ByteString }[],
): string | undefined {
  const least = new Map<string, number>()
  for (const { clock, dueMs, key } of entries)
    least.set(`${clock} ${key}`, Math.min(dueMs, least.get(`${clock} ${key}`) ?? Infinity))
  for (const [key, packed] of values) {
    const times = timesOf(bytesOf(packed), 0, packed.length)
    for (const clock of CLOCKS) {
      const dueMs = nextDueOf(times, clock)?.dueMs
      if (dueMs !== undefined && dueMs < (least.get(`${clock} ${key}`) ?? Infinity))
        return `${key.replace('\0', ' of ')}, due by ${clock} at ${String(dueMs)}`
    }
  }
  return undefined
}
