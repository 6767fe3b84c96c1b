/** The port `Peers` on Node's HTTP. */
import type { Question, TaskAnswer } from '../core/query/question.js'
import type { WorkerStatus } from '../core/group/worker-status.js'
import { PotorooError } from '../errors.js'
import type { Peer, Peers, PeerService, Snapshot } from '../ports/peers.js'
import { ask, askingAgent } from './ask.js'
import { askStatus } from './ask-status.js'
import { download } from './download.js'
import { settingsOf, type PeersOptions, type PeersSettings } from './options.js'
import { PeerServer } from './server.js'
import { Watch } from './watch.js'

export type { PeerOptions, PeersOptions } from './options.js'

/** Throws INVALID_CONFIGURATION. Nothing is open before `listen` or `watch`. */
export const createPeers = (options: PeersOptions): Peers => new HttpPeers(settingsOf(options))

class HttpPeers implements Peers {
  readonly #closing = new AbortController()
  readonly #agent = askingAgent()
  /** By address and member id. A dead one stays until it is no longer to be watched, so that it is told once. */
  #watches = new Map<string, Watch>()
  #died: (peer: Peer) => void = () => undefined
  #server: PeerServer | undefined

  constructor(private readonly settings: PeersSettings) {}

  async listen(service: PeerService): Promise<string> {
    this.#refuseClosed()
    if (this.#server !== undefined) throw new PotorooError('INTERNAL', 'This worker listens to its peers already.')
    this.#server = new PeerServer(this.settings, service)
    return this.#server.listen()
  }

  watch(peers: readonly Peer[], died: (peer: Peer) => void): void {
    if (this.#closing.signal.aborted) return
    this.#died = died
    const before = this.#watches
    this.#watches = new Map()
    for (const peer of peers) {
      const name = `${peer.address} ${peer.memberId}`
      const watch = before.get(name) ?? new Watch(this.settings, peer, () => this.#died(peer))
      before.delete(name)
      this.#watches.set(name, watch)
    }
    for (const watch of before.values()) watch.stop()
  }

  // Asynchronous, so that who asks a moment too late is told as of every other failure.
  async snapshot(peer: Peer, task: string, signal: AbortSignal): Promise<Snapshot | undefined> {
    this.#refuseClosed()
    return download(this.settings, peer, task, AbortSignal.any([signal, this.#closing.signal]))
  }

  async status(peer: Peer, signal: AbortSignal): Promise<WorkerStatus | undefined> {
    this.#refuseClosed()
    return askStatus(this.settings, peer, AbortSignal.any([signal, this.#closing.signal]))
  }

  async ask(peer: Peer, question: Question, signal: AbortSignal): Promise<TaskAnswer | undefined> {
    this.#refuseClosed()
    return ask(this.settings, this.#agent, peer, question, AbortSignal.any([signal, this.#closing.signal]))
  }

  async close(): Promise<void> {
    this.#agent.destroy()
    this.#closing.abort(new PotorooError('PEER_UNREACHABLE', 'This worker stops.'))
    for (const watch of this.#watches.values()) watch.stop()
    this.#watches.clear()
    await this.#server?.close()
  }

  #refuseClosed(): void {
    if (this.#closing.signal.aborted) throw new PotorooError('INTERNAL', 'The connections to peers are closed already.')
  }
}
