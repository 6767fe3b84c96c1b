/**
 * State objects over HTTP, for anybody who may know them (docs/queries.md):
 *
 *     GET /v1                                         which there are
 *     GET /v1/<state>/<key>                           one
 *     GET /v1/<state>?prefix= | ?from=&before=        a page of them; &limit= &cursor=
 *     &consistency=committed | fenced | <ms>  &atLeast=<changelog position>
 *
 * Invariants
 * 1. It reads, and changes nothing: GET alone, and no body is looked at.
 * 2. No client holds up messages, or others for long: so many questions are under way at once and no more, with so many bytes of
 *    answers that nobody has taken yet; whoever comes then is told to come again.
 * 3. Without the token nothing is told but 401; where there is none, and others than this machine may come, nobody has it; nor
 *    has a page in a browser on this machine that came under another name.
 * 4. What is asked wrongly is refused with what is wrong: nothing is guessed.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { StateDefinition } from '../api/definition.js'
import { CONSISTENCIES, consistencyOf, givenOf, MAX_PAGE_ENTRIES, type Consistency } from '../core/query/question.js'
import { askedRange, decodeCursor, encodeCursor, textOf, type ByteRange } from '../core/query/range.js'
import { shownState } from '../core/query/shown.js'
import { timersIn } from '../core/query/visible-state.js'
import { bytesOf, type ByteString } from '../core/records/byte-string.js'
import { isPotorooError, messageOf, PotorooError, type ErrorCode } from '../errors.js'
import type { QueryService } from '../ports/queries.js'
import { isLetIn, type Access } from './access.js'

export const STATES_PATH = '/v1'

const MAX_AT_A_TIME = 256
const MAX_WAITING_BYTES = 32 * 1024 * 1024
const DEFAULT_LIMIT = 100
/** A slow reader is let go after that long without taking anything. */
const STALL_MS = 10_000

/** What is not here is a failure of the server's, 500. */
export const stateStatuses: Partial<Readonly<Record<ErrorCode, number>>> = {
  QUERY_INVALID: 400,
  STATE_UNKNOWN: 404,
  QUERY_UNANSWERED: 503,
}

export const isStatesPath = (url: string): boolean => /^\/v1(?:[/?]|$)/.test(url)

export class StateHttp {
  #underWay = 0
  #waitingBytes = 0

  /** `queries`: undefined while the worker starts. */
  constructor(
    private readonly queries: () => QueryService | undefined,
    private readonly access: Access,
  ) {}

  answer(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => undefined)
    if (!isLetIn(request, this.access)) {
      response.writeHead(401, { 'www-authenticate': 'Bearer', connection: 'close' }).end()
      return
    }
    response.setTimeout(STALL_MS, () => response.destroy())
    if (request.method !== 'GET') {
      this.#refuse(response.setHeader('allow', 'GET'), 405, new PotorooError('QUERY_INVALID', 'GET alone'))
      return
    }
    if (this.#underWay >= MAX_AT_A_TIME || this.#waitingBytes >= MAX_WAITING_BYTES) {
      const why = 'this worker answers as many questions as it may at once'
      this.#refuse(response, 503, new PotorooError('QUERY_UNANSWERED', why))
      return
    }
    this.#underWay++
    this.#find(request.url ?? '')
      .then(
        (found) => {
          this.#send(response, 200, found)
        },
        (error: unknown) => {
          this.#refuse(response, isPotorooError(error) ? (stateStatuses[error.code] ?? 500) : 500, error)
        },
      )
      .finally(() => {
        this.#underWay--
      })
      // A reader may go away between two lines.
      .catch(() => undefined)
  }

  #refuse(response: ServerResponse, status: number, error: unknown): void {
    const known = isPotorooError(error) ? error : new PotorooError('INTERNAL', messageOf(error))
    const { code, message, cure } = known
    if (status === 503) response.setHeader('retry-after', '1')
    this.#send(response, status, { code, message, cure })
  }

  #send(response: ServerResponse, status: number, body: object): void {
    const text = `${JSON.stringify(body)}\n`
    const bytes = Buffer.byteLength(text)
    this.#waitingBytes += bytes
    response.once('close', () => {
      this.#waitingBytes -= bytes
    })
    response
      .writeHead(status, {
        'content-type': 'application/json',
        'content-length': bytes,
        'cache-control': 'no-store',
      })
      .end(text)
  }

  async #find(url: string): Promise<object> {
    const queries = this.queries()
    if (queries === undefined) throw new PotorooError('QUERY_UNANSWERED', 'this worker has not started yet')
    const [path = '', query = ''] = url.split(/\?(.*)/s, 2)
    const [, state = '', rest = ''] = /^\/v1\/?([^/]*)\/?(.*)$/s.exec(path) ?? []
    const given = parametersIn(query)
    if (state === '') {
      only(given)
      return { states: queries.states }
    }
    const name = decoded(state, 'the name of the state object')
    const consistency = consistencyIn(given.get('consistency'))
    if (rest !== '') {
      only(given, 'consistency', 'atLeast')
      return one(queries, name, decoded(rest, 'the key'), consistency, wholeNumber(given, 'atLeast', 0))
    }
    only(given, 'consistency', 'prefix', 'from', 'before', 'limit', 'cursor')
    return page(queries, name, rangeIn(given), wholeNumber(given, 'limit', 1) ?? DEFAULT_LIMIT, consistency)
  }
}

async function one(
  queries: QueryService,
  state: string,
  key: string,
  consistency: Consistency | undefined,
  atLeast: number | undefined,
): Promise<object> {
  const found = await queries.get(state, key, { consistency, atLeast })
  const { packed } = found
  const fields = packed === undefined ? { state: null } : told(queries.definition(state), packed, key)
  return { key, ...fields, ...givenOf(found) }
}

async function page(
  queries: QueryService,
  state: string,
  range: ByteRange,
  limit: number,
  consistency: Consistency | undefined,
): Promise<object> {
  const { entries, rest, parts } = await queries.page(state, range, Math.min(limit, MAX_PAGE_ENTRIES), consistency)
  const definition = queries.definition(state)
  return {
    entries: entries.map((entry) => {
      const key = textOf(entry.key)
      return { key, ...told(definition, entry.packed, key), ...givenOf(entry) }
    }),
    ...(rest === undefined ? {} : { cursor: encodeCursor(rest) }),
    parts,
  }
}

/** `timers`: where there are any. */
function told(definition: StateDefinition, packed: ByteString, key: string): { state: unknown; timers?: unknown } {
  const bytes = bytesOf(packed)
  const state = shownState(definition, bytes, key)
  if (state === undefined)
    throw new PotorooError('STORE_DAMAGED', `the bytes of a state object ${definition.name} can't be read`)
  const timers = timersIn(bytes)
  return timers.length === 0 ? { state } : { state, timers }
}

const invalid = (what: string): PotorooError => new PotorooError('QUERY_INVALID', what)

/** By name, as they stand in the URL. */
function parametersIn(query: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const part of query.split('&')) {
    if (part === '') continue
    const [name = '', value = ''] = part.split(/=(.*)/s, 2).map((text) => decoded(text.replaceAll('+', ' '), 'the URL'))
    if (found.has(name)) throw invalid(`${name} is given twice`)
    found.set(name, value)
  }
  return found
}

function decoded(text: string, what: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid(`${what} is no UTF-8 in percent-encoding`)
  }
}

function only(given: ReadonlyMap<string, string>, ...known: readonly string[]): void {
  for (const name of given.keys())
    if (!known.includes(name))
      throw invalid(
        `there is no parameter ${name.slice(0, 100)} here${known.length === 0 ? '' : `: there are ${known.join(', ')}`}`,
      )
}

function wholeNumber(given: ReadonlyMap<string, string>, name: string, least: number): number | undefined {
  const text = given.get(name)
  if (text === undefined) return undefined
  const number = Number(text)
  if (!/^\d{1,15}$/.test(text) || number < least)
    throw invalid(`${name} '${text.slice(0, 100)}': it has to be a whole number, ${String(least)} or more`)
  return number
}

function consistencyIn(text: string | undefined): Consistency | undefined {
  if (text === undefined) return undefined
  const consistency = consistencyOf(text)
  if (consistency !== undefined) return consistency
  throw invalid(`consistency '${text.slice(0, 100)}': it has to be ${CONSISTENCIES}`)
}

function rangeIn(given: ReadonlyMap<string, string>): ByteRange {
  const [prefix, from, before, cursor] = ['prefix', 'from', 'before', 'cursor'].map((name) => given.get(name))
  const range = askedRange({ prefix, from, before })
  if (cursor === undefined) return range
  const rest = decodeCursor(cursor)
  if (rest === undefined) throw invalid('the cursor is none that was given out')
  // The range need not be said again; where it is, the cursor has to be of it.
  const isSaid = prefix !== undefined || from !== undefined || before !== undefined
  if (isSaid && (rest.before !== range.before || rest.from < range.from))
    throw invalid('the cursor is of another range')
  return rest
}
