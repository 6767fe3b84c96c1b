/** `potoroo ui` on a real broker: what the page is served, and told. How it looks in a browser: test/nightly/ui.test.ts. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { EventParser } from '../../src/cli/ui/page/event-parser.js'
import type { Begin, LaidOut, LetterList, Now, UiEvent } from '../../src/cli/ui/wire.js'
import { uniqueName } from '../support/broker.js'
import { runCli, startCli, type CliOptions, type CliProcess } from '../support/cli.js'
import { LEDGER, LedgerBench } from '../support/ledger.js'
import { APPLICATION, events, MarketSpreadBench } from '../support/market-spread.js'
import { until } from '../support/until.js'

interface Page {
  readonly cli: CliProcess
  readonly url: string
}

async function serve(prefix: string, options: CliOptions = {}, ...flags: readonly string[]): Promise<Page> {
  const cli = startCli(['ui', APPLICATION, '--port', '0', '--topic-prefix', prefix, ...flags], options)
  const line = await cli.line(/^market-spread: http/)
  return { cli, url: line.replace('market-spread: ', '') }
}

/** What a stream tells, as it comes. */
function listen(url: string, headers: Readonly<Record<string, string>> = {}) {
  const heard: UiEvent[] = []
  const leave = new AbortController()
  onTestFinished(() => {
    leave.abort()
  })
  const read = async (): Promise<void> => {
    const response = await fetch(new URL('/api/live', url), { headers, signal: leave.signal })
    const parser = new EventParser()
    const decoder = new TextDecoder()
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>)
      for (const { event, data } of parser.take(decoder.decode(chunk, { stream: true })))
        heard.push({ event, data: JSON.parse(data) as unknown } as UiEvent)
  }
  // It ends with the server; what it has told until then is what counts.
  read().catch(() => undefined)
  return {
    begin: (): Begin | undefined => heard.flatMap((one) => (one.event === 'begin' ? [one.data] : []))[0],
    now: (): Now | undefined => heard.flatMap((one) => (one.event === 'now' ? [one.data] : [])).at(-1),
  }
}

const owners = (now: Now | undefined): string =>
  (now?.workers ?? []).map(({ worker, active }) => `${worker}:${String(active)}`).join(' ')

describe('potoroo ui', () => {
  it('shows workers that come, tasks that move and why, and workers that go', async () => {
    const bench = new MarketSpreadBench()
    await bench.createTopics(4)
    const { cli, url } = await serve(bench.prefix)
    const stream = listen(url)
    await until('it says that there are no workers', () => stream.now()?.state === 'no workers')
    expect(stream.begin()).toMatchObject({
      application: 'market-spread',
      group: bench.group,
      commands: { run: `npx potoroo run ${APPLICATION} --topic-prefix ${bench.prefix}` },
    })

    const first = bench.worker('w1')
    await bench.feed(events(1_000, 1))
    await bench.settled()
    await until('all is done', () => owners(stream.now()) === 'w1:4' && stream.now()?.sample.lag === 0)
    const second = bench.worker('w2')
    await until('both have two tasks', () => owners(stream.now()) === 'w1:2 w2:2')
    await bench.feed(events(1_000, 2))
    await bench.settled()
    const now = await until('the moves are told', () => {
      const seen = stream.now()
      return seen?.handOffs.length === 2 && seen.sample.p99Ms !== null && seen
    })
    const moved = now.tasks.filter(({ worker }) => worker === 'w2').map(({ task }) => task)
    expect(now.handOffs.map(({ task }) => task).sort()).toEqual(moved)
    expect(now.handOffs[0]).toMatchObject({ from: 'w1', to: 'w2', reason: 'balance' })
    expect(now.sample.p50Ms).toBeGreaterThan(0)

    second.kill('SIGKILL')
    await until('the first has all tasks again', () => owners(stream.now()) === 'w1:4')
    first.kill('SIGTERM')
    await first.exited
    await until('nobody is left', () => stream.now()?.state === 'no workers')
    // Who opens the page now sees what was before.
    const late = listen(url)
    const history = await until('it begins', () => late.begin()?.history)
    expect(Math.max(...history.map(({ recordsPerSecond }) => recordsPerSecond ?? 0))).toBeGreaterThan(0)
    expect(Math.max(...history.map(({ workers }) => workers ?? 0))).toBe(2)

    cli.kill('SIGTERM')
    expect(await cli.exited).toEqual({ code: 0, signal: null })
    expect(cli.stderr).toEqual([])
    await bench.close()
  })

  it('serves a page of its own files alone, and tells nothing without the token', async () => {
    const prefix = `${uniqueName('ui')}-`
    const { url } = await serve(prefix, { env: { POTOROO_PEER_TOKEN: 'a-secret' } })
    const page = await fetch(url)
    const html = await page.text()
    const policy = page.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    const seen = new Set<string>()
    const follow = async (from: string, text: string): Promise<void> => {
      const named = [...text.matchAll(/(?:src|href)="([^"]+)"|(?:^|[}\s*])(?:from|import) ?['"]([^'"\s]+)['"]/g)]
      const map = JSON.parse(/<script type="importmap">(.*?)<\/script>/.exec(html)?.[1] ?? '{}') as {
        readonly imports: Readonly<Record<string, string>>
      }
      for (const [, attribute, imported] of named) {
        const name = attribute ?? imported ?? ''
        if (name.startsWith('data:')) continue
        const target = new URL(map.imports[name] ?? name, from)
        // Invariant 2 of src/cli/ui/server.ts.
        expect(target.origin, `${from} → ${name}`).toBe(new URL(url).origin)
        if (seen.has(target.href)) continue
        seen.add(target.href)
        const answer = await fetch(target)
        expect([answer.status, target.href]).toEqual([200, target.href])
        if (target.pathname.endsWith('.js')) await follow(target.href, await answer.text())
      }
    }
    await follow(url, html)
    expect([...seen].map((href) => new URL(href).pathname)).toEqual(
      expect.arrayContaining(['/assets/main.js', '/assets/style.css', '/assets/packages/preact.js']),
    )

    for (const path of ['/api/live', '/v1', '/v1/symbol/AAPL'])
      expect((await fetch(new URL(path, url), { headers: { authorization: 'Bearer b' } })).status, path).toBe(401)
    const stream = listen(url, { authorization: 'Bearer a-secret' })
    await until('it tells', () => stream.now() !== undefined)
    const none = await fetch(new URL('/v1/symbol/AAPL', url), { headers: { authorization: 'Bearer a-secret' } })
    expect([none.status, await none.json()]).toMatchObject([503, { code: 'QUERY_UNANSWERED' }])
  })

  it('has state objects, the topology, and dead letters, which are replayed once and only when that is confirmed', async () => {
    const bench = new LedgerBench()
    await bench.createTopics({}, 2)
    const worker = bench.worker('w1')
    await worker.line(/tasks assigned/)
    const hostile = '<img src=x onerror=alert(1)>'
    await bench.send(
      { key: hostile, value: JSON.stringify({ account: hostile, add: 7 }) },
      { key: 'broken', value: '{"account": <b>' },
    )
    const cli = startCli(['ui', LEDGER, '--port', '0', '--topic-prefix', bench.prefix])
    const url = (await cli.line(/^ledger: http/)).replace('ledger: ', '')
    const get = async (path: string): Promise<unknown> => (await fetch(new URL(path, url))).json()
    const post = async (path: string, body: object) => {
      const headers = { 'content-type': 'application/json' }
      const answer = await fetch(new URL(path, url), { method: 'POST', headers, body: JSON.stringify(body) })
      return { status: answer.status, body: await answer.json() }
    }

    const found = await until('the state object is there', async () => {
      const answer = (await get(`/v1/ledger/${encodeURIComponent(hostile)}`)) as { readonly state?: unknown }
      return (answer.state ?? null) !== null && answer
    })
    expect(found).toMatchObject({ key: hostile, state: { balance: 7 }, from: 'owner', worker: 'w1' })
    const graph = (await get('/api/topology')) as LaidOut
    expect(graph.nodes.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['source', 'state']))

    const list = async () => (await get('/api/dead-letters')) as LetterList
    const [letter] = await until('the dead letter is there', async () => {
      const { letters } = await list()
      return letters.length === 1 && letters
    })
    expect(letter).toMatchObject({ code: 'NOT_JSON', key: 'broken', state: 'open' })
    const letters = [letter?.letter]
    expect(await post('/api/dead-letter', { letters })).toMatchObject({
      status: 200,
      body: { value: '{"account": <b>' },
    })
    // Asked twice, or not at all.
    expect(await post('/api/replay', { letters })).toMatchObject({ status: 400, body: { code: 'QUERY_INVALID' } })
    expect((await list()).open).toBe(1)
    expect(await post('/api/replay', { letters, confirmed: true })).toMatchObject({ status: 200, body: { done: 1 } })
    expect(await post('/api/replay', { letters, confirmed: true })).toMatchObject({ body: { done: 0, before: 1 } })
    // It fails again, and comes back: one that was replayed, and one that is open.
    const states = await until('it is back', async () => {
      const now = (await list()).letters.map(({ state }) => state).sort()
      return now.length === 2 && now
    })
    expect(states).toEqual(['open', 'replayed'])
    const [open] = (await list()).letters.flatMap(({ letter, state }) => (state === 'open' ? [letter] : []))
    expect(await post('/api/try', { letters: [open] })).toMatchObject({
      status: 200,
      body: { isDone: false, text: expect.stringMatching(/failed with NOT_JSON/) as unknown },
    })
    expect(await post('/api/try', { letters: ['0:1', '0:2'] })).toMatchObject({ status: 400 })
    expect(await post('/api/drop', { letters: [open] })).toMatchObject({ status: 400, body: { code: 'QUERY_INVALID' } })
    const stream = listen(url)
    await until('the count is told', () => stream.now()?.sample.deadLetters === 1)
    expect(await post('/api/drop', { letters: [open], confirmed: true })).toMatchObject({ body: { done: 1 } })
    await until('it is done with', () => stream.now()?.sample.deadLetters === 0)
    cli.kill('SIGTERM')
    expect(await cli.exited).toEqual({ code: 0, signal: null })
  })

  it('does not listen to other machines without a token', async () => {
    const { code, stderr } = await runCli(['ui', APPLICATION, '--port', '0', '--host', '0.0.0.0'])
    expect([code, stderr.join('\n')]).toEqual([2, expect.stringMatching(/INVALID_CONFIGURATION.*POTOROO_PEER_TOKEN/)])
  })
})
