import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { brokerJars, cacheDirectory, KAFKA_VERSION, pom } from '../../../src/broker/jars.js'
import type { Environment } from '../../../src/broker/java.js'
import { silentLogger as logger } from '../../support/silent-logger.js'
import { temporaryFolder } from '../../support/temporary.js'

const JAR = `kafka_2.13-${KAFKA_VERSION}.jar`
let env: Environment
let cache: string
let calls: string

/** An mvn of our own: what it does to `$libs`, the folder it is asked to fill. */
function mvnThat(does: string): void {
  const bin = temporaryFolder()
  calls = join(bin, 'calls')
  writeFileSync(calls, '')
  const script = `#!/bin/sh
echo "$@" >>${calls}
for arg in "$@"; do case "$arg" in -DoutputDirectory=*) libs="\${arg#-DoutputDirectory=}";; esac; done
${does}
`
  writeFileSync(join(bin, 'mvn'), script)
  chmodSync(join(bin, 'mvn'), 0o755)
  env = { ...env, PATH: `${bin}:/usr/bin:/bin` }
}
const fills = `mkdir -p "$libs" && echo jar >"$libs/${JAR}"`
const callCount = (): number => readFileSync(calls, 'utf8').split('\n').length - 1

beforeEach(() => {
  const home = temporaryFolder()
  env = { XDG_CACHE_HOME: home, PATH: '/nowhere' }
  cache = join(home, 'potoroo')
})

describe('brokerJars', () => {
  test('fetches once, and leaves nothing but the folder', async () => {
    mvnThat(fills)
    const folder = await brokerJars({ env, logger })
    expect(folder).toBe(join(cache, `kafka-${KAFKA_VERSION}`))
    expect(existsSync(join(folder, JAR))).toBe(true)
    expect(await brokerJars({ env, logger })).toBe(folder)
    expect(callCount()).toBe(1)
    expect(readdirSync(cache)).toEqual([`kafka-${KAFKA_VERSION}`])
  })

  test('two at once end with one whole folder', async () => {
    mvnThat(`mkdir -p "$libs" && echo "$$" >"$libs/${JAR}"`)
    const both = [brokerJars({ env, logger }), brokerJars({ env, logger })]
    const folder = await Promise.race(both)
    const first = readFileSync(join(folder, JAR), 'utf8')
    expect(await Promise.all(both)).toEqual([folder, folder])
    expect(callCount()).toBe(2)
    // A broker may run from the first copy by now: it stays.
    expect(readFileSync(join(folder, JAR), 'utf8')).toBe(first)
    expect(readdirSync(cache)).toEqual([`kafka-${KAFKA_VERSION}`])
  })

  test('keeps other releases beside it', async () => {
    mvnThat(`mkdir -p "$libs" && echo jar >"$libs/${JAR}" && echo jar >"$libs/kafka_2.13-3.9.1.jar"`)
    await brokerJars({ env, logger })
    expect(await brokerJars({ version: '3.9.1', env, logger })).toBe(join(cache, 'kafka-3.9.1'))
    expect(readdirSync(cache)).toEqual(['kafka-3.9.1', `kafka-${KAFKA_VERSION}`])
  })

  test('takes only what is a release', async () => {
    await expect(brokerJars({ version: '../4.2', env, logger })).rejects.toMatchObject({
      code: 'INVALID_CONFIGURATION',
    })
  })

  test('takes the place of a folder that somebody emptied', async () => {
    mvnThat(fills)
    const folder = join(cache, `kafka-${KAFKA_VERSION}`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'rest'), '')
    await brokerJars({ env, logger })
    expect(readdirSync(folder)).toEqual([JAR])
  })

  test('says what to install when there is no mvn', async () => {
    await expect(brokerJars({ env, logger })).rejects.toMatchObject({
      code: 'TOOL_MISSING',
      message: expect.stringContaining('apt-get install maven') as unknown,
    })
    expect(readdirSync(cache)).toEqual([])
  })

  test('says what mvn said when it fails, and keeps nothing of it', async () => {
    mvnThat(`${fills}; echo 'noise'; echo '[ERROR] Could not resolve dependencies'; exit 1`)
    await expect(brokerJars({ env, logger })).rejects.toMatchObject({
      code: 'JARS_NOT_FETCHED',
      message: expect.stringMatching(/exit code 1\): \[ERROR\] Could not resolve/) as unknown,
    })
    expect(readdirSync(cache)).toEqual([])
  })

  test('does not believe an mvn that succeeds without the jars', async () => {
    mvnThat('mkdir -p "$libs"')
    await expect(brokerJars({ env, logger })).rejects.toMatchObject({ code: 'JARS_NOT_FETCHED' })
  })
})

test('the cache is the user’s own', () => {
  expect(cacheDirectory({ XDG_CACHE_HOME: '/x', HOME: '/h' })).toBe('/x/potoroo')
  expect(cacheDirectory({ XDG_CACHE_HOME: '', HOME: '/h' })).toBe('/h/.cache/potoroo')
})

test.each([KAFKA_VERSION, '3.7.2'])('the pom of %s names exact versions only', (version) => {
  const versions = [...pom(version).matchAll(/<version>(.*)<\/version>/g)].map(([, found]) => found)
  expect(versions).toContain(version)
  for (const found of versions) expect(found).toMatch(/^[\d.]+$/)
})
