/** Gets a snapshot from a peer. What is not whole, or not what the peer sent, ends in an error instead of the last chunk. */
import { get, type IncomingMessage } from 'node:http'
import { crc32c } from '@node-rs/crc32'
import { messageOf, PotorooError } from '../errors.js'
import type { Peer, Snapshot } from '../ports/peers.js'
import { parseAddress, type PeersSettings } from './options.js'
import { authorization, CHECKSUM_BYTES, memberOf, SNAPSHOT_PATH, SNAPSHOT_TYPE } from './protocol.js'

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
  const response = await answerOf(settings, peer, task, signal)
  // whatever follows, an error must not go unheard
  response.on('error', () => undefined)
  try {
    return snapshotOf(response, peer, signal)
  } catch (error) {
    response.destroy()
    throw error
  }
}

function answerOf(
  { token, stallTimeoutMs }: PeersSettings,
  peer: Peer,
  task: string,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  signal.throwIfAborted()
  const to = parseAddress(peer.address)
  if (to === undefined) throw unreachable(peer, `${JSON.stringify(peer.address)} is no address`)
  return new Promise((resolve, reject) => {
    const path = SNAPSHOT_PATH + encodeURIComponent(task)
    const asking = get({ ...to, path, headers: authorization(token), agent: false, signal })
    asking.setTimeout(stallTimeoutMs, () => asking.destroy(new Error('no answer')))
    asking.once('socket', (socket) => socket.once('connect', () => asking.setTimeout(ANSWER_TIMEOUT_MS)))
    asking.once('response', (response) => {
      asking.setTimeout(stallTimeoutMs)
      resolve(response)
    })
    asking.on('error', (error) => {
      reject(signal.aborted ? (signal.reason as Error) : unreachable(peer, messageOf(error), error))
    })
  })
}

function snapshotOf(response: IncomingMessage, peer: Peer, signal: AbortSignal): Snapshot | undefined {
  const { statusCode, headers } = response
  if (statusCode === 401)
    throw new PotorooError('PEER_REFUSED', `The worker at ${peer.address} has another token than this one.`)
  const member = memberOf(response)
  if (member === undefined) throw foreign(peer, 'what answers is not Potoroo')
  if (member !== peer.memberId) throw foreign(peer, `there is ${JSON.stringify(member)}, not ${peer.memberId}`)
  if (statusCode === 404) {
    response.destroy()
    return undefined
  }
  if (statusCode !== 200) throw unreachable(peer, `it answers with status ${String(statusCode)}`)
  const bytes = Number(headers['content-length']) - CHECKSUM_BYTES
  if (headers['content-type'] !== SNAPSHOT_TYPE || !Number.isSafeInteger(bytes) || bytes < 0)
    throw foreign(peer, 'its answer is no snapshot')
  return {
    bytes,
    chunks: () => read(response, bytes, peer, signal),
    discard: () => {
      response.destroy()
      return Promise.resolve()
    },
  }
}

async function* read(
  response: IncomingMessage,
  bytes: number,
  peer: Peer,
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
      : unreachable(peer, `its snapshot broke off, ${left} of ${bytes} bytes are missing`, error)
  } finally {
    response.destroy()
  }
  const sent = Buffer.concat(end)
  if (left > 0 || sent.length !== CHECKSUM_BYTES)
    throw unreachable(peer, `its snapshot broke off, ${left} of ${bytes} bytes are missing`)
  if (sent.readUInt32BE() !== checksum)
    throw new PotorooError('SNAPSHOT_DAMAGED', `The snapshot from ${peer.address} came damaged: its checksum is wrong.`)
}

const unreachable = (peer: Peer, why: string, cause?: unknown): PotorooError =>
  new PotorooError('PEER_UNREACHABLE', `No snapshot from the worker at ${peer.address}: ${why}.`, { cause })

const foreign = (peer: Peer, why: string): PotorooError =>
  new PotorooError('SNAPSHOT_DAMAGED', `No snapshot from ${peer.address}: ${why}.`)
