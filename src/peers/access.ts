/**
 * Who may ask over HTTP, by one rule for every place where Potoroo listens: loopback is free unless there is a token; anything
 * else needs one.
 */
import type { IncomingMessage } from 'node:http'
import { isLoopback } from './options.js'
import { isAuthorized } from './protocol.js'

export interface Access {
  readonly token: string | undefined
  /** Where it is listened. */
  readonly host: string
}

export function isAdmitted(request: IncomingMessage, { token, host }: Access): boolean {
  if (token !== undefined) return isAuthorized(request, token)
  // A page that a browser here has open may let a name of its own lead to loopback (DNS rebinding): that is the name it says.
  return isLoopback(host) && isLoopback(hostOf(request.headers.host ?? ''))
}

/** Of a Host header, without its port. */
const hostOf = (header: string): string => header.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
