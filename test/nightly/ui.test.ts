/** The page of `potoroo ui` in a real browser (test/support/browser.ts). */
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import { type Application, definitionOf } from '../../src/api/application.js'
import { visible } from '../../src/api/visible.js'
import type { StatusReport, TaskReport, WorkerReport } from '../../src/cli/status/report.js'
import type { Assets } from '../../src/cli/ui/assets.js'
import { graphOf } from '../../src/cli/ui/graph.js'
import { Live } from '../../src/cli/ui/live.js'
import { UiServer, type UiService } from '../../src/cli/ui/server.js'
import type { Begin } from '../../src/cli/ui/wire.js'
import { namesOf, topologyOf } from '../../src/core/plan/topology.js'
import { systemClock } from '../../src/system.js'
import { openPage, seriousFindings } from '../support/browser.js'
import { startCli } from '../support/cli.js'
import { ROOT } from '../support/documents.js'
import { APPLICATION, events, MarketSpreadBench } from '../support/market-spread.js'
import { OwnBroker } from '../support/own-broker.js'
import { until } from '../support/until.js'

const EXAMPLES = join(ROOT, 'examples')
const VIEWS = ['overview', 'tasks', 'topology', 'state', 'dead-letters', 'time'] as const

/** What is there once a view has what it shows, of Market Spread. */
const SEEN: Readonly<Record<(typeof VIEWS)[number], string>> = {
  overview: 'Records per second',
  tasks: 'Last moves',
  topology: 'rejections',
  state: 'State object or table',
  'dead-letters': 'There are no dead letters',
  time: 'No running task has a time',
}

const heading = (page: Page, name: string | RegExp) => page.getByRole('heading', { name })
const chips = (page: Page, worker: string) =>
  page.getByRole('list', { name: `Tasks of ${worker}` }).getByRole('listitem')

/** Where that is set, the views are pictured there, for people. */
async function pictured(page: Page, name: string): Promise<void> {
  const folder = process.env['POTOROO_UI_PICTURES'] ?? ''
  if (folder === '') return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
}

describe('with a group that runs', () => {
  const broker = new OwnBroker()
  beforeAll(() => broker.start(), 120_000)

  it('shows workers come and go, tasks move, and a broker that goes away and comes back', async () => {
    const env = { KAFKA_BROKERS: broker.brokers }
    const bench = new MarketSpreadBench({ brokers: broker.brokers })
    await bench.createTopics(8)
    const cli = startCli(['ui', APPLICATION, '--port', '0', '--topic-prefix', bench.prefix], { env })
    const url = (await cli.line(/^market-spread: http/)).replace('market-spread: ', '')
    const { page, wrongs } = await openPage(url)
    await page.goto(url)
    await heading(page, 'No worker is running').waitFor()
    await page.getByText(`npx potoroo run ${APPLICATION} --topic-prefix ${bench.prefix}`).waitFor()

    const workers = [bench.worker('w1', '--standbys', '1'), bench.worker('w2', '--standbys', '1')]
    await bench.feed(events(2_000, 1))
    await bench.settled()
    await page.getByRole('link', { name: 'Tasks' }).click()
    await until(
      'both have four',
      async () => (await chips(page, 'w1').count()) + (await chips(page, 'w2').count()) === 8,
    )
    await until('standbys are warm', async () => (await page.getByText('warm', { exact: true }).count()) === 8)

    workers.push(bench.worker('w3', '--standbys', '1'))
    await until('the third has some', async () => (await chips(page, 'w3').count()) >= 2)
    await bench.feed(events(2_000, 2))
    await bench.settled()
    // It says where it came from, why, and what that cost, on the task and in the table.
    await chips(page, 'w3')
      .first()
      .getByText(/from w[12]: balance; paused .*, copied .*, replayed/)
      .waitFor()
    await page
      .getByRole('region', { name: 'Last moves' })
      .getByRole('row', { name: /w[12] → w3 balance/ })
      .first()
      .waitFor()
    await pictured(page, 'moved')
    // As it is with a group that runs: another page, into which axe may be brought.
    const other = await openPage(url, { bypassCSP: true })
    for (const view of VIEWS) {
      await other.page.goto(`${url}#${view}`)
      await other.page.getByText(SEEN[view]).filter({ visible: true }).first().waitFor()
      expect(await seriousFindings(other.page), view).toEqual([])
    }

    workers[0]?.kill('SIGKILL')
    await until(
      'the others have all',
      async () => (await chips(page, 'w2').count()) + (await chips(page, 'w3').count()) === 8,
    )
    expect(await page.getByRole('heading', { name: 'w1' }).count()).toBe(0)

    await broker.stop('SIGKILL')
    await page.getByText('Kafka does not answer').waitFor({ timeout: 60_000 })
    // What was seen last is still there.
    expect((await chips(page, 'w2').count()) + (await chips(page, 'w3').count())).toBe(8)
    await pictured(page, 'broker-away')
    await broker.start()
    await page.getByText('Kafka does not answer').waitFor({ state: 'detached', timeout: 120_000 })
    await until('the group is back', async () => (await page.getByRole('status').innerText()) === 'stable')

    cli.kill('SIGTERM')
    await page.getByText('potoroo ui does not answer').waitFor()
    expect(wrongs).toEqual([])
    for (const worker of workers) worker.kill('SIGKILL')
  })
})

const HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>\u202egnp.exe\n{{7*7}}'

/** As the page has it: what can't be seen is spelled out. */
const SHOWN = visible(HOSTILE)

const workerWith = (some: Partial<WorkerReport>): WorkerReport => ({
  worker: 'w1',
  memberId: 'm1',
  address: '127.0.0.1:1',
  leaving: false,
  live: true,
  problem: null,
  generation: 1,
  active: [],
  standby: [],
  latency: [[10, 5]],
  broadcasts: [],
  ...some,
})
const taskWith = (some: Partial<TaskReport>): TaskReport => ({
  task: 'a_0',
  worker: 'w1',
  state: 'running',
  lag: 0,
  inputs: [],
  standbys: [],
  time: { timeMs: 1_000, heldBy: HOSTILE, heldByTask: HOSTILE, nextDueMs: 2_000, waiting: 7, late: 1 },
  held: [{ topic: HOSTILE, why: HOSTILE, waitedMs: 5 }],
  ...some,
})

const letter = {
  ...{ letter: '0:17', writtenMs: 1, code: HOSTILE, message: HOSTILE, key: HOSTILE, state: 'open' },
  source: { topic: HOSTILE, partition: 0, offset: 5 },
}
const rest = {
  headers: [{ name: HOSTILE, value: HOSTILE }],
  value: HOSTILE,
  stateObjects: [{ name: HOSTILE, text: HOSTILE }],
  stacktrace: HOSTILE,
}
const node = (id: string, kind: string, x: number) => ({
  ...{ id, kind, name: `${HOSTILE} ${id}`, group: null, x, y: 10, width: 200, height: 44 },
})
const graph = {
  ...{ width: 600, height: 80, nodes: [node('a', 'source', 10), node('b', 'state', 390)] },
  edges: [{ from: 'a', to: 'b', topic: HOSTILE, isRead: false, points: [[210, 32], [300, 32], [390, 32]] }], // prettier-ignore
}
const finished: (readonly [string, unknown])[] = []

/** The built page, with a group that is made up. */
async function serve(
  report: () => Partial<StatusReport>,
  token?: string,
  some: Partial<UiService> = {},
): Promise<string> {
  if (inject('buildErrors') !== '') throw new Error('the page was not built')
  const built = new URL('../../dist/cli/ui/assets.js', import.meta.url).href
  const { readAssets } = (await import(/* @vite-ignore */ built)) as { readonly readAssets: () => Assets }
  const look = (): Promise<StatusReport> =>
    Promise.resolve({
      ...{ application: 'app', group: 'app', state: 'stable', describedMsAgo: 0 },
      ...{ workers: [], tasks: [], topics: [], handOffs: [], atMs: Date.now() },
      ...report(),
    })
  const live = new Live({ look, deadLetters: () => 3 }, systemClock)
  const begin = (): Begin => ({
    application: HOSTILE,
    group: HOSTILE,
    commands: { run: `run ${HOSTILE}`, deadLetters: 'list' },
    states: [HOSTILE],
    history: live.history.samples,
  })
  const service: UiService = {
    subscribe: (listener) => {
      listener({ event: 'begin', data: begin() })
      return live.subscribe(listener)
    },
    states: (path) =>
      Promise.resolve(
        path === '/v1'
          ? { states: [HOSTILE] }
          : path.includes('prefix')
            ? { entries: [{ key: HOSTILE, state: { [HOSTILE]: HOSTILE } }] }
            : {
                key: HOSTILE,
                state: { [HOSTILE]: HOSTILE },
                asOf: { commitMs: 1, changelogPosition: 2 },
                from: 'owner',
                worker: HOSTILE,
              },
      ),
    answers: {
      topology: () => Promise.resolve(graph),
      'dead-letters': () => Promise.resolve({ open: 1, isCut: true, letters: [letter] }),
    },
    actions: {
      'dead-letter': () => Promise.resolve({ ...letter, ...rest }),
      try: () => Promise.resolve({ isDone: false, text: `${HOSTILE}\n` }),
      replay: (body) => {
        finished.push(['replay', body])
        return Promise.resolve({ done: 1, before: 0, refusals: [] })
      },
      drop: (body) => {
        finished.push(['drop', body])
        return Promise.resolve({ done: 1, before: 0, refusals: [] })
      },
    },
    ...some,
  }
  const server = new UiServer({ host: '127.0.0.1', port: 0, token }, readAssets(), service)
  const url = await server.listen()
  const running = live.run()
  onTestFinished(async () => {
    live.stop()
    await server.close()
    await running
  })
  return url
}

const hostileGroup = (): Partial<StatusReport> => ({
  workers: [
    workerWith({ worker: HOSTILE, problem: HOSTILE, live: false }),
    workerWith({ worker: `"]${HOSTILE}`, memberId: HOSTILE }),
  ],
  tasks: [
    taskWith({ task: `${HOSTILE}_0`, worker: HOSTILE, standbys: [{ worker: `"]${HOSTILE}`, lag: 3, live: false }] }),
    taskWith({ task: `"]'\\_1`, worker: null, state: null, lag: null }),
  ],
  topics: [{ topic: HOSTILE, isRepartition: true, partitions: 1, lag: 1, mostLag: 1 }],
  handOffs: [
    {
      ...{ task: `${HOSTILE}_0`, from: HOSTILE, to: HOSTILE, reason: HOSTILE },
      ...{ snapshotBytes: 1, replayed: 2, pauseMs: 3, atMs: Date.now() },
    },
  ],
})

describe.each(readdirSync(EXAMPLES).filter((name) => !name.includes('.')))('the topology of the example %s', (name) => {
  it('is drawn whole, and has no serious finding of axe-core', async () => {
    const { default: example } = (await import(join(EXAMPLES, name, 'application.ts'))) as {
      readonly default: Application
    }
    const definition = definitionOf(example)
    const drawn = graphOf(topologyOf(definition), namesOf('x-', definition.name))
    const url = await serve(hostileGroup, undefined, { answers: { topology: () => Promise.resolve(drawn) } })
    const { page, wrongs } = await openPage(url, { bypassCSP: true })
    await page.goto(`${url}#topology`)
    const graph = page.getByRole('img', { name: `${String(drawn.nodes.length)} topics, steps and state objects` })
    await graph.waitFor()
    // Nothing lies outside of the picture, and no two things on each other.
    const boxes = drawn.nodes.map(({ x, y, width, height }) => ({
      left: x,
      right: x + width,
      top: y,
      bottom: y + height,
    }))
    for (const [i, a] of boxes.entries()) {
      expect(a.left >= 0 && a.top >= 0 && a.right <= drawn.width && a.bottom <= drawn.height, name).toBe(true)
      for (const b of boxes.slice(i + 1))
        expect(a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top, name).toBe(true)
    }
    expect(await graph.locator('rect').count()).toBe(drawn.nodes.length)
    await pictured(page, `topology-${name}`)
    expect(await seriousFindings(page)).toEqual([])
    expect(wrongs).toEqual([])
  })
})

it('shows hostile names as the text that they are', async () => {
  let owner: string | null = HOSTILE
  const url = await serve(() => {
    const group = hostileGroup()
    return { ...group, tasks: (group.tasks ?? []).map((task) => ({ ...task, worker: owner })) }
  })
  const { page, wrongs } = await openPage(url)
  for (const view of VIEWS) {
    await page.goto(`${url}#${view}`)
    await page.getByText(SHOWN).first().waitFor()
    expect(await page.locator('main img, main script, header img').count(), view).toBe(0)
  }
  // Tasks are found by their names, when they move.
  await page.goto(`${url}#tasks`)
  await chips(page, SHOWN).first().waitFor()
  owner = null
  await page.getByRole('heading', { name: 'No worker', exact: true }).waitFor()
  expect(wrongs).toEqual([])
})

it('shows a state object and a dead letter as they are, tries it, and replays or drops it when that was asked twice', async () => {
  const url = await serve(hostileGroup)
  const { page, wrongs } = await openPage(url)
  await page.goto(`${url}#state`)
  await page.getByRole('button', { name: 'Ask' }).click()
  await page.getByRole('listitem').getByRole('button').click()
  // What is between words of a line is one blank, wherever it is looked for.
  await page.getByText(/^From its owner, <img .*; as of the commit of/).waitFor()
  await page.goto(`${url}#dead-letters`)
  await page.getByRole('button', { name: '0:17' }).click()
  await page.getByRole('button', { name: 'Replay …' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: 'Leave it' }).click()
  expect(finished).toEqual([])
  await page.getByRole('button', { name: 'Replay …' }).click()
  await dialog.getByRole('button', { name: 'Replay it' }).click()
  await page.getByText('0:17 was replayed').waitFor()
  await page.getByRole('button', { name: '0:17' }).click()
  await page.getByRole('button', { name: 'Try' }).click()
  await heading(page, 'Tried: it did not go through').waitFor()
  await page.getByRole('button', { name: 'Drop …' }).click()
  await dialog.waitFor()
  // The keyboard's way out of it.
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
  expect(finished).toHaveLength(1)
  await page.getByRole('button', { name: 'Drop …' }).click()
  await dialog.getByRole('button', { name: 'Drop it' }).click()
  await page.getByText('0:17 was dropped').waitFor()
  const body = { letters: ['0:17'], confirmed: true }
  expect(finished).toEqual([
    ['replay', body],
    ['drop', body],
  ])
  expect(await page.locator('main img, main script').count()).toBe(0)
  expect(wrongs).toEqual([])
})

it('shows 5,000 tasks, and finds one among them', async () => {
  const workers = Array.from({ length: 20 }, (_, i) => `w${String(i)}`)
  let turn = 0
  const url = await serve(() => {
    turn++
    const tasks = Array.from({ length: 5_000 }, (_, i) =>
      taskWith({
        task: `${i % 2 === 0 ? 'orders' : 'positions'}_${String(i >> 1)}`,
        worker: workers[(i + (i % 100 === 0 ? turn : 0)) % 20] ?? null,
        state: i % 50 === 7 ? 'restoring' : 'running',
        lag: (i * turn) % 17,
        standbys: [{ worker: workers[(i + 1) % 20] ?? '', lag: i % 3, live: true }],
      }),
    )
    const active = (worker: string) =>
      tasks.filter((task) => task.worker === worker).map(({ task }) => ({ task, state: null }))
    return { tasks, workers: workers.map((worker) => workerWith({ worker, memberId: worker, active: active(worker) })) }
  })
  const { page, wrongs } = await openPage(url)
  await page.goto(`${url}#tasks`)
  await page.getByText('5,000 tasks on 20 workers').waitFor()
  await pictured(page, 'many')
  // It answers while all of that continues.
  const began = performance.now()
  await page.getByRole('searchbox', { name: 'Filter' }).fill('positions_2477')
  await until(
    'one is left',
    async () => (await page.getByRole('region', { name: 'All tasks' }).getByRole('row').count()) === 2,
  )
  expect(performance.now() - began).toBeLessThan(10_000)
  expect(wrongs).toEqual([])
})

it('asks for a token, takes no other, and continues with the right one', async () => {
  const url = await serve(hostileGroup, 'a-secret')
  const { page, wrongs } = await openPage(url)
  await page.goto(url)
  await heading(page, 'A token is wanted').waitFor()
  await page.getByLabel('Token').fill('another')
  await page.getByRole('button', { name: 'Show' }).click()
  await page.getByRole('alert').waitFor()
  expect(await page.getByText('Records per second').count()).toBe(0)
  await page.getByLabel('Token').fill('a-secret')
  // By keyboard alone.
  await page.keyboard.press('Enter')
  await heading(page, 'Records per second').waitFor()
  await page.reload()
  await heading(page, 'Records per second').waitFor()
  expect(wrongs).toEqual([])
})

describe.each(['light', 'dark'] as const)('in the %s', (colorScheme) => {
  it.each([
    ['wide', 1_600, 900],
    ['phone', 390, 844],
  ])('has no serious finding of axe-core, and nothing sticks out (%s)', async (name, width, height) => {
    const url = await serve(hostileGroup)
    const { page } = await openPage(url, { bypassCSP: true, colorScheme, viewport: { width, height } })
    for (const view of VIEWS) {
      await page.goto(`${url}#${view}`)
      await page.getByText(SHOWN).first().waitFor()
      if (view === 'state') await page.getByRole('button', { name: 'Ask' }).click()
      if (view === 'state') await page.getByText('1 key').waitFor()
      if (view === 'dead-letters') await page.getByRole('button', { name: '0:17' }).click()
      if (view === 'dead-letters') await heading(page, 'Dead letter 0:17').waitFor()
      await pictured(page, `${view}-${colorScheme}-${name}`)
      expect(await seriousFindings(page), view).toEqual([])
      expect(await page.evaluate('document.documentElement.scrollWidth'), view).toBeLessThanOrEqual(width)
    }
  })
})

it('is used by keyboard: the first stop leads to the content, then come the views', async () => {
  const url = await serve(hostileGroup)
  const { page } = await openPage(url)
  await page.goto(url)
  await heading(page, 'Records per second').waitFor()
  await page.keyboard.press('Tab')
  expect(await page.locator(':focus').innerText()).toBe('To the content')
  await page.keyboard.press('Enter')
  expect(await page.locator(':focus').getAttribute('id')).toBe('main')
  await page.getByRole('link', { name: 'Tasks' }).focus()
  await page.keyboard.press('Enter')
  await heading(page, 'Last moves').waitFor()
  expect(await page.getByRole('link', { name: 'Tasks' }).getAttribute('aria-current')).toBe('page')
})
