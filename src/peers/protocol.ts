/**
 * What peers say to each other, in HTTP/1.1:
 *
 *     GET /watch             200: its body is empty and ends with the life of the member id that the head names
 *                            503: no member at the moment
 *     GET /snapshot/<task>   200: the bytes of a store, then their CRC32C (4 bytes, big-endian)
 *                            404: the task is not active here
 *     GET /status            200: what the worker is doing now, as JSON (core/group/worker-status.ts)
 *     GET /ask/<question>    200: what a task that is here has, both as JSON (core/query/question.ts), the question in base64url
 *     GET /v1…               state objects, for clients that are not workers (state-http.ts)
 *     Authorization: Bearer <token>   where a token is set; 401 without it
 *     Potoroo-Member: <member id>     in every answer but 401, URI-encoded: who is not Potoroo does not send it
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

export const WATCH_PATH = '/watch'
export const STATUS_PATH = '/status'
export const ASK_PATH = '/ask/'
export const SNAPSHOT_PATH = '/snapshot/'
export const SNAPSHOT_TYPE = 'application/vnd.potoroo.snapshot'
export const CHECKSUM_BYTES = 4
export const MEMBER_HEADER = 'potoroo-member'

export const memberHeader = (memberId: string): string => encodeURIComponent(memberId)

export function memberOf({ headers }: IncomingMessage): string | undefined {
  const header = headers[MEMBER_HEADER]
  try {
    return typeof header === 'string' ? decodeURIComponent(header) : undefined
  } catch {
    return undefined
  }
}

export const authorization = (token: string | undefined): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` }

/** In a time that says nothing about the token. */
export function isAuthorized({ headers }: IncomingMessage, token: string | undefined): boolean {
  if (token === undefined) return true
  return timingSafeEqual(digest(headers.authorization ?? ''), digest(`Bearer ${token}`))
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
