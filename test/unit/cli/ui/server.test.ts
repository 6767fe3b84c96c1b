/** src/cli/ui/server.ts with clients of every kind. Its invariants are at the head of that file. */
import { request, type IncomingMessage } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import type { Assets } from '../../../../src/cli/ui/assets.js'
import { EventParser } from '../../../../src/cli/ui/page/event-parser.js'
import { UiServer, type UiServerOptions, type UiService } from '../../../../src/cli/ui/server.js'
import type { Away, UiEvent } from '../../../../src/cli/ui/wire.js'
import { PotorooError } from '../../../../src/errors.js'
import { until } from '../../../support/until.js'

const asset = (type: string, body: string) => ({ type, body: Buffer.from(body), tag: `"${body.length}"` })
const assets: Assets = {
  files: new Map([
    ['/', asset('text/html; charset=utf-8', '<!doctype html>')],
    ['/assets/main.js', asset('text/javascript; charset=utf-8', 'let a')],
  ]),
  scriptHashes: ['sha256-abc='],
}

interface World {
  readonly url: URL
  readonly done: unknown[]
  readonly tell: (event: UiEvent) => void
  readonly watchers: () => number
}

async function serve(options: Partial<UiServerOptions> = {}, some: Partial<UiService> = {}): Promise<World> {
  const listeners = new Set<(event: UiEvent) => void>()
  const done: unknown[] = []
  const service: UiService = {
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    states: (url) => Promise.resolve({ asked: url }),
    answers: { topology: () => Promise.resolve({ nodes: [] }) },
    actions: {
      replay: (body) => {
        done.push(body)
        return Promise.resolve({ done: 1 })
      },
    },
    ...some,
  }
  const server = new UiServer({ host: '127.0.0.1', port: 0, token: undefined, ...options }, assets, service)
  onTestFinished(() => server.close())
  const url = new URL(await server.listen())
  return {
    url,
    done,
    tell: (event) => {
      for (const listener of listeners) listener(event)
    },
    watchers: () => listeners.size,
  }
}

/** With any headers, those that fetch keeps for itself among them. */
async function ask(
  url: URL,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  { method = 'GET', body }: { readonly method?: string; readonly body?: string } = {},
): Promise<{
  readonly status: number | undefined
  readonly text: string
  readonly headers: IncomingMessage['headers']
}> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(new URL(path, url), { method, headers }, resolve).on('error', reject).end(body)
  })
  const chunks: Buffer[] = []
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
  return { status: response.statusCode, text: Buffer.concat(chunks).toString(), headers: response.headers }
}

const away = (message: string): { readonly event: 'away'; readonly data: Away } => ({
  event: 'away',
  data: { code: 'X', message, forMs: 1 },
})

test('every answer has the policy that lets nothing else in (invariant 2)', async () => {
  const { url } = await serve()
  for (const path of ['/', '/assets/main.js', '/assets/none.js', '/api/topology', '/api/none', '/favicon.ico']) {
    const { headers } = await ask(url, path)
    const policy = headers['content-security-policy'] as string
    expect(policy, path).toContain("default-src 'none'; script-src 'self' 'sha256-abc='; ")
    for (const part of ["connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"])
      expect(policy, path).toContain(part)
    expect(policy, path).not.toMatch(/unsafe|http:|https:|\*/)
    expect(headers, path).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' })
  }
})

test('the page wants no token, and what it shows does (invariant 1)', async () => {
  const { url, done } = await serve({ token: 'a-secret' })
  expect((await ask(url, '/')).status).toBe(200)
  const json = { 'content-type': 'application/json' }
  for (const authorization of [undefined, 'Bearer another', 'Basic a-secret', 'a-secret', 'Bearer a-secret2']) {
    const headers = authorization === undefined ? {} : { authorization }
    for (const path of ['/api/live', '/api/topology', '/v1', '/v1/account/alice', '/api/none'])
      expect([(await ask(url, path, headers)).status, path]).toEqual([401, path])
    expect((await ask(url, '/api/replay', { ...headers, ...json }, { method: 'POST', body: '{}' })).status).toBe(401)
  }
  expect(done).toEqual([])
  const { status, text } = await ask(url, '/v1/account/alice?consistency=fenced', { authorization: 'Bearer a-secret' })
  expect([status, JSON.parse(text)]).toEqual([200, { asked: '/v1/account/alice?consistency=fenced' }])
})

test('without a token this machine alone may look, and no page that came by another name (invariant 1)', async () => {
  const { url } = await serve()
  for (const host of ['127.0.0.1', 'localhost', '[::1]:7'])
    expect((await ask(url, '/api/topology', { host })).status, host).toBe(200)
  for (const host of ['evil.example', 'evil.example:80', '127.0.0.1.evil.example'])
    expect((await ask(url, '/api/topology', { host })).status, host).toBe(401)
  expect(() => new UiServer({ host: '0.0.0.0', port: 0, token: undefined }, assets, {} as UiService)).toThrow(
    expect.objectContaining({
      code: 'INVALID_CONFIGURATION',
      cure: expect.stringContaining('POTOROO_PEER_TOKEN') as string,
    }),
  )
})

test('nothing is done for a page of another origin (invariant 1)', async () => {
  const { url, done } = await serve()
  const json = { 'content-type': 'application/json' }
  const post = (headers: Readonly<Record<string, string>>, body = '{"letters":["0:1"]}') =>
    ask(url, '/api/replay', headers, { method: 'POST', body })
  for (const headers of [
    { 'content-type': 'text/plain' },
    {},
    { ...json, origin: 'http://evil.example' },
    { ...json, origin: 'null' },
    { ...json, 'sec-fetch-site': 'cross-site' },
    { ...json, 'sec-fetch-site': 'same-site' },
  ])
    expect([(await post(headers)).status, headers]).toEqual([403, headers])
  expect((await ask(url, '/api/replay', json)).status).toBe(405)
  expect((await ask(url, '/api/topology', json, { method: 'POST', body: '{}' })).status).toBe(405)
  expect((await post(json, 'no json')).status).toBe(400)
  expect((await post(json, `"${'x'.repeat(100_000)}"`)).status).toBe(400)
  expect(done).toEqual([])
  expect((await post({ ...json, origin: url.origin, 'sec-fetch-site': 'same-origin' })).text).toBe('{"done":1}\n')
  expect(done).toEqual([{ letters: ['0:1'] }])
})

test('a stream tells what comes, as text that breaks no line, until its reader leaves', async () => {
  const { url, tell, watchers } = await serve()
  const leave = new AbortController()
  const response = await fetch(new URL('/api/live', url), { signal: leave.signal })
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  const hostile = 'a\n\nevent: now\ndata: {}\r\n\u2028<script>alert(1)</script>'
  await until('it is subscribed', () => watchers() === 1)
  tell(away(hostile))
  tell(away('second'))
  const parser = new EventParser()
  const events: unknown[] = []
  const decoder = new TextDecoder()
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    for (const { event, data } of parser.take(decoder.decode(chunk, { stream: true })))
      events.push({ event, data: JSON.parse(data) as unknown })
    if (events.length === 2) break
  }
  // What can't be seen is spelled out, and what is text stays text.
  const shown = String.raw`a\n\nevent: now\ndata: {}\r\n<U+2028><script>alert(1)</script>`
  expect(events).toEqual([away(shown), away('second')])
  leave.abort()
  await until('it is let go', () => watchers() === 0)
})

test('streams are bounded, and one that takes nothing gets no more than fits (invariant 3)', async () => {
  const { url, tell, watchers } = await serve()
  const leave = new AbortController()
  onTestFinished(() => {
    leave.abort()
  })
  const open = () => fetch(new URL('/api/live', url), { signal: leave.signal })
  await Promise.all(Array.from({ length: 32 }, open))
  await until('all are subscribed', () => watchers() === 32)
  const refused = await open()
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5'])
  const before = process.memoryUsage.rss()
  const much = away('x'.repeat(1024 * 1024))
  for (let i = 0; i < 64; i++) tell(much)
  // 32 readers times 64 MiB would be 2 GiB.
  expect(process.memoryUsage.rss() - before).toBeLessThan(900 * 1024 * 1024)
})

test('a failure is told with its code and what to do; what is not expected as a defect', async () => {
  const { url } = await serve(
    {},
    {
      states: () =>
        Promise.reject(new PotorooError('STATE_UNKNOWN', 'there is no state object <b>', { cure: 'Look.' })),
      answers: { topology: () => Promise.reject(new Error('oh')) },
    },
  )
  const { status, text, headers } = await ask(url, '/v1/x')
  expect([status, headers['content-type'], JSON.parse(text)]).toEqual([
    404,
    'application/json',
    { code: 'STATE_UNKNOWN', message: 'there is no state object <b>', cure: 'Look.' },
  ])
  expect((await ask(url, '/api/topology')).status).toBe(500)
  // Names of what every object has are no answers.
  for (const name of ['constructor', '__proto__', 'toString']) expect((await ask(url, `/api/${name}`)).status).toBe(404)
})

test('a port that is taken says what to do', async () => {
  const { url } = await serve()
  const second = new UiServer({ host: '127.0.0.1', port: Number(url.port), token: undefined }, assets, {} as UiService)
  await expect(second.listen()).rejects.toMatchObject({
    code: 'INVALID_CONFIGURATION',
    cure: expect.stringContaining('--port') as string,
  })
})
