/** Links and paths in the documents: there is what they point at, and a reader finds every page. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { mapLinks, sectionsOf, slug } from '../../../site/markdown.mjs'
import { documents, readDocument, ROOT } from '../../support/documents.js'

const anchorsOf = (markdown: string): string[] => {
  const seen = new Map<string, number>()
  return [...markdown.replace(/^\s*(`{3,}).*?^\s*\1$/gms, '').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => {
    const anchor = slug(heading.replace(/\[([^\]]+)\]\([^)]*\)/g, '$1'))
    const times = seen.get(anchor) ?? 0
    seen.set(anchor, times + 1)
    return times === 0 ? anchor : `${anchor}-${String(times)}`
  })
}

test.each(documents)('%s points at what is there', (document) => {
  mapLinks(readDocument(document), (target) => {
    if (/^https?:/.test(target)) return target
    const [path = '', anchor] = target.split('#')
    const file = path === '' ? document : join(dirname(document), path)
    expect(existsSync(join(ROOT, file)), target).toBe(true)
    if (anchor !== undefined) expect(anchorsOf(readDocument(file)), target).toContain(anchor)
    return target
  })
})

test.each(documents)('%s names files of the project that exist', (document) => {
  const paths = [...readDocument(document).matchAll(/`((?:src|test|topics|docs|bench|ops|examples)\/[\w./-]+\.\w+)`/g)]
  for (const [, path = ''] of paths)
    // That one is the reader's own.
    if (path !== 'src/application.ts') expect(existsSync(join(ROOT, path)), path).toBe(true)
})

test('the map of the documentation, and with it the sidebar of the site, has each page once', () => {
  const targets = sectionsOf(readDocument('docs/README.md')).flatMap(({ items }) => items.map(({ target }) => target))
  const pages = documents.filter((path) => /^docs\/[^/]+$/.test(path) && path !== 'docs/README.md')
  expect(targets.filter((target) => !target.startsWith('../')).toSorted()).toEqual(
    pages.map((path) => path.slice('docs/'.length)).toSorted(),
  )
  expect(new Set(targets).size).toBe(targets.length)
})
