/** Builds the programs on Kafka Streams: their libraries with Maven, their files with javac. Once, until one changes. */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Environment, findJava, runTool } from '#potoroo/broker/java.js'
import { messageOf } from '#potoroo/errors.js'

export interface BuiltPeer {
  readonly java: string
  readonly classPath: string
}

/** It can't be built here: benchmarks then run without it, and say so. */
export class PeerMissing extends Error {
  override readonly name = 'PeerMissing'
}

// Two levels up: this runs from bench/dist.
const SOURCE = fileURLToPath(new URL('../peers/kafka-streams', import.meta.url))

/** Rejects with PeerMissing. */
export async function buildPeer(env: Environment): Promise<BuiltPeer> {
  const java = await findJava(env).catch((cause: unknown) => {
    throw new PeerMissing(messageOf(cause), { cause })
  })
  const target = join(SOURCE, 'target')
  const built = { java, classPath: [join(target, 'classes'), join(target, 'libs', '*')].join(':') }
  const programs = (await readdir(SOURCE)).filter((name) => name.endsWith('.java')).sort()
  const [pom = '', ...sourceFiles] = ['pom.xml', ...programs].map((name) => join(SOURCE, name))
  const stamp = join(target, 'built-from')
  const hash = createHash('sha256')
  for (const file of [pom, ...sourceFiles]) hash.update(await readFile(file))
  const sources = hash.digest('hex')
  if ((await readFile(stamp, 'utf8').catch(() => '')) === sources) return built

  await rm(target, { recursive: true, force: true })
  await mkdir(join(target, 'classes'), { recursive: true })
  const libraries = [`-DoutputDirectory=${join(target, 'libs')}`, '-DincludeScope=runtime']
  await tool('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', ...libraries], env)
  // A JDK has both beside each other; of a JRE, there is only java.
  const javac = java.includes('/') ? join(dirname(java), 'javac') : 'javac'
  await tool(javac, ['-cp', join(target, 'libs', '*'), '-d', join(target, 'classes'), ...sourceFiles], env)
  await writeFile(stamp, sources)
  return built
}

async function tool(command: string, args: readonly string[], env: Environment): Promise<void> {
  const needed =
    'Kafka Streams is built with Maven and a JDK, 17 or newer (Debian: apt-get install maven openjdk-17-jdk-headless)'
  const { status, output } = await runTool(command, args, env).catch((cause: unknown) => {
    throw new PeerMissing(`'${command}' can't be run: ${needed}`, { cause })
  })
  if (status !== 0) throw new PeerMissing(`'${command}' failed (${needed}):\n${output.trim().slice(0, 1000)}`)
}
