/**
 * Pure: how large the one record is that Kafka keeps a whole group in. The coordinator writes it to `__consumer_offsets`
 * when the leader has assigned, as a batch of its own that has to fit the topic's `max.message.bytes`:
 *
 *     Key   => Version:int16 Group:string
 *     Value => Version:int16 ProtocolType:string Generation:int32 Protocol:string Leader:string StateTimestamp:int64 [Member]
 *     Member => MemberId:string GroupInstanceId:string ClientId:string ClientHost:string RebalanceTimeout:int32
 *               SessionTimeout:int32 Subscription:bytes Assignment:bytes
 *
 * Source: GroupMetadataKey.json and GroupMetadataValue.json (version 3) of Apache Kafka.
 */

/** Kafka's default of `message.max.bytes`, which `__consumer_offsets` has, too. */
export const DEFAULT_MAX_BATCH_BYTES = 1_048_588

export interface RecordedGroup {
  readonly id: string
  readonly protocolType: string
  readonly protocol: string
  readonly leader: string
  readonly members: readonly RecordedMember[]
}
export interface RecordedMember {
  readonly memberId: string
  readonly clientId: string
  /** As brokers write it: `/10.0.0.1`. */
  readonly clientHost: string
  readonly subscription: { readonly length: number }
  readonly assignment: { readonly length: number }
}

/** Of the batch with this one record, uncompressed. */
export function groupRecordBytes({ id, protocolType, protocol, leader, members }: RecordedGroup): number {
  const key = 2 + string(id)
  const head = 2 + string(protocolType) + 4 + string(protocol) + string(leader) + 8 + 4
  const value = members.reduce((sum, member) => sum + memberBytes(member), head)
  // attributes, deltas of time and offset, and the number of headers: a byte each
  const record = 4 + varint(key) + key + varint(value) + value
  return BATCH_HEADER + varint(record) + record
}

const BATCH_HEADER = 61
const NO_INSTANCE_ID = 2
const TIMEOUTS = 8

const memberBytes = ({ memberId, clientId, clientHost, subscription, assignment }: RecordedMember): number =>
  string(memberId) +
  NO_INSTANCE_ID +
  string(clientId) +
  string(clientHost) +
  TIMEOUTS +
  bytes(subscription) +
  bytes(assignment)

const string = (text: string): number => 2 + Buffer.byteLength(text)
const bytes = ({ length }: { readonly length: number }): number => 4 + length
/** Zigzag, seven bits a byte. */
function varint(value: number): number {
  let count = 1
  for (let rest = value * 2; rest >= 128; rest = Math.floor(rest / 128)) count++
  return count
}
