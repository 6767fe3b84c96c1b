/** The files of the page, read once: its modules as the build made them, Preact as its package brings it. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { style } from './style.js'

export interface Asset {
  readonly type: string
  readonly body: Buffer
  readonly tag: string
}

export interface Assets {
  /** By path. */
  readonly files: ReadonlyMap<string, Asset>
  /** Of the scripts that stand in the page itself, as a content security policy names them. */
  readonly scriptHashes: readonly string[]
}

/** What the page's modules import by name. */
const packages = ['preact', 'preact/hooks', 'preact/jsx-runtime'] as const

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
}

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' " +
  "fill='%230f766e'/%3E%3Cpath d='M4 11V8m4 3V4m4 7V6' stroke='white' stroke-width='2' stroke-linecap='round'/%3E%3C/svg%3E"

export function readAssets(): Assets {
  const files = new Map<string, Asset>()
  const add = (path: string, text: string | Buffer): void => {
    const body = Buffer.from(text)
    const tag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 16)}"`
    files.set(path, { type: types[path.replace(/^.*\./, '')] ?? 'text/html; charset=utf-8', body, tag })
  }
  const page = fileURLToPath(new URL('page/', import.meta.url))
  for (const name of readdirSync(page, { recursive: true, encoding: 'utf8' })) {
    const path = name.replaceAll('\\', '/')
    if (path.endsWith('.js')) add(`/assets/${path}`, withoutMap(readFileSync(`${page}${name}`, 'utf8')))
  }
  const imports: Record<string, string> = {}
  for (const name of packages) {
    imports[name] = `/assets/packages/${name}.js`
    add(imports[name], withoutMap(readFileSync(fileURLToPath(import.meta.resolve(name)), 'utf8')))
  }
  const importMap = JSON.stringify({ imports })
  add('/assets/style.css', style)
  add('/', html(importMap))
  return { files, scriptHashes: [`sha256-${createHash('sha256').update(importMap).digest('base64')}`] }
}

/** Maps of sources are not served: a browser with its tools open would ask for them. */
const withoutMap = (script: string): string => script.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n')

const html = (importMap: string): string => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>Potoroo</title>
    <link rel="icon" href="${ICON}">
    <link rel="stylesheet" href="/assets/style.css">
    <script type="importmap">${importMap}</script>
    <script type="module" src="/assets/main.js"></script>
  </head>
  <body>
    <div id="page"><noscript>This page needs JavaScript. In a terminal: potoroo status.</noscript></div>
  </body>
</html>
`
