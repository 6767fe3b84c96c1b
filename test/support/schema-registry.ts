/** A schema registry with the API of Confluent's, in this process, on a port of its own; it can be away, slow, or refuse. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { MemoryRegistry } from '../../src/schema-registry/memory-registry.js'
import type { Schema, SchemaReference, SchemaType } from '../../src/schema-registry/registry.js'

interface Body {
  readonly schema: string
  readonly schemaType?: SchemaType
  readonly references?: readonly SchemaReference[]
}
interface Answer {
  readonly status: number
  readonly json: unknown
}

export class TestRegistry {
  readonly schemas = new MemoryRegistry()
  /** Paths of all requests, with their methods. */
  readonly asked: string[] = []
  /** How many requests it had at a time, at most. */
  mostAtOnce = 0
  #open = 0
  /** What it answers instead, where it gives something. */
  instead: (request: string, headers: IncomingMessage['headers']) => Answer | 'nothing' | undefined = () => undefined
  /** Awaited before each answer. */
  before: () => Promise<unknown> = () => Promise.resolve()
  #server: Server | undefined
  #port = 0
  /** Subjects under which each schema is registered: the one in memory registers what is looked up. */
  readonly #registered = new Set<string>()

  get url(): string {
    return `http://127.0.0.1:${String(this.#port)}`
  }

  /** Resolves when it can be asked: on the port that it had before. */
  async start(): Promise<this> {
    const server = createServer((request, response) => {
      void this.#answer(request, response)
    })
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#port, '127.0.0.1', resolve)
    })
    this.#port = (server.address() as AddressInfo).port
    return this
  }

  /** Refuses connections from then on. */
  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    server?.closeAllConnections()
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())))
  }

  async register(
    subject: string,
    text: string,
    type: SchemaType = 'AVRO',
    references: readonly SchemaReference[] = [],
  ) {
    this.#registered.add(key(subject, text))
    return this.schemas.register(subject, { type, text, references })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request
    this.asked.push(`${method} ${url}`)
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#open)
    response.once('close', () => this.#open--)
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const instead = this.instead(`${method} ${url}`, request.headers)
    if (instead === 'nothing') return
    await this.before()
    const body = chunks.length === 0 ? undefined : (JSON.parse(Buffer.concat(chunks).toString()) as Body)
    const { status, json } = instead ?? (await this.#answerTo(method, decodeURIComponent(url), body))
    response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' })
    response.end(typeof json === 'string' ? json : JSON.stringify(json))
  }

  async #answerTo(method: string, path: string, body: Body | undefined): Promise<Answer> {
    const [, id] = /^\/schemas\/ids\/(\d+)$/.exec(path) ?? []
    if (id !== undefined) {
      const schema = await this.schemas.byId(Number(id))
      return schema === undefined ? notFound(40403, 'Schema not found') : { status: 200, json: answerOf(schema) }
    }
    const [, subject = '', version] = /^\/subjects\/([^/]+)(?:\/versions(?:\/(\w+))?)?$/.exec(path) ?? []
    if (method === 'GET' && version !== undefined) {
      const found = await this.schemas.version(subject, version === 'latest' ? 'latest' : Number(version))
      if (found === undefined) return notFound(40401, `Subject '${subject}' not found.`)
      return { status: 200, json: { ...answerOf(found), id: found.id, subject, version } }
    }
    if (method === 'POST' && body !== undefined) {
      const { schema: text, schemaType: type = 'AVRO', references = [] } = body
      if (path.endsWith('/versions')) this.#registered.add(key(subject, text))
      if (!this.#registered.has(key(subject, text))) return notFound(40403, 'Schema not found')
      return { status: 200, json: { id: await this.schemas.register(subject, { type, text, references }) } }
    }
    return { status: 404, json: { error_code: 404, message: 'HTTP 404 Not Found' } }
  }
}

const key = (subject: string, text: string): string => `${subject} ${text}`
const notFound = (code: number, message: string): Answer => ({ status: 404, json: { error_code: code, message } })
const answerOf = ({ type, text, references }: Schema): object => ({
  schema: text,
  ...(type === 'AVRO' ? {} : { schemaType: type }),
  ...(references.length === 0 ? {} : { references }),
})
