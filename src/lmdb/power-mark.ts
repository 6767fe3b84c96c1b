/**
 * Knows whether a loss of power can have hurt a store.
 *
 * LMDB writes without waiting for the disk (three times as fast, and no commit hangs on a slow one): the operating system
 * has the pages, so the death of the process loses nothing. The death of the machine may, in any order, which would
 * damage the file silently. Hence:
 *
 * 1. Before LMDB opens the file, a mark beside it says under which boot of the machine it is open, durably.
 * 2. After the file is closed and its pages are on the disk, the mark goes.
 * 3. A mark of another boot: the machine went down while the store was open. The store is not to be trusted.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readFileIfThere, removeFileDurably, writeFileDurably } from './files.js'

/** Undefined where the system has no such thing: then LMDB has to wait for the disk. */
export function currentBootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}

const markOf = (directory: string): string => join(directory, 'open-since-boot')

/** Whether the store in the directory was open when the machine went down. */
export function wentDownOpen(directory: string, bootId: string | undefined): boolean {
  const mark = readFileIfThere(markOf(directory))
  return mark !== undefined && mark !== bootId
}

export async function markOpen(directory: string, bootId: string): Promise<void> {
  if (readFileIfThere(markOf(directory)) !== bootId) await writeFileDurably(markOf(directory), bootId)
}

export const markClosed = (directory: string): Promise<void> => removeFileDurably(markOf(directory))
