/**
 * Looks at LMDB's data file before LMDB maps it into memory: reading a page after the end of the file kills the process
 * (SIGBUS), and LMDB trusts what the file says about its own length.
 *
 *     File => Page*, pages 0 and 1 are meta pages; the one with the higher transaction id counts
 *     Page => Number(8) Transaction(8) Padding(2) Flags(2) Bounds(4) …
 *     Meta page => Page header, then
 *       Magic(4) Version(4) Address(8) MapSize(8) FreeDb(48) MainDb(48) LastPage(8) Transaction(8) BootId(8)
 *     Db => PageSize(4, in FreeDb) Flags(2) Depth(2) BranchPages(8) LeafPages(8) OverflowPages(8) Entries(8) Root(8)
 *
 * All little-endian, as on every platform that lmdb ships binaries for.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { damaged, failed, isNotFound } from './failures.js'

const META_BYTES = 168
const MAGIC = 0xbeefc0de
const VERSION = 2
const FLAG_BRANCH = 1
const FLAG_LEAF = 2
const FLAG_META = 8
const NO_PAGE = 0xffff_ffff_ffff_ffffn

interface MetaPage {
  readonly pageBytes: number
  readonly lastPage: bigint
  readonly transaction: bigint
  readonly roots: readonly bigint[]
}

/** Throws STORE_DAMAGED, saying what was found, unless the file is absent, empty, or one that LMDB can safely map. */
export function checkDataFile(path: string): void {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    if (isNotFound(error)) return
    throw failed(`Opening ${path}`, error)
  }
  try {
    const found = whatIsWrong(file)
    if (found !== undefined) throw damaged(path, found)
  } catch (error) {
    throw failed(`Reading ${path}`, error)
  } finally {
    closeSync(file)
  }
}

function whatIsWrong(file: number): string | undefined {
  const stats = fstatSync(file)
  if (!stats.isFile()) return 'it is not a file'
  const { size } = stats
  if (size === 0) return undefined
  const first = metaPage(read(file, 0, META_BYTES))
  if (typeof first === 'string') return first
  const second = metaPage(read(file, first.pageBytes, META_BYTES))
  if (typeof second === 'string') return `in its second page, ${second}`
  if (second.pageBytes !== first.pageBytes) return 'its two meta pages differ in page size'
  const meta = first.transaction >= second.transaction ? first : second
  const needed = (meta.lastPage + 1n) * BigInt(meta.pageBytes)
  if (needed > BigInt(size)) return `it is truncated: ${String(size)} bytes of ${String(needed)}`
  for (const root of meta.roots) {
    if (root === NO_PAGE) continue
    if (root > meta.lastPage) return `it refers to page ${String(root)}, its last is ${String(meta.lastPage)}`
    const header = read(file, Number(root) * meta.pageBytes, 20)
    const isTreePage = (header.readUInt16LE(18) & (FLAG_BRANCH | FLAG_LEAF)) !== 0
    if (header.readBigUInt64LE(0) !== root || !isTreePage) return `page ${String(root)} is overwritten`
  }
  return undefined
}

function metaPage(bytes: Buffer): MetaPage | string {
  if (bytes.length < META_BYTES) return 'it is too short for an LMDB file'
  if ((bytes.readUInt16LE(18) & FLAG_META) === 0 || bytes.readUInt32LE(24) !== MAGIC) return 'it is not an LMDB file'
  const version = bytes.readUInt32LE(28) & 0xffff
  if (version !== VERSION) return `it is of LMDB data format ${String(version)}, not ${String(VERSION)}`
  const pageBytes = bytes.readUInt32LE(48)
  if (pageBytes < 512 || pageBytes > 65_536 || (pageBytes & (pageBytes - 1)) !== 0)
    return `its page size is ${String(pageBytes)}`
  return {
    pageBytes,
    roots: [bytes.readBigUInt64LE(88), bytes.readBigUInt64LE(136)],
    lastPage: bytes.readBigUInt64LE(144),
    transaction: bytes.readBigUInt64LE(152),
  }
}

function read(file: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  return bytes.subarray(0, readSync(file, bytes, 0, length, position))
}
