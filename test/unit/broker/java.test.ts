import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { findJava, javaCommand, javaRelease } from '../../../src/broker/java.js'
import { temporaryFolder } from '../../support/temporary.js'

function javaHomeThatPrints(text: string): string {
  const home = temporaryFolder()
  mkdirSync(join(home, 'bin'))
  writeFileSync(join(home, 'bin', 'java'), `#!/bin/sh\necho '${text}' >&2\n`)
  chmodSync(join(home, 'bin', 'java'), 0o755)
  return home
}

describe('findJava', () => {
  test('takes JAVA_HOME, else what the path has', () => {
    expect(javaCommand({ JAVA_HOME: '/opt/jdk' })).toBe('/opt/jdk/bin/java')
    expect(javaCommand({ JAVA_HOME: '' })).toBe('java')
    expect(javaCommand({})).toBe('java')
  })

  test('resolves with a Java that is new enough', async () => {
    const home = javaHomeThatPrints('openjdk version "21.0.2" 2024-01-16')
    expect(await findJava({ JAVA_HOME: home })).toBe(join(home, 'bin', 'java'))
  })

  test('says what to install when there is none', async () => {
    await expect(findJava({ JAVA_HOME: temporaryFolder() })).rejects.toMatchObject({
      code: 'TOOL_MISSING',
      message: expect.stringMatching(/needs Java 17 or newer \(Debian: apt-get install/) as unknown,
    })
  })

  test('says which version it found when that is too old', async () => {
    const home = javaHomeThatPrints('openjdk version "11.0.22" 2024-01-16')
    await expect(findJava({ JAVA_HOME: home })).rejects.toMatchObject({
      code: 'TOOL_MISSING',
      message: expect.stringContaining('is Java 11') as unknown,
    })
  })

  test('does not take another program for Java', async () => {
    const home = javaHomeThatPrints('hello')
    await expect(findJava({ JAVA_HOME: home })).rejects.toMatchObject({ code: 'TOOL_MISSING' })
  })
})

test.each([
  ['openjdk version "17.0.15" 2025-04-15', 17],
  ['java version "1.8.0_392"', 8],
  ['openjdk version "25" 2025-09-16', 25],
  ['openjdk version "22-ea" 2024-03-19', 22],
  ['something else', undefined],
])('%s is release %s', (printed, release) => {
  expect(javaRelease(printed)).toBe(release)
})
