/** Gets a snapshot from a peer. What is not whole, or not what the peer sent, ends in an error instead of the last chunk. */
import type { IncomingMessage } from 'node:http'
import { crc32c } from '@node-rs/crc32'
import { PotorooError } from '../errors.js'
import type { Peer, Snapshot } from '../ports/peers.js'
import { answerTo, unreachable, type Question } from './asking.js'
import type { PeersSettings } from './options.js'
import { CHECKSUM_BYTES, memberOf, SNAPSHOT_PATH, SNAPSHOT_TYPE } from './protocol.js'

/** The peer may have others to serve first. */
const ANSWER_TIMEOUT_MS = 30_000

/**
 * Undefined when the peer doesn't have the task active. Rejects with PEER_UNREACHABLE, PEER_REFUSED, SNAPSHOT_DAMAGED
 * (what answers is no Potoroo, or another member) or the signal's reason.
 */
export async function download(
  settings: PeersSettings,
  peer: Peer,
  task: string,
  signal: AbortSignal,
): Promise<Snapshot | undefined> {
  const question = questionOf(peer, task)
  const response = await answerTo(question, settings, signal)
  try {
    return snapshotOf(response, question, signal)
  } catch (error) {
    response.destroy()
    throw error
  }
}

const questionOf = (peer: Peer, task: string): Question => ({
  peer,
  what: 'snapshot',
  path: SNAPSHOT_PATH + encodeURIComponent(task),
  answerTimeoutMs: ANSWER_TIMEOUT_MS,
})

function snapshotOf(response: IncomingMessage, question: Question, signal: AbortSignal): Snapshot | undefined {
  const { statusCode, headers } = response
  const { peer } = question
  const member = memberOf(response)
  if (member === undefined) throw foreign(peer, 'what answers there is not Potoroo')
  if (member !== peer.memberId) throw foreign(peer, `there is ${JSON.stringify(member)}, not ${peer.memberId}`)
  if (statusCode === 404) {
    response.destroy()
    return undefined
  }
  if (statusCode !== 200) throw unreachable(question, `it answers with status ${String(statusCode)}`)
  const bytes = Number(headers['content-length']) - CHECKSUM_BYTES
  if (headers['content-type'] !== SNAPSHOT_TYPE || !Number.isSafeInteger(bytes) || bytes < 0)
    throw foreign(peer, 'its answer is not a snapshot')
  return {
    bytes,
    chunks: () => read(response, bytes, question, signal),
    discard: () => {
      response.destroy()
      return Promise.resolve()
    },
  }
}

async function* read(
  response: IncomingMessage,
  bytes: number,
  question: Question,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let left = bytes
  let checksum = 0
  const end: Uint8Array[] = []
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      const data = chunk.subarray(0, left)
      left -= data.length
      checksum = crc32c(data, checksum)
      if (data.length < chunk.length) end.push(chunk.subarray(data.length))
      if (data.length > 0) yield data
    }
  } catch (error) {
    throw signal.aborted
      ? signal.reason
      : unreachable(question, `its snapshot was cut off, ${left} of ${bytes} bytes are missing`, error)
  }
  const sent = Buffer.concat(end)
  if (sent.length !== CHECKSUM_BYTES)
    throw unreachable(question, `its snapshot was cut off, ${left} of ${bytes} bytes are missing`)
  if (sent.readUInt32BE() !== checksum)
    throw new PotorooError(
      'SNAPSHOT_DAMAGED',
      `The snapshot from ${question.peer.address} arrived damaged: its checksum is wrong.`,
    )
}

const foreign = (peer: Peer, why: string): PotorooError =>
  new PotorooError('SNAPSHOT_DAMAGED', `No snapshot from ${peer.address}: ${why}.`)
