/**
 * Kafka's jars, fetched once per user from Maven Central.
 *
 * The folder appears whole or not at all: it is filled under another name and renamed. Whoever comes second throws its
 * own copy away, so processes that start at the same time don't disturb each other.
 */
import { access, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { messageOf, PotorooError } from '../errors.js'
import type { Logger } from '../ports/logger.js'
import { type Environment, runTool } from './java.js'

/** Kafka's release that a local broker is of, unless another one is asked for. */
export const KAFKA_VERSION = '4.2.0'
const SCALA_VERSION = '2.13'
/** The log4j that Kafka 4.2 comes with; its binding to slf4j is not among the dependencies of kafka_2.13. */
const LOG4J_VERSION = '2.25.3'
const DEPENDENCY_PLUGIN_VERSION = '3.8.1'

export interface JarsOptions {
  /** Kafka's release, `4.2.0`. Default: KAFKA_VERSION. */
  readonly version?: string | undefined
  readonly env: Environment
  readonly logger: Logger
}

/** `$XDG_CACHE_HOME/potoroo`, by default `~/.cache/potoroo`. */
export const cacheDirectory = (env: Environment): string =>
  join(env['XDG_CACHE_HOME'] || join(env['HOME'] || homeDirectory(), '.cache'), 'potoroo')

/** The user's, where one is known: not of every user id. */
function homeDirectory(): string {
  let home = ''
  let cause: unknown
  try {
    home = homedir()
  } catch (error) {
    cause = error
  }
  if (isAbsolute(home)) return home
  const message = "there is no home directory to keep Kafka's jars in: set XDG_CACHE_HOME to a directory"
  throw new PotorooError('INVALID_CONFIGURATION', message, { cause })
}

/** Kafka 3 calls log4j 1 itself, too: over the bridge all goes into one log. */
const log4jArtifacts = (version: string): readonly string[] =>
  version.startsWith('3.') ? ['log4j-slf4j-impl', 'log4j-1.2-api'] : ['log4j-slf4j-impl']

const log4jDependency = (artifact: string): string => `    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>${artifact}</artifactId>
      <version>${LOG4J_VERSION}</version>
    </dependency>
`

export const pom = (version: string): string => `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>potoroo</groupId>
  <artifactId>local-broker</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_${SCALA_VERSION}</artifactId>
      <version>${version}</version>
    </dependency>
${log4jArtifacts(version).map(log4jDependency).join('')}  </dependencies>
  <build>
    <plugins>
      <plugin>
        <groupId>org.apache.maven.plugins</groupId>
        <artifactId>maven-dependency-plugin</artifactId>
        <version>${DEPENDENCY_PLUGIN_VERSION}</version>
      </plugin>
    </plugins>
  </build>
</project>
`

/** Resolves with the folder that holds Kafka's jars. Rejects with TOOL_MISSING (no mvn) or JARS_NOT_FETCHED. */
export async function brokerJars({ version = KAFKA_VERSION, env, logger }: JarsOptions): Promise<string> {
  if (!/^\d+\.\d+\.\d+$/.test(version))
    throw new PotorooError(
      'INVALID_CONFIGURATION',
      `${version} is not a release of Kafka: use one like ${KAFKA_VERSION}`,
    )
  const cache = cacheDirectory(env)
  const folder = join(cache, `kafka-${version}`)
  if (await isComplete(folder, version)) return folder
  logger.info({ folder }, `fetching Kafka ${version} with mvn (43 MB, once)`)
  await mkdir(cache, { recursive: true })
  const work = await mkdtemp(join(cache, `kafka-${version}.partial-`))
  try {
    await fetchInto(work, version, env)
    await putInPlace(join(work, 'libs'), folder, version)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return folder
}

/** A folder without the broker's own jar was emptied by somebody: it is fetched again. */
const isComplete = (folder: string, version: string): Promise<boolean> =>
  access(join(folder, `kafka_${SCALA_VERSION}-${version}.jar`)).then(
    () => true,
    () => false,
  )

async function fetchInto(work: string, version: string, env: Environment): Promise<void> {
  const pomFile = join(work, 'pom.xml')
  const libs = join(work, 'libs')
  await writeFile(pomFile, pom(version))
  const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${libs}`, '-DincludeScope=runtime']
  let result
  try {
    result = await runTool('mvn', ['-q', '-B', '-f', pomFile, ...goal], env)
  } catch (cause) {
    throw new PotorooError(
      'TOOL_MISSING',
      "'mvn' can't be run: a local Kafka broker is fetched with Maven (Debian: apt-get install maven)",
      { cause },
    )
  }
  if (result.status !== 0 || !(await isComplete(libs, version)))
    throw new PotorooError(
      'JARS_NOT_FETCHED',
      `mvn did not fetch Kafka ${version} (exit code ${String(result.status)}): ${firstErrors(result.output)}`,
    )
}

/** Maven's first complaints say what was wrong; what follows is advice on switches. */
const firstErrors = (output: string): string => {
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  const errors = lines.filter((line) => line.includes('[ERROR]') || line.includes('Error'))
  return (errors.length > 0 ? errors : lines).slice(0, 3).join(' ').slice(0, 600)
}

async function putInPlace(libs: string, folder: string, version: string): Promise<void> {
  try {
    await rename(libs, folder)
  } catch (cause) {
    if (await isComplete(folder, version)) return
    // What lies there is no complete folder: make room, and try once more.
    await rm(folder, { recursive: true, force: true })
    await rename(libs, folder).catch(async (again: unknown) => {
      if (await isComplete(folder, version)) return
      throw new PotorooError('JARS_NOT_FETCHED', `Kafka's jars can't be put into ${folder}: ${messageOf(again)}`, {
        cause,
      })
    })
  }
}
