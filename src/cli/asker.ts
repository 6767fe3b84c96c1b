/** Asks workers for state objects, over the HTTP that each of them serves (docs/queries.md). */
import { isRecord } from '../core/json-shape.js'
import { isErrorCode, isPotorooError, messageOf, PotorooError } from '../errors.js'
import { answerTo, textOf, type Question } from '../peers/asking.js'
import type { PeersSettings } from '../peers/options.js'
import { STATES_PATH } from '../peers/state-http.js'

/** A worker asks around for 5 s. */
const ANSWER_MS = 8_000
const MAX_ANSWER_BYTES = 256 * 1024 * 1024

/** An answer, as JSON. */
export type Found = Readonly<Record<string, unknown>>

/** What has to be known of a worker to ask it. */
export interface Addressed {
  readonly memberId: string
  readonly info: { readonly address?: string | undefined } | undefined
}

/** Asks one worker after another, until one answers. */
export class Asker {
  constructor(
    private readonly members: readonly Addressed[],
    private readonly settings: PeersSettings,
    private readonly application: string,
  ) {}

  async ask(path: string, parameters: Readonly<Record<string, string | undefined>>): Promise<Found> {
    const given = Object.entries(parameters).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
    )
    return this.askUrl(`${STATES_PATH}${path}${given.length === 0 ? '' : `?${given.join('&')}`}`)
  }

  /** By path and query, as docs/queries.md has them. */
  async askUrl(url: string): Promise<Found> {
    let failure = new PotorooError('QUERY_UNANSWERED', `no worker of ${this.application} is running`, {
      cure: 'Start one: npx potoroo run <application>',
    })
    for (const { memberId, info } of this.members) {
      const peer = { memberId, address: info?.address ?? '' }
      try {
        return await this.#askOne({ peer, what: 'state objects', path: url, answerTimeoutMs: ANSWER_MS })
      } catch (error) {
        // What is wrong with the question, every worker says.
        if (isPotorooError(error) && ['QUERY_INVALID', 'STATE_UNKNOWN'].includes(error.code)) throw error
        failure = isPotorooError(error) ? error : new PotorooError('QUERY_UNANSWERED', messageOf(error))
      }
    }
    if (failure.code === 'PEER_REFUSED')
      throw new PotorooError('PEER_REFUSED', 'The workers use a token, and it is not the one set here.', {
        cure: 'Set POTOROO_PEER_TOKEN to the token that the workers use.',
      })
    throw failure
  }

  async #askOne(question: Question): Promise<Found> {
    const response = await answerTo(question, this.settings, new AbortController().signal)
    const found: unknown = JSON.parse(await textOf(response, question, MAX_ANSWER_BYTES))
    if (!isRecord(found))
      throw new PotorooError('QUERY_UNANSWERED', `${question.peer.address} sent something that is not an answer`)
    if (response.statusCode === 200) return found
    const { code, message, cure } = found
    if (!isErrorCode(code) || typeof message !== 'string')
      throw new PotorooError('QUERY_UNANSWERED', `${question.peer.address} answers with ${String(response.statusCode)}`)
    throw new PotorooError(code, message, typeof cure === 'string' ? { cure } : {})
  }
}
