/**
 * Lays the pages of the site into dist/pages: those of docs/, and whatever they link to in the repository. A linked file that is no
 * page, such as an example's source, becomes a page that shows it; a linked folder one that lists it. So the site needs no other host.
 * The sidebar is docs/README.md.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, extname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mapLinks, sectionsOf } from './markdown.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const pages = join(root, 'site/dist/pages')

const MAP = 'docs/README.md'
const IMAGES = new Set(['.svg', '.png'])
const LANGUAGES = { '.ts': 'ts', '.mjs': 'js', '.json': 'json', '.yml': 'yaml', '.yaml': 'yaml', '.java': 'java' }

/** Where a path of the repository lies in the site. */
function placeOf(path) {
  if (path === MAP) return 'index.md'
  if (IMAGES.has(extname(path))) return path
  if (path.startsWith('docs/') && path.endsWith('.md')) return path.slice('docs/'.length)
  if (path.endsWith('.md')) return posix.join('project', path.replace(/README\.md$/, 'index.md'))
  return posix.join('source', isFolder(path) ? `${path}/index.md` : `${path}.md`)
}

const isFolder = (path) => statSync(join(root, path)).isDirectory()

/** Stages what a path stands for, and gives the paths that it links to. */
function stage(path) {
  const place = join(pages, placeOf(path))
  mkdirSync(dirname(place), { recursive: true })
  if (IMAGES.has(extname(path))) {
    cpSync(join(root, path), place)
    return []
  }
  if (isFolder(path)) {
    const entries = readdirSync(join(root, path)).map((name) => posix.join(path, name))
    const lines = entries.map((entry) => `- [${posix.basename(entry)}](${linkFrom(path, entry)})`)
    writeFileSync(place, `# ${path}\n\n${lines.join('\n')}\n`)
    return entries
  }
  const text = readFileSync(join(root, path), 'utf8')
  if (!path.endsWith('.md')) {
    writeFileSync(place, `# ${path}\n\n\`\`\`\`${LANGUAGES[extname(path)] ?? 'text'}\n${text}\n\`\`\`\`\n`)
    return []
  }
  const linked = []
  const mapped = mapLinks(text, (target) => {
    if (/^(?:[a-z]+:|#)/.test(target)) return target
    const [file, anchor] = target.split('#')
    const to = posix.join(posix.dirname(path), decodeURI(file)).replace(/\/$/, '')
    if (!existsSync(join(root, to))) throw new Error(`${path} links to ${target}, and there is no ${to}`)
    linked.push(to)
    return linkFrom(path, to) + (anchor === undefined ? '' : `#${anchor}`)
  })
  writeFileSync(place, mapped)
  return linked
}

function linkFrom(path, to) {
  const link = posix.relative(posix.dirname(placeOf(path)), placeOf(to))
  return link.startsWith('.') ? link : `./${link}`
}

/** Stages all pages; gives how many there are. */
export function stagePages() {
  rmSync(pages, { recursive: true, force: true })
  const waiting = readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => posix.join('docs', name))
  const staged = new Set()
  for (const path of waiting) {
    if (staged.has(path)) continue
    staged.add(path)
    waiting.push(...stage(path))
  }
  return staged.size
}

/** The sidebar of the site, with the reference of the API in its place. */
export function writeSidebar(reference) {
  const sections = sectionsOf(readFileSync(join(root, MAP), 'utf8')).map(({ heading, items }) => ({
    text: heading,
    items: items.map(({ text, target }) => ({
      text,
      link: `/${placeOf(posix.join('docs', target)).replace(/(?:index)?\.md$/, '')}`,
    })),
  }))
  const section = sections.find(({ text }) => text === 'Reference')
  if (section === undefined) throw new Error(`${MAP} has no section Reference`)
  section.items.push(reference)
  writeFileSync(join(root, 'site/dist/sidebar.json'), JSON.stringify(sections, undefined, 2))
}
