/**
 * What a worker's process tells over HTTP: /metrics for Prometheus, /livez and /readyz for whoever keeps it running, /v1 for who
 * asks for state objects (src/peers/state-http.ts).
 *
 * Invariants
 * 1. It reads, and changes nothing: only GET is allowed, and no body is looked at.
 * 2. No client holds messages up, or others for long: headers have a bounded size and time, an answer has a bounded time,
 *    connections a bounded number, and what was collected a moment ago is told again.
 * 3. What an answer costs does not grow with what a client sends.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { messageOf, PotorooError } from '../../errors.js'
import type { Readiness } from '../../ports/figures.js'
import { isStatesPath, type StateHttp } from '../../peers/state-http.js'
import { closeServer, listen } from './listening.js'
import { contentTypes, formatFor, type TextFormat } from './text-format.js'

/** Prometheus, a probe or two, somebody who looks, and who asks for state objects. */
const MAX_CONNECTIONS = 64
const MAX_HEADER_BYTES = 8192
/** For a request to be here whole. */
const REQUEST_MS = 5_000
/** For an answer to be taken. */
const ANSWER_MS = 10_000

export interface HealthService {
  metrics(format: TextFormat): Promise<string>
  readiness(): Readiness
  /** Answers what begins with /v1; undefined: there is nothing. */
  readonly states?: Pick<StateHttp, 'answer'>
}

export interface HealthServerOptions {
  readonly host: string
  /** 0 picks a free port. */
  readonly port: number
  /** Default 5 s. */
  readonly requestMs?: number
  /** Default 10 s. */
  readonly answerMs?: number
}

export class HealthServer {
  readonly #server: Server
  readonly #answerMs: number

  constructor(
    private readonly options: HealthServerOptions,
    private readonly service: HealthService,
  ) {
    const { requestMs = REQUEST_MS, answerMs = ANSWER_MS } = options
    this.#answerMs = answerMs
    this.#server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: requestMs,
        requestTimeout: requestMs,
        connectionsCheckingInterval: Math.min(1000, requestMs),
      },
      (request, response) => {
        this.#answer(request, response)
      },
    )
    this.#server.maxConnections = MAX_CONNECTIONS
  }

  /** Resolves with its URL. Rejects with INVALID_CONFIGURATION. */
  listen(): Promise<string> {
    return listen(
      this.#server,
      this.options,
      (address, error) =>
        new PotorooError(
          'INVALID_CONFIGURATION',
          `Can't serve metrics and health on ${address}: ${messageOf(error)}. Set --http-port to another port, or to 0 for ` +
            'any free one, and --http-host to an address of this machine.',
          { cause: error },
        ),
    )
  }

  /** Never rejects. */
  close(): Promise<void> {
    return closeServer(this.#server)
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => undefined)
    // An answer that trickles away would else stay as long as its reader likes.
    const deadline = setTimeout(() => request.socket.destroy(), this.#answerMs)
    response.once('close', () => {
      clearTimeout(deadline)
    })
    const { states } = this.service
    if (states !== undefined && isStatesPath(request.url ?? '')) {
      states.answer(request, response)
      return
    }
    response.setHeader('connection', 'close')
    response.setHeader('cache-control', 'no-store')
    const [path = ''] = (request.url ?? '').split('?', 1)
    const answer = Object.hasOwn(this.#answers, path) ? this.#answers[path] : undefined
    if (answer === undefined)
      text(response, 404, `there are /metrics, /livez${states === undefined ? '' : ', /v1'} and /readyz\n`)
    else if (request.method !== 'GET') text(response.setHeader('allow', 'GET'), 405, 'only GET is allowed\n')
    else answer(request, response)
  }

  readonly #answers: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>> = {
    '/metrics': (request, response) => {
      const format = formatFor(request.headers.accept)
      this.service.metrics(format).then(
        (found) => {
          text(response, 200, found, contentTypes[format])
        },
        (error: unknown) => {
          text(response, 500, `${messageOf(error)}\n`)
        },
      )
    },
    // That it is answered at all is what is asked: the event loop turns.
    '/livez': (_, response) => {
      text(response, 200, 'ok\n')
    },
    '/readyz': (_, response) => {
      const readiness = this.service.readiness()
      text(response, readiness.ready ? 200 : 503, `${JSON.stringify(readiness)}\n`, 'application/json')
    },
  }
}

function text(response: ServerResponse, status: number, body: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body)
}
