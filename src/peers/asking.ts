/** Asking a peer for something: what all requests have in common, and how they fail. */
import { get, type IncomingMessage } from 'node:http'
import { messageOf, PotorooError } from '../errors.js'
import type { Peer } from '../ports/peers.js'
import { parseAddress, type PeersSettings } from './options.js'
import { authorization } from './protocol.js'

export interface Question {
  readonly peer: Peer
  /** What is asked for, for messages: `snapshot`. */
  readonly what: string
  readonly path: string
  /** From when it is connected to the answer's head. */
  readonly answerTimeoutMs: number
}

/**
 * The answer's head. Rejects with PEER_UNREACHABLE, PEER_REFUSED (another token) or the signal's reason, which also ends
 * the answer's body.
 */
export async function answerTo(
  question: Question,
  { token, stallTimeoutMs }: Pick<PeersSettings, 'token' | 'stallTimeoutMs'>,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  signal.throwIfAborted()
  const { peer, path, answerTimeoutMs } = question
  const to = parseAddress(peer.address)
  if (to === undefined) throw unreachable(question, `${JSON.stringify(peer.address)} is not an address`)
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const asking = get({ ...to, path, headers: authorization(token), agent: false, signal })
    asking.setTimeout(stallTimeoutMs, () => asking.destroy(new Error('no answer')))
    asking.once('socket', (socket) => socket.once('connect', () => asking.setTimeout(answerTimeoutMs)))
    asking.once('response', (answer) => {
      asking.setTimeout(stallTimeoutMs)
      resolve(answer)
    })
    asking.on('error', (error) => {
      reject(signal.aborted ? (signal.reason as Error) : unreachable(question, messageOf(error), error))
    })
    // An answer that wants another protocol ends without any of the other events.
    asking.once('close', () => {
      reject(unreachable(question, 'it closed without an answer'))
    })
  })
  // whatever follows, an error must not go unheard
  response.on('error', () => undefined)
  if (response.statusCode !== 401) return response
  response.destroy()
  throw new PotorooError('PEER_REFUSED', `The worker at ${peer.address} uses a different token from this one.`)
}

/** The answer's body. Rejects with PEER_UNREACHABLE, or the signal's reason. */
export async function textOf(
  response: IncomingMessage,
  question: Question,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > maxBytes) throw unreachable(question, `it is longer than ${maxBytes} bytes`)
      chunks.push(chunk)
    }
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason
    throw error instanceof PotorooError ? error : unreachable(question, `it was cut off: ${messageOf(error)}`, error)
  }
  return Buffer.concat(chunks).toString()
}

export const unreachable = ({ peer, what }: Question, why: string, cause?: unknown): PotorooError =>
  new PotorooError('PEER_UNREACHABLE', `No ${what} from the worker at ${peer.address}: ${why}.`, { cause })
