/**
 * Copies of stores: one that is given to a peer, and one that is taken from it.
 *
 * 1. A copy is made beside the store, and its file has no name any more once it is read: no crash leaves it behind.
 * 2. What comes from a peer is written to a directory that no store is in, and is on the disk, opened once and found to
 *    be a store with positions, before anybody takes it for one.
 */
import { mkdirSync } from 'node:fs'
import { open, rm, stat, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Snapshot } from '../ports/peers.js'
import { damaged, failed } from './failures.js'
import { DIRECTORY_MODE, FILE_MODE } from './files.js'
import { dataFileOf, freeBytesOn, openStore, type LmdbStore, type StoreOptions } from './store.js'

const CHUNK_BYTES = 256 * 1024
/** What a copy leaves free on the disk: the stores that are in use come first. */
const RESERVED_BYTES = 64 * 1024 * 1024

type FreeBytes = (directory: string) => number

function refuseWithoutRoom(doing: string, bytes: number, free: number): void {
  if (free < bytes + RESERVED_BYTES)
    throw failed(doing, `the disk has too little room (${String(free)} bytes free, ${String(bytes)} needed)`)
}

/**
 * Copies an open store, which is in `path`, through the directory `temporary`, which is created, and gone when this
 * resolves. Rejects with STORE_FAILED.
 */
export async function copyStore(
  store: LmdbStore,
  path: string,
  temporary: string,
  freeBytes: FreeBytes = freeBytesOn,
): Promise<Snapshot> {
  const doing = `Copying the store ${path}`
  try {
    const { size } = await stat(dataFileOf(path))
    refuseWithoutRoom(doing, size, freeBytes(path))
    mkdirSync(temporary, { mode: DIRECTORY_MODE })
    try {
      await store.copyTo(temporary)
      const file = await open(dataFileOf(temporary), 'r')
      return await snapshotOf(file)
    } finally {
      await rm(temporary, { recursive: true, force: true })
    }
  } catch (error) {
    throw failed(doing, error)
  }
}

async function snapshotOf(file: FileHandle): Promise<Snapshot> {
  try {
    const { size: bytes } = await file.stat()
    let closing: Promise<void> | undefined
    const discard = (): Promise<void> => (closing ??= file.close())
    return { bytes, chunks: () => read(file, bytes, discard), discard }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function* read(file: FileHandle, bytes: number, discard: () => Promise<void>): AsyncGenerator<Uint8Array> {
  try {
    for (let position = 0; position < bytes;) {
      const length = Math.min(CHUNK_BYTES, bytes - position)
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, position)
      if (bytesRead === 0) throw failed('Reading the copy of a store', 'it is shorter than it was')
      position += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } catch (error) {
    throw failed('Reading the copy of a store', error)
  } finally {
    await discard()
  }
}

/**
 * Writes a snapshot as a closed store into a directory that is created. Rejects with STORE_DAMAGED, STORE_FAILED, what
 * the chunks throw, or the signal's reason. The directory is the caller's to remove.
 */
export async function receiveStore(
  snapshot: Snapshot,
  directory: string,
  {
    logger,
    bootId,
    freeBytes = freeBytesOn,
  }: Pick<StoreOptions, 'logger' | 'freeBytes'> & { readonly bootId?: string | undefined },
  signal: AbortSignal,
): Promise<void> {
  // ends a wait for the next chunk
  const abort = (): void => void snapshot.discard().catch(() => undefined)
  signal.addEventListener('abort', abort)
  try {
    signal.throwIfAborted()
    refuseWithoutRoom(`Writing a snapshot to ${directory}`, snapshot.bytes, freeBytes(dirname(directory)))
    await write(snapshot, directory, signal)
    signal.throwIfAborted()
    const store = await openStore({ directory, logger, bootId })
    const meta = store.meta()
    await store.close()
    if (meta === undefined) throw damaged(directory, 'it has no positions')
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
    await snapshot.discard()
  }
}

async function write(snapshot: Snapshot, directory: string, signal: AbortSignal): Promise<void> {
  const doing = `Writing a snapshot to ${directory}`
  let file: FileHandle
  try {
    mkdirSync(directory, { mode: DIRECTORY_MODE })
    file = await open(dataFileOf(directory), 'wx', FILE_MODE)
  } catch (error) {
    throw failed(doing, error)
  }
  try {
    let bytes = 0
    for await (const chunk of snapshot.chunks()) {
      signal.throwIfAborted()
      bytes += chunk.length
      await writeAll(file, chunk, doing)
    }
    if (bytes !== snapshot.bytes)
      throw damaged(directory, `it has ${String(bytes)} bytes instead of ${String(snapshot.bytes)}`)
    await file.sync().catch((error: unknown) => {
      throw failed(doing, error)
    })
  } finally {
    await file.close()
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array, doing: string): Promise<void> {
  try {
    for (let from = 0; from < chunk.length;) {
      const { bytesWritten } = await file.write(chunk, from, chunk.length - from)
      from += bytesWritten
    }
  } catch (error) {
    throw failed(doing, error)
  }
}
