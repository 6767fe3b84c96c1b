/**
 * A registry that speaks the API of Confluent's, over HTTP: Confluent's own, Karapace, Apicurio (under /apis/ccompat/v7),
 * Redpanda's.
 *
 * 1. Only an answer of a registry says that there is no such thing: 404 with an error code of its own (404xx). Any other 404 is
 *    of a wrong url, and is refused: else a typing error would send all records to the dead letters.
 * 2. Ids come from records, so no id may stop a worker: where the registry can be asked, but has an id that it can't give a schema
 *    of (400, 422, another type), that is the id's alone (Unusable).
 * 3. What may be different later is REGISTRY_UNREACHABLE: no answer in time, 408, 429, and what servers fail with (5xx). The
 *    next url is tried first.
 * 4. No more than MAX_AT_ONCE requests are under way: records may name any number of schemas.
 * 5. No message has credentials in it.
 */
import { isList, isNumber, isRecord, isText } from '../core/json-shape.js'
import { messageOf, PotorooError } from '../errors.js'
import type { RegisteredSchema, Registry, Schema, SchemaReference, SchemaType, Unusable } from './registry.js'

export interface HttpRegistryOptions {
  readonly urls: readonly string[]
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
}

const MAX_AT_ONCE = 8
const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json'
const MAX_SHOWN = 300

export class HttpRegistry implements Registry {
  readonly name: string
  #underWay = 0
  readonly #waiting: (() => void)[] = []

  constructor(private readonly options: HttpRegistryOptions) {
    this.name = `the schema registry at ${options.urls.join(', ')}`
  }

  async byId(id: number): Promise<Schema | Unusable | undefined> {
    const answer = await this.#ask('GET', `/schemas/ids/${String(id)}`, undefined, ofThisAlone)
    if (answer === undefined || isUnusable(answer)) return answer
    return schemaIn(answer) ?? { unusable: `${this.name} gave ${shown(answer)}` }
  }

  async version(subject: string, version: number | 'latest'): Promise<RegisteredSchema | undefined> {
    const answer = await this.#ask('GET', `/subjects/${encodeURIComponent(subject)}/versions/${String(version)}`)
    if (answer === undefined) return undefined
    const schema = schemaIn(answer)
    if (schema === undefined) throw this.#refused(`it returned no schema of a known type: ${shown(answer)}`)
    return { ...schema, id: this.#idIn(answer) }
  }

  async lookUp(subject: string, schema: Schema): Promise<number | undefined> {
    const answer = await this.#ask('POST', `/subjects/${encodeURIComponent(subject)}`, bodyOf(schema))
    return answer === undefined ? undefined : this.#idIn(answer)
  }

  async register(subject: string, schema: Schema): Promise<number> {
    const answer = await this.#ask('POST', `/subjects/${encodeURIComponent(subject)}/versions`, bodyOf(schema))
    if (answer === undefined) throw this.#refused(`it has not registered a schema under ${subject}`)
    return this.#idIn(answer)
  }

  /** Undefined: the registry has no such thing. */
  async #ask(
    method: 'GET' | 'POST',
    path: string,
    body?: string,
    unusable: readonly number[] = [],
  ): Promise<Answer | undefined> {
    if (this.#underWay >= MAX_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#underWay++
    try {
      return await this.#askEach(method, path, body, unusable)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#underWay--
      else next()
    }
  }

  async #askEach(
    method: string,
    path: string,
    body: string | undefined,
    unusable: readonly number[],
  ): Promise<Answer | undefined> {
    const failures: string[] = []
    for (const url of this.options.urls) {
      const answer = await this.#askOne(method, `${url}${path}`, body, unusable)
      if (typeof answer !== 'string') return answer.found
      failures.push(answer)
    }
    throw new PotorooError('REGISTRY_UNREACHABLE', `${this.name} can't be reached: ${failures.join('; ')}`)
  }

  /** A text says why another url, or a later time, may have the answer. */
  async #askOne(
    method: string,
    url: string,
    body: string | undefined,
    unusable: readonly number[],
  ): Promise<{ readonly found: Answer | undefined } | string> {
    const { headers, timeoutMs } = this.options
    let response: Response
    let text: string
    try {
      response = await fetch(url, {
        method,
        headers: { accept: `${CONTENT_TYPE}, application/json`, 'content-type': CONTENT_TYPE, ...headers },
        signal: AbortSignal.timeout(timeoutMs),
        ...(body === undefined ? {} : { body }),
      })
      text = await response.text()
    } catch (error) {
      return error instanceof Error && error.name === 'TimeoutError'
        ? `no answer to ${method} ${url} within ${String(timeoutMs)} ms`
        : `${method} ${url}: ${reasonOf(error)}`
    }
    const { status } = response
    const json = jsonOf(text)
    if (response.ok) {
      if (isRecord(json)) return { found: json }
      throw this.#refused(
        `${method} ${url} was answered ${String(status)}, but not with a JSON object: is it a registry?`,
      )
    }
    const said = isRecord(json) && isText(json['message']) ? json['message'] : text
    const answer = `${method} ${url} was answered ${String(status)}: ${said.slice(0, MAX_SHOWN)}`
    if (status >= 500 || status === 408 || status === 429) return answer
    const code = isRecord(json) ? json['error_code'] : undefined
    if (status === 404 && isNumber(code) && code >= 40400 && code < 40500) return { found: undefined }
    if (unusable.includes(status) && isNumber(code)) return { found: { unusable: answer } }
    throw this.#refused(answer)
  }

  #refused(what: string): PotorooError {
    return new PotorooError('REGISTRY_REFUSED', `${this.name} refused: ${what}`)
  }

  #idIn(answer: Answer): number {
    if (isNumber(answer['id'])) return answer['id']
    throw this.#refused(`it returned no id: ${shown(answer)}`)
  }
}

type Answer = Readonly<Record<string, unknown>>
/** Statuses that say something of what was asked for, and nothing of who asks. */
const ofThisAlone = [400, 422]
const isUnusable = (answer: object): answer is Unusable => 'unusable' in answer

/** Undefined where it has none that can be read here. */
function schemaIn({ schema, schemaType = 'AVRO', references }: Answer): Schema | undefined {
  const others = references ?? []
  if (!isText(schema) || !isType(schemaType) || !isList(others, isReference)) return undefined
  return { type: schemaType, text: schema, references: others }
}

const shown = (answer: object): string => JSON.stringify(answer).slice(0, MAX_SHOWN)

const bodyOf = ({ type, text, references }: Schema): string =>
  // what older registries do not know is left out where it says nothing
  JSON.stringify({
    schema: text,
    ...(type === 'AVRO' ? {} : { schemaType: type }),
    ...(references.length === 0 ? {} : { references }),
  })

const isType = (value: unknown): value is SchemaType => value === 'AVRO' || value === 'PROTOBUF' || value === 'JSON'
const isReference = (value: unknown): value is SchemaReference =>
  isRecord(value) && isText(value['name']) && isText(value['subject']) && isNumber(value['version'])

/** fetch() says no more than 'fetch failed'; its cause does. */
const reasonOf = (error: unknown): string =>
  messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error)

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
