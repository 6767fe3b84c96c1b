import { readFileSync } from 'node:fs'
import { defineConfig } from 'vitepress'
import { slug } from '../markdown.mjs'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
const sidebar = JSON.parse(readFileSync(new URL('../dist/sidebar.json', import.meta.url), 'utf8'))

export default defineConfig({
  title: 'Potoroo',
  description: 'Stateful stream processing for TypeScript on Kafka',
  lang: 'en-GB',
  // Where the site does not lie at the root of its host: DOCS_BASE=/potoroo/ npm run docs
  base: process.env.DOCS_BASE || '/',
  // stage.mjs puts the pages there.
  srcDir: 'dist/pages',
  outDir: 'dist/html',
  cacheDir: 'dist/cache',
  markdown: { anchor: { slugify: slug } },
  themeConfig: {
    search: { provider: 'local' },
    sidebar,
    nav: sidebar.map(({ text, items: [first] }) => ({ text, link: first.link })),
    outline: [2, 3],
    footer: { message: `Potoroo ${version}, Apache License 2.0` },
    externalLinkIcon: true,
  },
})
