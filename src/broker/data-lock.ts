/**
 * One broker per data directory. Kafka's own lock covers its partitions but not its metadata log when broker and
 * controller are one process: a second one would write into the log of the first before it notices.
 *
 * The lock is a file with the Java process's id. It counts only while a process of that id runs with this directory's
 * settings on its command line, so neither a killed broker nor a reused id blocks anything.
 */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PotorooError } from '../errors.js'
import { type Environment, runTool } from './java.js'

const fileIn = (dataDir: string): string => join(dataDir, 'broker.pid')

/** The id of the broker that runs on this directory, if one does. `mark` is what its command line must contain. */
export async function runningOn(dataDir: string, mark: string, env: Environment): Promise<number | undefined> {
  const pid = await readPid(dataDir)
  if (pid === undefined) return undefined
  const result = await runTool('ps', ['-ww', '-o', 'command=', '-p', String(pid)], env)
  return result.status === 0 && result.output.includes(mark) ? pid : undefined
}

/** Rejects with BROKER_NOT_STARTED when a broker runs on this directory. Clears what a dead one left. */
export async function assertUnlocked(dataDir: string, mark: string, env: Environment): Promise<void> {
  const pid = await runningOn(dataDir, mark, env)
  if (pid !== undefined) throw inUse(dataDir, pid)
  await rm(fileIn(dataDir), { force: true })
}

/** Rejects with BROKER_NOT_STARTED when another start came first. */
export async function writeLock(dataDir: string, pid: number): Promise<void> {
  try {
    await writeFile(fileIn(dataDir), `${String(pid)}\n`, { flag: 'wx' })
  } catch (error) {
    throw inUse(dataDir, await readPid(dataDir), error)
  }
}

export const removeLock = (dataDir: string): Promise<void> => rm(fileIn(dataDir), { force: true })

const readPid = async (dataDir: string): Promise<number | undefined> => {
  const text = await readFile(fileIn(dataDir), 'utf8').catch(() => '')
  return /^\d+\n$/.test(text) ? Number(text) : undefined
}

const inUse = (dataDir: string, pid: number | undefined, cause?: unknown): PotorooError =>
  new PotorooError(
    'BROKER_NOT_STARTED',
    `the data directory ${dataDir} is used by another broker, process ${String(pid ?? 'unknown')}`,
    { cause },
  )
