/** What `npm run release:check` asks of a release. That this checkout is one, `.ci/run` checks. */
import { describe, expect, it } from 'vitest'
import { filesProblems, licenceProblems, licencesOf, versionProblems } from '../../../.ci/release-rules.mjs'

describe('versions', () => {
  const right = {
    ...{ version: '1.2.3', lockVersion: '1.2.3', createVersion: '1.2.3' },
    ...{ changelog: '# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - unreleased\n', isFinal: false },
  }

  it('are those of all packages, and of the change log', () => {
    expect(versionProblems(right)).toEqual([])
    expect(versionProblems({ ...right, createVersion: '1.2.2' })).toEqual([
      'create-potoroo is of 1.2.2, potoroo of 1.2.3',
    ])
    expect(versionProblems({ ...right, lockVersion: '1.2.2' })).toEqual([
      'package-lock.json is of 1.2.2, package.json of 1.2.3',
    ])
    expect(versionProblems({ ...right, changelog: '## [1.2.30] - unreleased' })).toEqual([
      'CHANGELOG.md has no part [1.2.3]',
    ])
  })

  it('have their date, and nothing before them, in a release', () => {
    expect(versionProblems({ ...right, isFinal: true })).toEqual([
      'in CHANGELOG.md, [Unreleased] stands before [1.2.3]',
      'in CHANGELOG.md, [1.2.3] has no date',
    ])
    expect(versionProblems({ ...right, changelog: '## [1.2.3] - 2026-01-31\n', isFinal: true })).toEqual([])
  })
})

describe('licences', () => {
  const packages = {
    '': { version: '1.2.3' },
    'node_modules/a': { version: '1.0.0', license: 'MIT' },
    'node_modules/a/node_modules/@b/c': { version: '2.0.0', license: 'GPL-3.0-only' },
    'node_modules/d': { version: '3.0.0' },
    'node_modules/of-development': { version: '4.0.0', license: 'AGPL-3.0', dev: true },
  }

  it('of what users install are known, and ask for nothing', () => {
    const licences = licencesOf({ packages })
    expect(licences.map(({ name }) => name)).toEqual(['@b/c@2.0.0', 'a@1.0.0', 'd@3.0.0'])
    expect(licenceProblems(licences)).toEqual([
      expect.stringContaining('@b/c@2.0.0: GPL-3.0-only is not among'),
      expect.stringContaining('d@3.0.0: none is not among'),
    ])
  })
})

describe('files', () => {
  const packageJson = {
    name: 'some',
    bin: { some: './dist/main.js' },
    exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' }, './package.json': './package.json' },
  }
  const right = ['package.json', 'README.md', 'LICENSE', 'dist/main.js', 'dist/index.js', 'dist/index.d.ts']

  it('are all that exports and commands name, and the documents', () => {
    expect(filesProblems(packageJson, right)).toEqual([])
    for (const left of right)
      expect(
        filesProblems(
          packageJson,
          right.filter((path) => path !== left),
        ),
      ).toEqual([`${left} is missing`])
  })

  it.each([
    ...['test/a.ts', 'src/a.test.ts', 'dist/.tsbuildinfo/src.tsbuildinfo'],
    ...['.env.local', 'src/.npmrc', 'node_modules/a/b.js'],
  ])('have nothing else among them: %s', (path) => {
    expect(filesProblems(packageJson, [...right, path])).toEqual([`${path} has no place in it`])
  })
})
