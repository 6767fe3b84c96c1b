/** Asks a peer what one of its tasks has. There may be a thousand such questions a second, so connections stay. */
import { Agent, get } from 'node:http'
import { decodeAnswer, encodeQuestion, type Question, type TaskAnswer } from '../core/query/question.js'
import { messageOf, PotorooError } from '../errors.js'
import type { Peer } from '../ports/peers.js'
import { textOf, unreachable, type Question as Asked } from './asking.js'
import { parseAddress, type PeersSettings } from './options.js'
import { ASK_PATH, authorization, memberOf } from './protocol.js'

/** For all of it: a worker that is paused is not to be waited for, because another may have the task soon. */
const TIMEOUT_MS = 1_000
/** A page's state objects, in base64; one of them may be as large as a changelog takes. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024
const MAX_CONNECTIONS = 32

export const askingAgent = (): Agent => new Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS, scheduling: 'lifo' })

/**
 * Undefined when what answers is another member than this peer, or takes no questions. Rejects with PEER_UNREACHABLE,
 * PEER_REFUSED or the signal's reason.
 */
export async function ask(
  { token, clock }: Pick<PeersSettings, 'token' | 'clock'>,
  agent: Agent,
  peer: Peer,
  question: Question,
  signal: AbortSignal,
): Promise<TaskAnswer | undefined> {
  signal.throwIfAborted()
  const asked: Asked = { peer, what: 'answer', path: ASK_PATH, answerTimeoutMs: TIMEOUT_MS }
  const to = parseAddress(peer.address)
  if (to === undefined) throw unreachable(asked, `${JSON.stringify(peer.address)} is not an address`)
  const path = ASK_PATH + Buffer.from(encodeQuestion(question)).toString('base64url')
  return new Promise((resolve, reject) => {
    const request = get({ ...to, path, agent, headers: authorization(token) })
    const abort = (): void => {
      end(signal.reason as Error)
    }
    const timer = clock.after(TIMEOUT_MS, () => {
      end(unreachable(asked, `no answer within ${TIMEOUT_MS} ms`))
    })
    const end = (outcome: TaskAnswer | Error | undefined): void => {
      timer.cancel()
      signal.removeEventListener('abort', abort)
      if (outcome instanceof Error) {
        request.destroy()
        reject(outcome)
      } else resolve(outcome)
    }
    signal.addEventListener('abort', abort)
    request.on('error', (error) => {
      end(unreachable(asked, messageOf(error), error))
    })
    // An answer that wants another protocol ends without any of the other events.
    const closed = (): void => {
      end(unreachable(asked, 'it closed without an answer'))
    }
    request.once('close', closed)
    request.once('response', (response) => {
      request.off('close', closed)
      textOf(response, asked, MAX_ANSWER_BYTES).then(
        (text) => {
          if (response.statusCode === 401)
            end(new PotorooError('PEER_REFUSED', `The worker at ${peer.address} uses a different token from this one.`))
          else if (response.statusCode !== 200 || memberOf(response) !== peer.memberId) end(undefined)
          else end(decodeAnswer(text))
        },
        (error: unknown) => {
          end(error instanceof Error ? error : unreachable(asked, messageOf(error)))
        },
      )
    })
  })
}
