/** Asks a peer what it is doing. The answer is small and comes at once, or it is not worth waiting for. */
import { decodeWorkerStatus, type WorkerStatus } from '../core/group/worker-status.js'
import type { Peer } from '../ports/peers.js'
import { answerTo, textOf, unreachable, type Question } from './asking.js'
import type { PeersSettings } from './options.js'
import { memberOf, STATUS_PATH } from './protocol.js'

/** For all of it: who looks at many workers must not wait long for one that is paused. */
const TIMEOUT_MS = 1_000
/** Some 50,000 tasks. */
const MAX_STATUS_BYTES = 4 * 1024 * 1024

/**
 * Undefined when what answers is another member than this peer, no Potoroo, or one that has no status to tell. Rejects
 * with PEER_UNREACHABLE, PEER_REFUSED or the signal's reason.
 */
export async function askStatus(
  settings: PeersSettings,
  peer: Peer,
  signal: AbortSignal,
): Promise<WorkerStatus | undefined> {
  const question: Question = { peer, what: 'status', path: STATUS_PATH, answerTimeoutMs: TIMEOUT_MS }
  const tooLate = new AbortController()
  const timer = settings.clock.after(TIMEOUT_MS, () => {
    tooLate.abort(unreachable(question, `no answer within ${TIMEOUT_MS} ms`))
  })
  const either = AbortSignal.any([signal, tooLate.signal])
  try {
    const response = await answerTo(question, settings, either)
    try {
      if (response.statusCode !== 200 || memberOf(response) !== peer.memberId) return undefined
      return decodeWorkerStatus(await textOf(response, question, MAX_STATUS_BYTES, either))
    } finally {
      response.destroy()
    }
  } finally {
    timer.cancel()
  }
}
