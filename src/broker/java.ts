/** The tools outside Node that a local broker needs: java 17 or newer, and mvn to fetch Kafka once. */
import { execFile, type ExecFileException } from 'node:child_process'
import { join } from 'node:path'
import { PotorooError } from '../errors.js'

export type Environment = Readonly<Record<string, string | undefined>>

/** The oldest Java that Kafka 4's broker runs on. */
export const MIN_JAVA = 17

export interface ToolResult {
  readonly status: number
  readonly output: string
}

/** Runs to the end; rejects only when the program could not be started at all. */
export const runTool = (command: string, args: readonly string[], env: Environment): Promise<ToolResult> =>
  new Promise((resolve, reject) => {
    const options = { env: { ...env }, encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 } as const
    execFile(command, [...args], options, (error: ExecFileException | null, stdout, stderr) => {
      const output = `${stdout}${stderr}`
      if (error === null) resolve({ status: 0, output })
      else if (typeof error.code === 'number') resolve({ status: error.code, output })
      else reject(new Error(error.message, { cause: error }))
    })
  })

/** Java's own variable goes first, as in Kafka's scripts. */
export const javaCommand = (env: Environment): string =>
  env['JAVA_HOME'] === undefined || env['JAVA_HOME'] === '' ? 'java' : join(env['JAVA_HOME'], 'bin', 'java')

/** The feature release in what `java -version` prints: 17 of `openjdk version "17.0.15" 2025-04-15`, 8 of `"1.8.0_392"`. */
export function javaRelease(printed: string): number | undefined {
  const found = /version "(?:1\.)?(\d+)/.exec(printed)?.[1]
  return found === undefined ? undefined : Number(found)
}

/** Resolves with the command of a Java that is new enough. Rejects with TOOL_MISSING. */
export async function findJava(env: Environment): Promise<string> {
  const command = javaCommand(env)
  const install = `a local Kafka broker needs Java ${String(MIN_JAVA)} or newer (Debian: apt-get install openjdk-17-jre-headless)`
  let printed: string
  try {
    printed = (await runTool(command, ['-version'], env)).output
  } catch (cause) {
    throw new PotorooError('TOOL_MISSING', `'${command}' can't be run: ${install}`, { cause })
  }
  const release = javaRelease(printed)
  if (release === undefined)
    throw new PotorooError('TOOL_MISSING', `'${command} -version' prints no version: ${install}`)
  if (release < MIN_JAVA)
    throw new PotorooError(
      'TOOL_MISSING',
      `'${command}' is Java ${String(release)}: ${install}, or set JAVA_HOME to one`,
    )
  return command
}
