/**
 * The other workers of the group, reached directly: to copy a task's store from its owner, and to notice a death
 * immediately.
 */

import type { Question, TaskAnswer } from '../core/query/question.js'
import type { WorkerStatus } from '../core/group/worker-status.js'
import type { QueryService } from './queries.js'

export interface Peer {
  readonly memberId: string
  /** `host:port`, as that worker reports it in the group's metadata. */
  readonly address: string
}

/** What this worker serves to its peers. */
export interface PeerService {
  /** The member id in the greeting: a different id at the same address means that the old member is dead. */
  memberId(): string
  /** A consistent copy of the store of a task that is active here; undefined if it isn't. */
  snapshot(task: string): Promise<Snapshot | undefined>
  /** What it is doing now. Called from outside at any time, so it must be cheap. */
  status(): WorkerStatus
  /** What a task on this worker has. Never rejects. */
  answer(question: Question): Promise<TaskAnswer>
  /** For clients that are not workers. */
  readonly queries: QueryService
}

/** A consistent copy of a store, in transit. */
export interface Snapshot {
  readonly bytes: number
  /** Yields the bytes once; releases its resources when it ends, is returned early or throws. */
  chunks(): AsyncIterable<Uint8Array>
  /** For a copy that is not read. */
  discard(): Promise<void>
}

export interface Peers {
  /** Starts to listen, and resolves with this worker's address. */
  listen(service: PeerService): Promise<string>
  /**
   * Keeps a connection to each of these, and to no others. `died` is called once for a peer that is certainly dead: its
   * connection closed and a new one was refused, or the greeting has another member id. Uncertain cases (no answer, a
   * host or network that is gone) are left to the session timeout.
   */
  watch(peers: readonly Peer[], died: (peer: Peer) => void): void
  /**
   * A copy of the peer's store. Resolves with undefined if the task is not active at the peer. Rejects if the peer
   * can't be reached or refuses the token; `chunks()` throws if the copy is cut off or its checksum is wrong.
   */
  snapshot(peer: Peer, task: string, signal: AbortSignal): Promise<Snapshot | undefined>
  /**
   * What the peer is doing now. Resolves with undefined if another member is at its address, or one that can't tell.
   * Rejects if the peer can't be reached, does not answer within about a second, or refuses the token.
   */
  status(peer: Peer, signal: AbortSignal): Promise<WorkerStatus | undefined>
  /**
   * What a task of the peer has. Resolves with undefined if another member is at its address, or one that takes no
   * queries. Rejects if the peer can't be reached, does not answer in time, or refuses the token.
   */
  ask(peer: Peer, question: Question, signal: AbortSignal): Promise<TaskAnswer | undefined>
  close(): Promise<void>
}
