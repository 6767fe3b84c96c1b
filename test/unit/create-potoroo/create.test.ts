import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createProject, nameOf, UsageError } from '../../../create-potoroo/src/create.js'
import { ROOT } from '../../support/documents.js'
import { temporaryFolder } from '../../support/temporary.js'

const TEMPLATE = join(ROOT, 'create-potoroo', 'template')
const create = (folder: string, potoroo = '^1.2.3') => createProject({ folder, template: TEMPLATE, potoroo })
const json = (...path: string[]) =>
  JSON.parse(readFileSync(join(...path), 'utf8')) as {
    readonly name: string
    readonly version: string
    readonly engines: object
    readonly dependencies: Readonly<Record<string, string>>
    readonly devDependencies: Readonly<Record<string, string>>
  }

describe('a project', () => {
  test('has the name of its folder, in its package and as its application', () => {
    const folder = join(temporaryFolder(), 'Heat Alarm')
    const { name, directory } = create(folder)
    expect({ name, directory }).toEqual({ name: 'heat-alarm', directory: folder })
    expect(json(folder, 'package.json').name).toBe('heat-alarm')
    expect(readFileSync(join(folder, 'src', 'application.ts'), 'utf8')).toContain("application('heat-alarm', ")
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toMatch(/^# heat-alarm\n/)
    expect(readFileSync(join(folder, '.gitignore'), 'utf8')).toContain('node_modules/')
    expect(existsSync(join(folder, 'gitignore'))).toBe(false)
  })

  test('gets the version of Potoroo that was asked for, or the package at a path', () => {
    const parent = temporaryFolder()
    create(join(parent, 'a'))
    expect(json(parent, 'a', 'package.json').dependencies['potoroo']).toBe('^1.2.3')
    writeFileSync(join(parent, 'potoroo.tgz'), '')
    create(join(parent, 'b'), join(parent, 'potoroo.tgz'))
    expect(json(parent, 'b', 'package.json').dependencies['potoroo']).toBe('file:../potoroo.tgz')
  })

  test('is made in an empty folder, which git may know already, and in no other', () => {
    const parent = temporaryFolder()
    const cloned = join(parent, 'cloned')
    mkdirSync(join(cloned, '.git'), { recursive: true })
    expect(create(cloned).name).toBe('cloned')
    // It has a project now.
    expect(() => create(cloned)).toThrow(UsageError)
    writeFileSync(join(parent, 'file'), 'mine')
    expect(() => create(join(parent, 'file'))).toThrow(/is no folder/)
    mkdirSync(join(parent, 'used'))
    writeFileSync(join(parent, 'used', 'package.json'), 'mine')
    expect(() => create(join(parent, 'used'))).toThrow(/has something in it \(package.json\)/)
    expect(readFileSync(join(parent, 'used', 'package.json'), 'utf8')).toBe('mine')
    expect(existsSync(join(parent, 'used', 'src'))).toBe(false)
  })
})

test.each([
  ['my-app', 'my-app'],
  ['My App', 'my-app'],
  ['_über.app_', 'ber.app'],
])('the folder %j names the project %j', (folder, name) => {
  expect(nameOf(folder)).toBe(name)
})

test.each(['', '...', '💥', 'x'.repeat(101)])('%j names none', (folder) => {
  expect(() => nameOf(folder)).toThrow(UsageError)
})

test('versions follow those of this checkout', () => {
  const root = json(ROOT, 'package.json')
  const package_ = json(ROOT, 'create-potoroo', 'package.json')
  expect([package_.version, package_.engines]).toEqual([root.version, root.engines])
  const template = json(TEMPLATE, 'package.json')
  expect(template.engines).toEqual(root.engines)
  expect(template.dependencies).toEqual({ potoroo: `^${root.version}`, zod: root.devDependencies['zod'] })
  for (const [name, version] of Object.entries(template.devDependencies))
    expect([name, version]).toEqual([name, root.devDependencies[name]])
})

test('the Dockerfile copies and starts what is there', () => {
  const dockerfile = readFileSync(join(TEMPLATE, 'Dockerfile'), 'utf8')
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, files = '']) => files.split(' '))
  // The lock file is there once the project is installed.
  expect(
    copied.filter((file) => file !== 'package-lock.json').filter((file) => !existsSync(join(TEMPLATE, file))),
  ).toEqual([])
  expect(copied).toEqual(expect.arrayContaining(['package-lock.json', 'src', 'tsconfig.json']))
  const [, entry = ''] = /ENTRYPOINT \["node", "(.*)"\]/.exec(dockerfile) ?? []
  const bin = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { bin: { potoroo: string } }).bin.potoroo
  expect(entry).toBe(join('node_modules', 'potoroo', bin))
  expect(basename(dockerfile.match(/"run", "(.*?)"/)?.[1] ?? '')).toBe('application.js')
})
