/**
 * Serves the page of `potoroo ui`, and what it shows.
 *
 *     GET  /                      the page; /assets/… what it consists of. They tell nothing, so they want no token.
 *     GET  /api/live              server-sent events (wire.ts), as long as somebody reads
 *     GET  /api/<name>            one answer, as JSON
 *     POST /api/<name>            does something
 *     GET  /v1…                   state objects, as a worker has them (docs/queries.md)
 *
 * Invariants
 * 1. What tells something wants what src/peers/access.ts says; what does something wants, in addition, to come from this page: a
 *    page of another origin can send a request here, but neither this header nor this type without being asked first.
 * 2. The page loads nothing from anywhere else, and runs no script but its own files: its policy says so to the browser.
 * 3. No client holds others up: connections, streams and bytes that wait are bounded; a stream that takes nothing is ended.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { visible } from '../../api/visible.js'
import { isPotorooError, messageOf, PotorooError, type ErrorCode } from '../../errors.js'
import { isAdmitted, type Access } from '../../peers/access.js'
import { isLoopback } from '../../peers/options.js'
import { isStatesPath, stateStatuses } from '../../peers/state-http.js'
import { closeServer, listen } from '../http/listening.js'
import type { Asset, Assets } from './assets.js'
import type { UiEvent } from './wire.js'

export interface UiService {
  /** Tells what is known, then what comes; returns what ends that. */
  readonly subscribe: (listener: (event: UiEvent) => void) => () => void
  /** State objects, by path and query: the answer of whoever has them. */
  readonly states: (url: string) => Promise<object>
  /** By name: what is asked for without a body. */
  readonly answers: Readonly<Record<string, () => Promise<object>>>
  /** By name: what is done with a body of JSON. */
  readonly actions: Readonly<Record<string, (body: unknown) => Promise<object>>>
}

export interface UiServerOptions {
  readonly host: string
  /** 0 picks a free port. */
  readonly port: number
  readonly token: string | undefined
}

const MAX_CONNECTIONS = 128
const MAX_STREAMS = 32
const MAX_HEADER_BYTES = 16_384
const MAX_BODY_BYTES = 64 * 1024
const REQUEST_MS = 10_000
/** So much may wait for a slow reader; what comes meanwhile it does not get. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024
const STALL_MS = 30_000
const PING_MS = 10_000

const statuses: Partial<Readonly<Record<ErrorCode, number>>> = {
  ...stateStatuses,
  INVALID_CONFIGURATION: 400,
  TOPIC_MISSING: 404,
  FENCED: 409,
  BROKER_UNREACHABLE: 503,
  PEER_UNREACHABLE: 503,
  PEER_REFUSED: 503,
}

export class UiServer {
  readonly #server: Server
  readonly #access: Access
  #streams = 0

  /** Throws INVALID_CONFIGURATION. */
  constructor(
    private readonly options: UiServerOptions,
    private readonly assets: Assets,
    private readonly service: UiService,
  ) {
    const { host, token } = options
    if (token === undefined && !isLoopback(host))
      throw new PotorooError(
        'INVALID_CONFIGURATION',
        `${host} can be reached from other machines, and no token is set`,
        {
          cure: 'Set POTOROO_PEER_TOKEN to the token that the workers share, or omit --host: only this machine can reach 127.0.0.1.',
        },
      )
    this.#access = { token, host }
    this.#server = createServer(
      { maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS },
      (request, response) => {
        this.#answer(request, response)
      },
    )
    this.#server.maxConnections = MAX_CONNECTIONS
  }

  /** Resolves with the page's address. Rejects with INVALID_CONFIGURATION. */
  async listen(): Promise<string> {
    const url = await listen(
      this.#server,
      this.options,
      (address, error) =>
        new PotorooError('INVALID_CONFIGURATION', `Can't serve the page on ${address}: ${messageOf(error)}`, {
          cause: error,
          cure: 'Set --port to another port, or to 0 for any free one, and --host to an address of this machine.',
        }),
    )
    return `${url}/`
  }

  /** Never rejects. */
  close(): Promise<void> {
    return closeServer(this.#server)
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => undefined)
    for (const [name, value] of Object.entries(securityHeaders(this.assets.scriptHashes)))
      response.setHeader(name, value)
    const url = request.url ?? ''
    const [path = ''] = url.split('?', 1)
    const { files } = this.assets
    const file = files.get(path)
    if (file !== undefined) {
      if (isRead(request)) sendFile(request, response, file)
      else refuseMethod(response, 'GET')
      return
    }
    if (!path.startsWith('/api/') && !isStatesPath(url)) {
      sendJson(response, 404, { message: 'there is nothing here: the page is at /' })
      return
    }
    if (!isAdmitted(request, this.#access))
      response.writeHead(401, { 'www-authenticate': 'Bearer', connection: 'close' }).end()
    else if (path === '/api/live') {
      if (isRead(request)) this.#stream(request, response)
      else refuseMethod(response, 'GET')
    } else this.#answerOne(request, response, url, path)
  }

  #answerOne(request: IncomingMessage, response: ServerResponse, url: string, path: string): void {
    response.setTimeout(STALL_MS, () => response.destroy())
    const { answers, actions, states } = this.service
    const name = path.slice('/api/'.length)
    const own = Object.hasOwn(answers, name) ? answers[name] : undefined
    const answer = isStatesPath(url) ? () => states(url) : own
    const action = Object.hasOwn(actions, name) ? actions[name] : undefined
    if (answer !== undefined && isRead(request)) void sendOutcome(response, answer)
    else if (action !== undefined && request.method === 'POST') void this.#act(request, response, action)
    else if (answer === undefined && action === undefined) sendJson(response, 404, { message: `there is no ${path}` })
    else refuseMethod(response, answer === undefined ? 'POST' : 'GET')
  }

  async #act(
    request: IncomingMessage,
    response: ServerResponse,
    action: (body: unknown) => Promise<object>,
  ): Promise<void> {
    // Invariant 1.
    if (!isFromThisPage(request)) {
      sendJson(response, 403, { message: 'this request must come from the page itself' })
      return
    }
    await sendOutcome(response, async () => action(await bodyOf(request)))
  }

  #stream(request: IncomingMessage, response: ServerResponse): void {
    if (this.#streams >= MAX_STREAMS) {
      sendJson(response.setHeader('retry-after', '5'), 503, {
        message: `${String(MAX_STREAMS)} pages are open already`,
      })
      return
    }
    this.#streams++
    request.socket.setTimeout(0)
    response.setTimeout(0)
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    const send = (text: string): void => {
      if (response.writableLength < MAX_WAITING_BYTES) response.write(text)
    }
    const ping = setInterval(() => {
      send(': ping\n\n')
    }, PING_MS)
    let taken = request.socket.bytesWritten
    const watch = setInterval(() => {
      const now = request.socket.bytesWritten
      if (response.writableLength > 0 && now === taken) response.destroy()
      taken = now
    }, STALL_MS)
    const unsubscribe = this.service.subscribe(({ event, data }) => {
      send(`event: ${event}\ndata: ${JSON.stringify(data, shown)}\n\n`)
    })
    response.once('close', () => {
      this.#streams--
      clearInterval(ping)
      clearInterval(watch)
      unsubscribe()
    })
  }
}

/** Names come from whoever is in the group: what turns the text around them about, or breaks it, is shown as what it is. */
const shown = (_key: string, value: unknown): unknown => (typeof value === 'string' ? visible(value) : value)

const isRead = ({ method }: IncomingMessage): boolean => method === 'GET' || method === 'HEAD'

/**
 * A form or a script of another origin can't set this type without a preflight, which is not answered; and the browser says where
 * the request comes from.
 */
function isFromThisPage({ headers }: IncomingMessage): boolean {
  const { origin, host } = headers
  const site = headers['sec-fetch-site']
  return (
    headers['content-type'] === 'application/json' &&
    (origin === undefined || origin === `http://${host ?? ''}`) &&
    (site === undefined || site === 'same-origin')
  )
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) throw new PotorooError('QUERY_INVALID', 'the body is too long')
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    throw new PotorooError('QUERY_INVALID', 'the body is not JSON')
  }
}

/** `script-src` lists the one script that stands in the page: its import map. */
const securityHeaders = (scriptHashes: readonly string[]): Readonly<Record<string, string>> => ({
  'content-security-policy': [
    "default-src 'none'",
    `script-src 'self' ${scriptHashes.map((hash) => `'${hash}'`).join(' ')}`,
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
})

function sendFile({ method, headers }: IncomingMessage, response: ServerResponse, { type, body, tag }: Asset): void {
  response.setHeader('cache-control', 'no-cache').setHeader('etag', tag)
  if (headers['if-none-match'] === tag) {
    response.writeHead(304).end()
    return
  }
  response.writeHead(200, { 'content-type': type, 'content-length': body.length })
  response.end(method === 'HEAD' ? undefined : body)
}

/** Never rejects. */
async function sendOutcome(response: ServerResponse, work: () => Promise<object>): Promise<void> {
  try {
    sendJson(response, 200, await work())
  } catch (error) {
    const known = isPotorooError(error) ? error : new PotorooError('INTERNAL', messageOf(error))
    const { code, message, cure } = known
    sendJson(response, statuses[code] ?? 500, { code, message, cure })
  }
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  const text = `${JSON.stringify(body)}\n`
  response
    .writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-store',
    })
    .end(text)
}

function refuseMethod(response: ServerResponse, allowed: string): void {
  sendJson(response.setHeader('allow', allowed), 405, { message: `${allowed} alone` })
}
