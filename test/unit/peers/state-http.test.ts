/** src/peers/state-http.ts with clients of every kind. Its invariants are at the head of that file. */
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { urlToHttpOptions } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { stateDefinition, stateObject } from '../../../src/api/state-object.js'
import { OpenWindows } from '../../../src/api/open-windows.js'
import { tumbling, windowed, windowsDefinition } from '../../../src/api/windows.js'
import type { PageEntry } from '../../../src/core/query/question.js'
import { mergePages, successorOf } from '../../../src/core/query/range.js'
import { byteString, utf8ByteString } from '../../../src/core/records/byte-string.js'
import { NO_TIMES } from '../../../src/core/state/header.js'
import { pack, packer } from '../../../src/core/state/packing.js'
import { PotorooError } from '../../../src/errors.js'
import type { PeersOptions } from '../../../src/peers/options.js'
import type { QueryService } from '../../../src/ports/queries.js'
import { until } from '../../support/until.js'
import { openPeers, service } from './support.js'

const definition = stateDefinition(
  stateObject('account', () => ({})),
  's',
)
const asOf = { commitMs: 5, changelogPosition: 7 }
const given = { asOf, from: 'owner', worker: 'w1' } as const

/** Accounts of these keys, each with its key as its name. */
function accounts(keys: readonly string[], over: Partial<QueryService> = {}): QueryService & { asked: unknown[] } {
  const asked: unknown[] = []
  const all = keys.map(utf8ByteString).sort()
  const packed = (name: string): string => pack(definition, { name })
  return {
    asked,
    states: ['account'],
    definition: () => definition,
    get: (state, key, options) => {
      asked.push([state, key, options])
      if (state !== 'account') return Promise.reject(new PotorooError('STATE_UNKNOWN', `no ${state}: there is account`))
      return Promise.resolve({ kind: 'state', packed: keys.includes(key) ? packed(key) : undefined, ...given })
    },
    page: (state, range, most, consistency) => {
      asked.push([state, range, most, consistency])
      const left = all.filter((key) => key >= range.from && (range.before === undefined || key < range.before))
      const entries: PageEntry[] = left.slice(0, most).map((key) => ({ key, packed: packed(key) }))
      const last = entries.at(-1)
      const next = left.length > most && last ? successorOf(last.key) : undefined
      const page = mergePages(range, [{ kind: 'page', entries, next, ...given }], most)
      return Promise.resolve({ ...page, parts: [{ partition: 0, ...given }] })
    },
    ...over,
  }
}

async function serve(queries: QueryService, options: Partial<PeersOptions> = {}): Promise<string> {
  return `http://${await openPeers(options).peers.listen(service({ queries }))}`
}
async function get(url: string, init?: RequestInit): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(url, init)
  const text = await response.text()
  return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> }
}

test('one state object, whatever its key is', async () => {
  const keys = ['a', 'a/b', 'ü?&#%', 'a b+c', '\u0000', '\u{1f600}']
  const url = await serve(accounts(keys))
  for (const key of keys)
    expect(await get(`${url}/v1/account/${encodeURIComponent(key)}`), key).toEqual({
      status: 200,
      body: { key, state: { name: key }, ...given },
    })
  expect((await get(`${url}/v1/account/a/b`)).body['key']).toBe('a/b')
  expect(await get(`${url}/v1/account/nobody`)).toMatchObject({
    status: 200,
    body: { key: 'nobody', state: null, asOf },
  })
  expect(await get(`${url}/v1`)).toEqual({ status: 200, body: { states: ['account'] } })
})

test('windows come as a list, and timers beside what they are of (docs/queries.md)', async () => {
  const windows = windowed('minute', tumbling(60_000), () => ({ n: 0 }))
  const minute = windowsDefinition(windows) ?? definition
  const open = new OpenWindows()
  open.list.push({ startMs: 0, endMs: 60_000, messages: 2, state: { n: 2 } })
  const time = [{ dueMs: 5, name: 'calm', id: 'x' }]
  const length = packer.pack(definition, { n: 1 }, { ...NO_TIMES, time })
  const timed = byteString(packer.bytes, 0, length)
  const shown: Record<string, unknown> = {
    minute: { state: [{ key: 'ü', startMs: 0, endMs: 60_000, messages: 2, state: { n: 2 } }] },
    account: { state: { n: 1 }, timers: [{ name: 'calm', id: 'x', dueMs: 5 }] },
  }
  for (const [name, of, packed] of [
    ['minute', minute, pack(minute, open)],
    ['account', definition, timed],
  ] as const) {
    const entries = [{ key: utf8ByteString('ü'), packed, ...given }]
    const url = await serve(
      accounts([], {
        definition: () => of,
        get: () => Promise.resolve({ kind: 'state', packed, ...given }),
        page: () => Promise.resolve({ entries, rest: undefined, parts: [] }),
      }),
    )
    const due = { key: 'ü', ...(shown[name] as object), ...given }
    expect((await get(`${url}/v1/${name}/%C3%BC`)).body).toEqual(due)
    expect((await get(`${url}/v1/${name}`)).body).toEqual({ entries: [due], parts: [] })
  }
})

test('what is asked beside the key comes through', async () => {
  const queries = accounts(['a'])
  const url = await serve(queries)
  await get(`${url}/v1/account/a?consistency=fenced`)
  await get(`${url}/v1/account/a?consistency=250&atLeast=12`)
  expect(queries.asked).toEqual([
    ['account', 'a', { consistency: 'fenced', atLeast: undefined }],
    ['account', 'a', { consistency: 250, atLeast: 12 }],
  ])
})

test('pages of a range, each with the cursor of the next', async () => {
  const keys = Array.from({ length: 250 }, (_, i) => `k${String(i).padStart(3, '0')}`)
  const url = await serve(accounts([...keys, 'other ü']))
  const found: unknown[] = []
  let cursor = ''
  for (let pages = 1; ; pages++) {
    const { status, body } = await get(`${url}/v1/account?prefix=k&limit=100${cursor}`)
    expect(status).toBe(200)
    found.push(...(body['entries'] as { key: string }[]).map(({ key }) => key))
    if (body['cursor'] === undefined) {
      expect([pages, body['parts']]).toEqual([3, [{ partition: 0, ...given }]])
      break
    }
    cursor = `&cursor=${body['cursor'] as string}`
  }
  expect(found).toEqual(keys)
  const { body } = await get(`${url}/v1/account?from=k248&before=other+${encodeURIComponent('ü')}`)
  expect(body['entries']).toEqual([keys[248], keys[249]].map((key) => ({ key, state: { name: key }, ...given })))
})

test('more than a page may have is a page', async () => {
  const queries = accounts(Array.from({ length: 1_500 }, (_, i) => String(i)))
  const url = await serve(queries)
  const { body } = await get(`${url}/v1/account?limit=999999999999`)
  expect((body['entries'] as unknown[]).length).toBe(1000)
  expect(body['cursor']).toBeTypeOf('string')
})

test.each([
  ['/v1/account/%ff', 'not percent-encoded UTF-8'],
  ['/v1/account/%', 'not percent-encoded UTF-8'],
  ['/v1/account?prefix=%c3', 'not percent-encoded UTF-8'],
  ['/v1/account?limit=0', 'limit'],
  ['/v1/account?limit=-1', 'limit'],
  ['/v1/account?limit=1e3', 'limit'],
  ['/v1/account?limit=5&limit=6', 'twice'],
  ['/v1/account?prefix=a&from=b', 'give one'],
  ['/v1/account?prefx=a', 'prefx'],
  ['/v1/account?cursor=abc', 'cursor'],
  ['/v1/account?cursor=', 'cursor'],
  ['/v1/account/a?limit=1', 'limit'],
  ['/v1/account/a?consistency=eventual', 'consistency'],
  ['/v1/account/a?consistency=-1', 'consistency'],
  ['/v1/account/a?consistency=99999999', 'consistency'],
  ['/v1/account/a?atLeast=x', 'atLeast'],
])('%s is refused, and says why', async (path, why) => {
  const { status, body } = await get(`${await serve(accounts(['a']))}${path}`)
  expect([status, body['code']]).toEqual([400, 'QUERY_INVALID'])
  expect(body['message']).toContain(why)
})

test('a cursor of another range is refused', async () => {
  const url = await serve(accounts(['a1', 'a2', 'b1']))
  const { body } = await get(`${url}/v1/account?prefix=a&limit=1`)
  const cursor = body['cursor'] as string
  expect((await get(`${url}/v1/account?prefix=b&cursor=${cursor}`)).status).toBe(400)
  expect(await get(`${url}/v1/account?cursor=${cursor}`)).toMatchObject({
    status: 200,
    body: { entries: [{ key: 'a2' }] },
  })
})

test('who can help says so: which state objects there are, and when to come again', async () => {
  const url = await serve(accounts([]))
  expect(await get(`${url}/v1/acount/a`)).toMatchObject({ status: 404, body: { code: 'STATE_UNKNOWN' } })
  const away = accounts([], { get: () => Promise.reject(new PotorooError('QUERY_UNANSWERED', 'on its way')) })
  const response = await fetch(`${await serve(away)}/v1/account/a`)
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
})

test.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD'])('%s is refused (invariant 1)', async (method) => {
  const response = await fetch(`${await serve(accounts(['a']))}/v1/account/a`, { method })
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET'])
})

test('without the token nothing is told, nor with another one (invariant 3)', async () => {
  const queries = accounts(['a'])
  const url = await serve(queries, { token: 'secret' })
  for (const authorization of [undefined, 'Bearer wrong', 'Bearer secre', 'Bearer secret2', 'secret', 'Basic secret']) {
    const headers = authorization === undefined ? {} : { authorization }
    for (const path of ['/v1', '/v1/account/a', '/v1/nothing?x', '/ask/e30']) {
      const response = await fetch(url + path, { headers })
      expect([response.status, await response.text()], path).toEqual([401, ''])
      expect([...response.headers.keys()].filter((name) => name.startsWith('potoroo'))).toEqual([])
    }
  }
  expect(queries.asked).toEqual([])
  expect((await get(`${url}/v1/account/a`, { headers: { authorization: 'Bearer secret' } })).status).toBe(200)
})

test('so many are answered at once and no more, and then others again (invariant 2)', async () => {
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  let waiting = 0
  const queries = accounts(['a'], {
    get: async () => {
      waiting++
      await held
      return { kind: 'state', packed: undefined, ...given }
    },
  })
  const url = await serve(queries)
  const asked = Array.from({ length: 256 }, () => get(`${url}/v1/account/a`))
  await until('all wait', () => waiting === 256)
  expect(await get(`${url}/v1/account/a`)).toMatchObject({ status: 503, body: { code: 'QUERY_UNANSWERED' } })
  release()
  expect((await Promise.all(asked)).every(({ status }) => status === 200)).toBe(true)
  expect((await get(`${url}/v1/account/a`)).status).toBe(200)
})

test('a head that is too long, or no HTTP, ends with its connection and nothing else', async () => {
  const url = new URL(await serve(accounts(['a'])))
  const raw = async (text: string): Promise<string> => {
    const socket = connect(Number(url.port), url.hostname)
    onTestFinished(() => void socket.destroy())
    socket.on('error', () => undefined)
    let answer = ''
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()))
    socket.write(text)
    await once(socket, 'close')
    return answer.split('\r\n', 1)[0] ?? ''
  }
  expect(await raw(`GET /v1/account/${'a'.repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`)).toContain('431')
  expect(await raw('nonsense\r\n\r\n')).toContain('400')
  expect((await get(`${url.origin}/v1/account/a`)).status).toBe(200)
})

test('without a token, whoever comes under a name that is not loopback is told nothing', async () => {
  const url = new URL(await serve(accounts(['a'])))
  const status = (host: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const asked = request({ ...urlToHttpOptions(url), path: '/v1/account/a', headers: { host } }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      asked.on('error', reject).end()
    })
  for (const host of [`127.0.0.1:${url.port}`, 'localhost', `localhost:${url.port}`, '[::1]:80', '127.0.0.1'])
    expect(await status(host), host).toBe(200)
  for (const host of [
    'evil.example',
    `evil.example:${url.port}`,
    '127.0.0.1.evil.example',
    'localhost.evil.example:80',
  ])
    expect(await status(host), host).toBe(401)
})
