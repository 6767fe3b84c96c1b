/** A real browser, for pages. It belongs to the machine: where there is none, tests fail and say how to get one. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import { afterAll, onTestFinished } from 'vitest'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

async function executable(): Promise<string> {
  const given = process.env['POTOROO_CHROMIUM'] ?? ''
  if (given !== '') return given
  for (const folder of (process.env['PATH'] ?? '').split(delimiter))
    for (const name of NAMES) {
      const path = join(folder, name)
      const isThere = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
      if (isThere) return path
    }
  throw new Error('there is no Chromium here: apt-get install chromium, or name one with POTOROO_CHROMIUM')
}

let browser: Promise<Browser> | undefined
afterAll(async () => {
  await (await browser)?.close()
  browser = undefined
})

// Its sandbox wants rights that containers do not have.
const launch = async (): Promise<Browser> =>
  chromium.launch({ executablePath: await executable(), args: ['--no-sandbox'] })

export interface WatchedPage {
  readonly page: Page
  /** What the page should not do: errors, requests to elsewhere, dialogs. */
  readonly wrongs: string[]
}

/** `base`: where it may go. */
export async function openPage(base: string, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  browser ??= launch()
  const context = await (await browser).newContext(options)
  onTestFinished(() => context.close())
  const page = await context.newPage()
  const wrongs: string[] = []
  page.on('pageerror', (error) => wrongs.push(`error: ${error.message}`))
  page.on('console', (message) => {
    // That the server refuses or is away is what some tests are about; what a policy refuses is an error, too.
    const isOfNetwork = message.text().startsWith('Failed to load resource')
    if (message.type() === 'error' && !isOfNetwork) wrongs.push(`console: ${message.text()}`)
  })
  page.on('dialog', (dialog) => {
    wrongs.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url())
    if (protocol !== 'data:' && origin !== new URL(base).origin) wrongs.push(`request: ${request.url()}`)
  })
  return { page, wrongs }
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface Violation {
  readonly id: string
  readonly impact: string | null
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[]
}

/** What axe-core finds that is serious or critical. The page has to be of a context with `bypassCSP`. */
export async function seriousFindings(page: Page): Promise<string[]> {
  await page.evaluate(AXE)
  const violations: Violation[] = await page.evaluate('axe.run(document).then(({ violations }) => violations)')
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary = '' }) => `${id}: ${html} ${failureSummary}`))
}
