/** What a release has to be: of figures and texts, without a look at anything. */

/** They ask for their notice, and for nothing of the program that uses them. */
const PERMISSIVE = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
  'Unlicense',
])

export function versionProblems({ version, lockVersion, createVersion, changelog, isFinal }) {
  const problems = []
  if (lockVersion !== version) problems.push(`package-lock.json is of ${lockVersion}, package.json of ${version}`)
  if (createVersion !== version) problems.push(`create-potoroo is of ${createVersion}, potoroo of ${version}`)
  const headings = [...changelog.matchAll(/^## \[([^\]]+)\](?: - (.*))?$/gm)]
  const own = headings.findIndex(([, name]) => name === version)
  if (own < 0) problems.push(`CHANGELOG.md has no part [${version}]`)
  else if (isFinal) {
    if (own > 0) problems.push(`in CHANGELOG.md, [${headings[0][1]}] stands before [${version}]`)
    if (!/^\d{4}-\d\d-\d\d$/.test(headings[own][2] ?? '')) problems.push(`in CHANGELOG.md, [${version}] has no date`)
  }
  return problems
}

/** Every package that is installed with this one, by the lock file: `name@version` and its licence. */
export const licencesOf = ({ packages }) =>
  Object.entries(packages)
    .filter(([path, { dev, devOptional, link }]) => path !== '' && !dev && !devOptional && !link)
    .map(([path, { version, license }]) => ({
      name: `${path.replace(/^.*node_modules\//, '')}@${version}`,
      licence: license ?? 'none',
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))

export const licenceProblems = (licences) =>
  licences
    .filter(({ licence }) => !PERMISSIVE.has(licence))
    .map(({ name, licence }) => `${name}: ${licence} is not among ${[...PERMISSIVE].join(', ')}`)

/** `files` are those of the pack. */
export function filesProblems({ name, bin = {}, exports = {} }, files) {
  const there = new Set(files)
  const targets = [
    ...Object.values(bin),
    ...Object.values(exports).flatMap((target) => (typeof target === 'string' ? [target] : Object.values(target))),
  ].map((path) => path.replace(/^\.\//, ''))
  const wanted = ['package.json', 'README.md', 'LICENSE', ...targets]
  if (name === 'potoroo') wanted.push('CHANGELOG.md', 'docs/tutorial.md', 'docker-compose.yml')
  const strange = files.filter(
    (path) =>
      /(^|\/)(test|bench|coverage|node_modules|\.[^/]+)\//.test(path) ||
      /\.tsbuildinfo$|\.log$|\.tgz$|(^|\/)\.env|(^|\/)\.npmrc|\.pem$/.test(path) ||
      (/\.test\.[jt]s$/.test(path) && !path.startsWith('template/')),
  )
  return [
    ...[...new Set(wanted)].filter((path) => !there.has(path)).map((path) => `${path} is missing`),
    ...strange.map((path) => `${path} has no place in it`),
  ]
}
