/** The other workers of the group, reached directly: to copy a task's store from its owner, and to notice a death at once. */

import type { Question, TaskAnswer } from '../core/query/question.js'
import type { WorkerStatus } from '../core/group/worker-status.js'
import type { QueryService } from './queries.js'

export interface Peer {
  readonly memberId: string
  /** `host:port`, as that worker says of itself in the group's metadata. */
  readonly address: string
}

/** What this worker serves to its peers. */
export interface PeerService {
  /** The member id in the greeting: another id at the same address means that the old member is dead. */
  memberId(): string
  /** A consistent copy of the store of a task that is active here; undefined when it isn't. */
  snapshot(task: string): Promise<Snapshot | undefined>
  /** What it is doing now. Called from outside at any time: must be cheap. */
  status(): WorkerStatus
  /** What a task has that is here. Never rejects. */
  answer(question: Question): Promise<TaskAnswer>
  /** For clients that are not workers. */
  readonly queries: QueryService
}

/** A consistent copy of a store, on its way. */
export interface Snapshot {
  readonly bytes: number
  /** Gives the bytes once; releases what it holds when it ends, is returned early or throws. */
  chunks(): AsyncIterable<Uint8Array>
  /** For one that is not read. */
  discard(): Promise<void>
}

export interface Peers {
  /** Starts to listen, and resolves with this worker's address. */
  listen(service: PeerService): Promise<string>
  /**
   * Keeps a connection to each of these, and to no other. `died` is told of a peer, once, when that is certain: its
   * connection closed and a new one was refused, or the greeting has another member id. What is not certain (no answer, a
   * host or network that is gone) is left to the session timeout.
   */
  watch(peers: readonly Peer[], died: (peer: Peer) => void): void
  /**
   * A copy of the peer's store. Resolves with undefined when the peer doesn't have the task active. Rejects when the peer
   * can't be reached or refuses the token; `chunks()` throws when it breaks off or its checksum is wrong.
   */
  snapshot(peer: Peer, task: string, signal: AbortSignal): Promise<Snapshot | undefined>
  /**
   * What the peer is doing now. Resolves with undefined when another member is at its address, or one that can't tell.
   * Rejects when the peer can't be reached, does not answer in about a second, or refuses the token.
   */
  status(peer: Peer, signal: AbortSignal): Promise<WorkerStatus | undefined>
  /**
   * What a task of the peer's has. Resolves with undefined when another member is at its address, or one that takes no questions.
   * Rejects when the peer can't be reached, does not answer in time, or refuses the token.
   */
  ask(peer: Peer, question: Question, signal: AbortSignal): Promise<TaskAnswer | undefined>
  close(): Promise<void>
}
