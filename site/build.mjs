/** Builds the site: pages, the reference of the API from doc comments, then HTML. Fails for a dead link, and for a request to elsewhere. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const say = (line) => process.stdout.write(`${line}\n`)

if (!existsSync(join(here, 'node_modules'))) {
  say('the site has packages of its own: npm ci --prefix site')
  process.exit(1)
}
const { build } = await import('vitepress')
const { writeReference } = await import('./reference.mjs')
const { stagePages, writeSidebar } = await import('./stage.mjs')

const began = Date.now()
const pages = stagePages()
const { sidebar, pages: referencePages } = await writeReference(join(here, 'dist/pages/reference'))
writeSidebar(sidebar)
await build(here)

/** What a browser would fetch by itself: the site has to be all of it. */
const FETCHED =
  /<(?:script|img|iframe|source)[^>]*\ssrc="(https?:)?\/\/[^"]*"|<link[^>]*\shref="(https?:)?\/\/[^"]*"|url\(\s*["']?(https?:)?\/\/[^)]*\)|@import\s+["'](https?:)?\/\//g
const html = join(here, 'dist/html')
const fetched = readdirSync(html, { recursive: true })
  .filter((file) => /\.(?:html|css)$/.test(file))
  .flatMap((file) => [...readFileSync(join(html, file), 'utf8').matchAll(FETCHED)].map(([what]) => `${file}: ${what}`))
for (const line of fetched) say(`a request to elsewhere: ${line}`)
if (fetched.length > 0) process.exitCode = 1

say(`${pages} pages and ${referencePages} of the API in ${((Date.now() - began) / 1000).toFixed(1)} s: site/dist/html`)
