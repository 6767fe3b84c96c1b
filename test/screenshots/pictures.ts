/**
 * Pictures of real runs, for documents and for whoever judges how it looks: the demonstration in a terminal, and the page that shows it
 * meanwhile, every view in the light and in the dark, on a wide screen and on a phone. `npm run screenshots` (run.mjs).
 */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { expect, inject, test } from 'vitest'
import { openPage } from '../support/browser.js'
import { CLI_MAIN } from '../support/cli.js'
import { inTerminal, type PseudoTerminal } from '../support/pseudo-terminal.js'
import { produce } from '../support/topics.js'
import { until } from '../support/until.js'
import { filmOf, rowsOf, type Frame } from './film.js'

const OUT = process.env['POTOROO_SCREENSHOTS'] ?? ''
const IMAGES = process.env['POTOROO_IMAGES'] ?? ''
const MAX_BYTES = 150_000
const FRAME_MS = 350

/** Views in the order in which they are taken, with what is there when they are. */
const VIEWS: readonly (readonly [string, (page: Page) => Promise<void>])[] = [
  [
    'tasks',
    (page) =>
      page
        .getByText(/from worker-\d: balance; paused/)
        .first()
        .waitFor(),
  ],
  ['overview', (page) => page.getByText('max', { exact: false }).first().waitFor()],
  ['topology', (page) => page.locator('main svg').first().waitFor()],
  ['state', askState],
  ['dead-letters', showLetter],
  ['time', (page) => page.locator('main h2').first().waitFor()],
]
const SIZES = { wide: { width: 1_280, height: 800 }, phone: { width: 390, height: 844 } } as const
/** What the documents show: pictures of this run by the names that they have there. */
const SHOWN = ['tasks-light-wide', 'tasks-dark-wide', 'overview-light-wide', 'overview-dark-wide']

function environment(): NodeJS.ProcessEnv {
  const { NO_COLOR: _, FORCE_COLOR: __, CI: ___, ...rest } = process.env
  return { ...rest, KAFKA_BROKERS: inject('brokers'), TERM: 'xterm-256color' }
}

const demo = (args: readonly string[], columns: number, rows: number): Promise<PseudoTerminal> =>
  inTerminal([process.execPath, CLI_MAIN, 'demo', ...args], environment(), columns, rows)

test('the demonstration in a terminal', async () => {
  const columns = 88
  const terminal = await demo([], columns, 27)
  await terminal.shows(/^worker-1 .* 8 tasks$/)
  const frames: Frame[] = []
  const over = new AbortController()
  const ended = terminal.exited.finally(() => {
    over.abort()
  })
  let shown = ''
  let beganMs = performance.now()
  while (!over.signal.aborted) {
    const rows = terminal.screen() === 'alternate' ? rowsOf(terminal.emulated) : []
    // The clock alone makes no new frame: that would be most of the file.
    const [[title] = [], ...rest] = rows
    const key = JSON.stringify([title, rest])
    const nowMs = performance.now()
    const last = frames.at(-1)
    if (last !== undefined) frames[frames.length - 1] = { ...last, ms: nowMs - beganMs }
    if (rows.length > 0 && key !== shown) {
      frames.push({ rows, ms: FRAME_MS })
      shown = key
      beganMs = nowMs
    }
    await delay(FRAME_MS)
  }
  expect(await ended).toBe(0)
  frames.push({ rows: rowsOf(terminal.emulated), ms: 6_000 })
  const text = terminal.lines().join('\n').trimEnd()
  expect(text).toMatch(/all [\d,]+ rejections are right/)
  save('demo.svg', Buffer.from(filmOf(frames, columns, 'The demonstration in a terminal')), true)
  save('demo.txt', Buffer.from(`${text}\n`), false)
})

test('the page, while the demonstration runs', async () => {
  const terminal = await demo(['--workers', '3', '--seconds', '90'], 100, 30)
  await terminal.shows(/^worker-1 .* 8 tasks$/)
  const [url = ''] = /http:\/\/\S+\//.exec(terminal.lines().join('\n')) ?? []
  const pages = await Promise.all(
    (['light', 'dark'] as const).flatMap((colorScheme) =>
      Object.entries(SIZES).map(async ([size, viewport]) => {
        const { page, wrongs } = await openPage(url, { colorScheme, viewport, reducedMotion: 'reduce' })
        await page.goto(`${url}#tasks`)
        return { page, wrongs, name: `${colorScheme}-${size}` }
      }),
    ),
  )
  await badOrders(url)
  await terminal.shows(/^worker-3 .* [23] tasks$/, 120_000)
  for (const [view, isThere] of VIEWS)
    for (const { page, name } of pages) {
      await page.goto(`${url}#${view}`)
      await isThere(page)
      await picture(page, `${view}-${name}`)
    }
  await terminal.shows(/^worker-3 .* killed$/, 120_000)
  await until('the others have its tasks', () => !/✗\d/.test(terminal.lines().join('\n')))
  for (const { page, name } of pages) {
    await page.goto(`${url}#tasks`)
    await page
      .getByText(/from worker-3: owner gone/)
      .first()
      .waitFor()
    await picture(page, `killed-${name}`)
  }
  for (const { wrongs } of pages) expect(wrongs).toEqual([])
  terminal.type('\u0003')
  expect(await terminal.exited).toBe(0)
})

async function picture(page: Page, name: string): Promise<void> {
  const isShown = SHOWN.includes(name)
  save(`${name}.png`, await page.screenshot({ fullPage: !isShown }), isShown)
}

/** Orders that are none: dead letters are to be seen, too. */
async function badOrders(url: string): Promise<void> {
  const stream = await fetch(`${url}api/live`)
  let text = ''
  for await (const chunk of stream.body ?? []) {
    text += Buffer.from(chunk as Uint8Array).toString()
    if (text.includes('\n\n')) break
  }
  const [, prefix = ''] = /"group":"(demo-[0-9a-f]+-)/.exec(text) ?? []
  const values = ['{"symbol":"AAA","side":"hold"}', '{"symbol":"BAA","quantity":-1}', 'an order']
  await produce(
    `${prefix}orders`,
    values.map((value) => ({ key: 'AAA', value })),
  )
}

async function askState(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Ask' }).click()
  await page.getByRole('listitem').getByRole('button').first().click()
  await page.getByText('as of the commit of').waitFor()
}

async function showLetter(page: Page): Promise<void> {
  await page
    .getByRole('button', { name: /^\d+:\d+$/ })
    .first()
    .click()
  await page.getByRole('heading', { name: /^Dead letter \d/ }).waitFor()
}

function save(name: string, content: Buffer, isShown: boolean): void {
  mkdirSync(OUT, { recursive: true })
  writeFileSync(join(OUT, name), content)
  if (!isShown) return
  expect(content.length, name).toBeLessThan(MAX_BYTES)
  mkdirSync(IMAGES, { recursive: true })
  copyFileSync(join(OUT, name), join(IMAGES, name))
}
