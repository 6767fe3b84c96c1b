/** Every decision about time and failure that the simulated world takes is asked here, so that one seed can take them all. */

export type Api =
  | 'ping'
  | 'describeTopics'
  | 'createTopics'
  | 'listOffsets'
  | 'deleteRecords'
  | 'deleteTopics'
  | 'describeGroup'
  | 'deleteGroup'
  | 'offsetFetch'
  | 'fetch'
  | 'initProducerId'
  | 'addPartitionsToTxn'
  | 'addOffsetsToTxn'
  | 'produce'
  | 'txnOffsetCommit'
  | 'endTxn'
  | 'joinGroup'
  | 'syncGroup'
  | 'heartbeat'
  | 'leaveGroup'
  /** Between workers: a connection, a snapshot, a piece of one. */
  | 'peerConnect'
  | 'peerSnapshot'
  | 'peerChunk'
  | 'peerStatus'
  | 'peerAsk'

export interface RequestInfo {
  /** Name of the process that sends it. */
  readonly process: string
  /** -1: another worker. */
  readonly broker: number
  readonly api: Api
  /** What it is about: a transactional id, a group, topics. */
  readonly subject: string
}

/** What becomes of one request. */
export interface Fate {
  /** ms until it is at the broker. */
  readonly toBrokerMs: number
  /** ms from the broker's answer until the client has it. */
  readonly toClientMs: number
  /**
   * `request-lost`: it never gets there, and the client sees the connection end after both times.
   * `answer-lost`: the broker does what it says, and the client sees the connection end instead of the answer.
   * `cut`: the client sees the connection end after `toClientMs`; the request is under way still, and is worked off.
   * `refused`: the broker does nothing, and answers what makes clients try again (it is loading, say).
   */
  readonly fault?: 'request-lost' | 'answer-lost' | 'cut' | 'refused' | undefined
}

/** What becomes of one write to a state store. */
export interface WriteFate {
  /** ms until it is on the disk. A process that is killed before has written half of the objects, or nothing. */
  readonly durableAfterMs: number
  /** ms from there until the writer knows. */
  readonly knownAfterMs: number
  /** Nothing is written, and the writer gets STORE_FAILED. */
  readonly fails?: boolean | undefined
}

export interface Faults {
  request(request: RequestInfo): Fate
  /** ms from when a fetch has read one partition until it reads the next: a broker reads them one after the other. */
  readMs(): number
  /** ms from the end of a transaction being decided until one partition has its marker. */
  markerMs(transactionalId: string): number
  write(write: { readonly process: string; readonly task: string }): WriteFate
  /** ms until a store is open. */
  openMs(open: { readonly process: string; readonly task: string }): number
}

/** Nothing fails, and everything takes a little time, always the same. */
export const noFaults: Faults = {
  request: () => ({ toBrokerMs: 0.2, toClientMs: 0.2 }),
  readMs: () => 0,
  markerMs: () => 0.5,
  write: () => ({ durableAfterMs: 0.5, knownAfterMs: 0.1 }),
  openMs: () => 0.5,
}
