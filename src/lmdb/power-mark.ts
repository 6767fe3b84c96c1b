/**
 * Knows whether a store can lack writes: by a loss of power, or because it is a copy.
 *
 * LMDB writes without waiting for the disk (three times as fast, and no commit hangs on a slow one): the operating system
 * has the pages, so the death of the process loses nothing. The death of the machine may, in any order, which would
 * damage the file silently. Hence:
 *
 * 1. Before LMDB opens the file, a mark beside it says under which boot of the machine it is open, and which file it is,
 *    durably.
 * 2. After the file is closed and its pages are on the disk, the mark goes.
 * 3. A mark of another boot: the machine went down while the store was open. The store is not to be trusted.
 * 4. A mark of this boot and another file: it was copied while it was open, with `cp` or as an image of a disk. A copy of
 *    a file that is being written has some pages as they were before a write, and others as they were after it.
 *
 * What this can't tell: a disk that went away under an open store (pulled out, detached by force) and came back as the same
 * device, without a boot in between. The kernel has thrown away what it had not written yet, and says so to nobody but who asks
 * for each write. Whoever does that has to remove the state directory.
 */
import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { FILE_MODE, readFileIfThere, removeFileDurably, writeFileDurably } from './files.js'

/** Undefined where the system has no such thing: then LMDB has to wait for the disk. */
export function currentBootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}

const markOf = (directory: string): string => join(directory, 'open-since-boot')

/** Why the store in the directory is not to be trusted; undefined: it is. `file`: its data, which need not be there. */
export function whyUntrusted(directory: string, file: string, bootId: string | undefined): string | undefined {
  const mark = readFileIfThere(markOf(directory))
  if (mark === undefined) return undefined
  const [boot, place] = mark.split(' ')
  if (boot !== bootId) return 'the machine crashed while it was open, so its last writes may not be on disk'
  // earlier versions noted down no place
  return place === undefined || place === placeOf(file)
    ? undefined
    : 'it was copied while it was open, so some of its writes may be missing'
}

export async function markOpen(directory: string, file: string, bootId: string): Promise<void> {
  // LMDB takes an empty file for a new one
  closeSync(openSync(file, 'a', FILE_MODE))
  const mark = `${bootId} ${placeOf(file)}`
  if (readFileIfThere(markOf(directory)) !== mark) await writeFileDurably(markOf(directory), mark)
}

export const markClosed = (directory: string): Promise<void> => removeFileDurably(markOf(directory))

/**
 * Tells the file from its copies. Device numbers of major 0 are made up for each mount (overlay, btrfs, network), so they
 * differ where a container was only started again: there the inode alone has to do.
 */
function placeOf(file: string): string {
  const stats = statSync(file, { bigint: true, throwIfNoEntry: false })
  if (stats === undefined) return 'none'
  const { dev, ino } = stats
  const isMadeUp = ((dev >> 8n) & 0xfffn) === 0n && dev >> 32n === 0n
  return `${isMadeUp ? '0' : String(dev)}:${String(ino)}`
}
