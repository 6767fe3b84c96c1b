/**
 * Packs what would be published, and looks at it: versions, the change log, the files, what publint and attw find, the licences of
 * what users install with it, and what `npm publish` would say. It publishes nothing, and needs no registry. With `--final` the
 * change log has to be that of a release: the version's part is the first, and has its date.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { filesProblems, licenceProblems, licencesOf, versionProblems } from './release-rules.mjs'

const ROOT = join(import.meta.dirname, '..')
/** CommonJS gets this package by `require` of an ES module, which every Node that it runs on can. */
const ATTW = ['--profile', 'node16', '--ignore-rules', 'cjs-resolves-to-esm']

const read = (path) => readFileSync(join(ROOT, path), 'utf8')
const json = (path) => JSON.parse(read(path))
const say = (line) => process.stdout.write(`${line}\n`)

const problems = []
const check = (name, found) => {
  say(`${found.length === 0 ? 'ok    ' : 'WRONG '} ${name}`)
  for (const problem of found) say(`       ${problem}`)
  problems.push(...found)
}
/** What a tool prints counts where it fails. */
const run = (command, args, cwd = ROOT) => {
  try {
    execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    return []
  } catch (error) {
    return `${error.stdout ?? ''}${error.stderr ?? ''}${error.stdout === undefined ? error.message : ''}`
      .trimEnd()
      .split('\n')
  }
}
const tool = (name, ...args) => run(process.execPath, [join(ROOT, 'node_modules', ...name), ...args])

const destination = mkdtempSync(join(tmpdir(), 'potoroo-release-'))
try {
  check(
    'versions and change log agree',
    versionProblems({
      version: json('package.json').version,
      lockVersion: json('package-lock.json').version,
      createVersion: json('create-potoroo/package.json').version,
      changelog: read('CHANGELOG.md'),
      isFinal: process.argv.includes('--final'),
    }),
  )
  const lock = json('package-lock.json')
  check('licences of what users install', licenceProblems(licencesOf(lock)))
  for (const folder of ['.', 'create-potoroo']) {
    const packageJson = json(join(folder, 'package.json'))
    const [packed] = JSON.parse(
      execFileSync('npm', ['pack', '--json', '--pack-destination', destination], {
        cwd: join(ROOT, folder),
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    )
    const { name, filename, size, unpackedSize, files } = packed
    const kb = (bytes) => `${Math.round(bytes / 1000).toLocaleString('en')} kB`
    say(`${name}: ${files.length} files, ${kb(size)}, unpacked ${kb(unpackedSize)}`)
    const tarball = join(destination, filename)
    check(
      `${name}: the files`,
      filesProblems(
        packageJson,
        files.map(({ path }) => path),
      ),
    )
    check(`${name}: publint`, tool(['publint', 'src', 'cli.js'], 'run', tarball, '--strict'))
    if (packageJson.exports !== undefined)
      check(`${name}: attw`, tool(['@arethetypeswrong', 'cli', 'dist', 'index.js'], tarball, ...ATTW))
    // Whether that version is there already, it would ask; one try is enough.
    const publish = ['publish', tarball, '--dry-run', '--ignore-scripts', '--fetch-retries=0', '--fetch-timeout=10000']
    check(`${name}: npm publish --dry-run`, run('npm', publish))
  }
} finally {
  rmSync(destination, { recursive: true, force: true })
}
if (problems.length > 0) process.exitCode = 1
