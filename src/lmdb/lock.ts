/**
 * The lock on a state directory: one process at a time. LMDB does not mind being opened twice, and Node has no flock.
 *
 * The lock is a Unix domain socket in the directory, on which its holder listens. Who can connect knows that the holder
 * lives, also a paused one (the kernel accepts); a dead one's refuses at once, whatever became of its process id; and it
 * holds across containers that share the directory. (An abstract socket would not: it belongs to the network namespace.)
 *
 * A dead holder's socket stays as a file, so taking over must be safe against others who do the same. Sockets are
 * numbered, `lock.1`, `lock.2`, …:
 *
 * 1. A socket listens before it gets its number: a number that refuses is dead, and stays so.
 * 2. A number is given by link(2), which fails if it exists: each has one owner.
 * 3. The next number is only taken after the highest was found dead.
 * 4. The highest is never removed, not on release either: the highest number there ever was can be seen at any time.
 * 5. Whoever has taken a number and then sees a higher one came too late, and lets go.
 *
 * So the owner of the highest number holds the lock if it lives, and nobody else does.
 */
import { randomBytes } from 'node:crypto'
import { linkSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { createServer, connect, type Server } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { PotorooError } from '../errors.js'
import { failed, isCode, isNotFound } from './failures.js'
import { readFileIfThere, writeFileDurably } from './files.js'

/** The kernel's limit for the path of a socket is 104 bytes on some systems, 108 on others, less the final zero. */
const MAX_SOCKET_PATH_BYTES = 103
const TEMPORARY = 'listening.'
/** Each attempt fails only because somebody else got further: it ends after a few. */
const MAX_ATTEMPTS = 100

export interface Lock {
  release(): Promise<void>
}

export interface LockOptions {
  readonly directory: string
  /** Name of the worker, for the error that others get. */
  readonly worker: string
  /** Wall clock, ms since the epoch. */
  readonly now: () => number
}

/** What others are told about the holder. Not part of the lock: it may be missing, or a dead one's. */
interface Holder {
  readonly number: number
  readonly worker: string
  readonly pid: number
  readonly host: string
  readonly since: string
}

/** Rejects with STATE_DIRECTORY_LOCKED while another process, or this one, holds it. */
export async function lockDirectory(options: LockOptions): Promise<Lock> {
  const { directory } = options
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const highest = Math.max(0, ...numbersIn(directory))
      if (highest > 0 && (await listens(directory, nameOf(highest)))) throw lockedBy(directory, highest)
      const server = await claim(directory, highest + 1)
      if (server === undefined) continue
      try {
        await describe(options, highest + 1)
        sweep(directory, highest)
      } catch (error) {
        await close(server)
        throw error
      }
      return { release: () => close(server) }
    }
  } catch (error) {
    throw failed(`Locking the state directory ${directory}`, error)
  }
  throw failed(`Locking the state directory ${directory}`, 'other processes keep taking it and dying')
}

/** Takes a number (rules 1, 2 and 5). Undefined if another process has it, or a higher one. */
export async function claim(directory: string, number: number): Promise<Server | undefined> {
  const temporary = `${TEMPORARY}${randomBytes(8).toString('hex')}`
  const server = await listen(directory, temporary)
  try {
    linkSync(join(directory, temporary), join(directory, nameOf(number)))
  } catch (error) {
    await close(server)
    // gone: the owner of the next number has swept it away as a dead one's
    if (isCode(error, 'EEXIST', 'ENOENT')) return undefined
    throw error
  } finally {
    rmSync(join(directory, temporary), { force: true })
  }
  if (numbersIn(directory).every((other) => other <= number)) return server
  await close(server)
  remove(directory, number)
  return undefined
}

const nameOf = (number: number): string => `lock.${String(number)}`
const numbersIn = (directory: string): number[] =>
  readdirSync(directory).flatMap((name) => (/^lock\.[1-9]\d*$/.test(name) ? [Number(name.slice(5))] : []))
const remove = (directory: string, number: number): void => {
  rmSync(join(directory, nameOf(number)), { force: true })
}

/** Removes what dead processes left. */
function sweep(directory: string, highestDead: number): void {
  for (const number of numbersIn(directory)) if (number <= highestDead) remove(directory, number)
  for (const name of readdirSync(directory))
    if (name.startsWith(TEMPORARY)) rmSync(join(directory, name), { force: true })
}

function listen(directory: string, name: string): Promise<Server> {
  return withShortPath(
    directory,
    name,
    (path) =>
      new Promise((resolve, reject) => {
        const server = createServer((connection) => connection.destroy())
        server.once('error', reject)
        // exclusive: in a cluster, the primary would else listen, for all of its workers
        server.listen({ path, exclusive: true }, () => {
          server.off('error', reject)
          server.on('error', () => undefined)
          server.unref()
          resolve(server)
        })
      }),
  )
}

/** Whatever is not a clear no counts as yes: a full queue of a paused holder, a socket that is another user's. */
function listens(directory: string, name: string): Promise<boolean> {
  return withShortPath(
    directory,
    name,
    (path) =>
      new Promise((resolve) => {
        const connection = connect(path)
        connection.once('connect', () => {
          connection.destroy()
          resolve(true)
        })
        connection.once('error', (error) => {
          resolve(!isNotFound(error) && !isCode(error, 'ECONNREFUSED'))
        })
      }),
  )
}

const close = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => {
      resolve()
    })
  })

/** A path too long for a socket goes through a symbolic link for the moment of the call. */
async function withShortPath<T>(directory: string, name: string, use: (path: string) => Promise<T>): Promise<T> {
  const path = join(directory, name)
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return use(path)
  const detour = mkdtempSync(join(tmpdir(), 'potoroo-'))
  try {
    const short = join(detour, 'd')
    symlinkSync(directory, short)
    const shortPath = join(short, name)
    if (Buffer.byteLength(shortPath) > MAX_SOCKET_PATH_BYTES)
      throw new RangeError(`${path} is too long for the path of a socket, and so is ${shortPath}`)
    return await use(shortPath)
  } finally {
    rmSync(detour, { recursive: true, force: true })
  }
}

const holderFile = (directory: string): string => join(directory, 'lock.json')

async function describe({ directory, worker, now }: LockOptions, number: number): Promise<void> {
  const holder: Holder = { number, worker, pid: process.pid, host: hostname(), since: new Date(now()).toISOString() }
  await writeFileDurably(holderFile(directory), `${JSON.stringify(holder)}\n`)
}

function lockedBy(directory: string, number: number): PotorooError {
  const holder = readHolder(directory)
  const who =
    holder?.number === number
      ? `worker ${JSON.stringify(holder.worker)} (process ${String(holder.pid)} on ${holder.host}) since ${holder.since}`
      : 'a process that has just started'
  return new PotorooError('STATE_DIRECTORY_LOCKED', `The state directory ${directory} is in use by ${who}.`)
}

function readHolder(directory: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(readFileIfThere(holderFile(directory)) ?? 'null')
    return isHolder(value) ? value : undefined
  } catch {
    return undefined
  }
}

const isHolder = (value: unknown): value is Holder =>
  typeof value === 'object' &&
  value !== null &&
  'number' in value &&
  typeof value.number === 'number' &&
  'worker' in value &&
  typeof value.worker === 'string' &&
  'pid' in value &&
  typeof value.pid === 'number' &&
  'host' in value &&
  typeof value.host === 'string' &&
  'since' in value &&
  typeof value.since === 'string'
