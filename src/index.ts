/** Potoroo's public API: nothing else may be imported from the package. */
export { application, type Application } from './api/application.js'
export { days, hours, minutes, seconds } from './api/durations.js'
export {
  from,
  merge,
  table,
  type Context,
  type Keyed,
  type Pipeline,
  type Refused,
  type SinkOptions,
  intervalJoin,
  type Pairs,
  type Stream,
  type ToOptions,
  type Unkeyed,
  type WindowContext,
} from './api/stream.js'
export type { Call, CallOptions } from './api/call.js'
export { broadcast, type AnyBroadcast, type Broadcast, type BroadcastOptions } from './api/broadcast.js'
export type { Table } from './api/table.js'
export type { IntervalJoinOptions } from './api/pairs.js'
export { bytesCodec, messagePackCodec, stringCodec, type Codec } from './api/codec.js'
export type { PartitionerName } from './api/definition.js'
export type { BigIntegers } from './api/json/codec.js'
export {
  stateObject,
  type AnyStateObject,
  type Packing,
  type Expired,
  type StateClass,
  type StateObject,
  type StateOptions,
} from './api/state-object.js'
export {
  counting,
  hopping,
  session,
  tumbling,
  windowed,
  type Closed,
  type SessionOptions,
  type Sessions,
  type State,
  type Windowed,
  type WindowOptions,
  type Windows,
} from './api/windows.js'
export type {
  Answer,
  AsOf,
  KeyRange,
  OpenMessages,
  Queries,
  QueryOptions,
  SetTimer,
  SideMessage,
} from './api/queries.js'
export { timer, type Due, type Timer, type TimerOptions } from './api/timer.js'
export {
  topic,
  type CodecTopicOptions,
  type Message,
  type Origin,
  type Sink,
  type Topic,
  type TopicOptions,
  type TopicSettings,
  type UnkeyedCodecTopicOptions,
  type UnkeyedTopic,
  type UnkeyedTopicOptions,
} from './api/topic.js'
export { PotorooError, isPotorooError, type ErrorCode } from './errors.js'
export type { NotReady, Readiness } from './ports/figures.js'
export type { SaslOptions } from './kafka/options.js'
export type { PeerOptions } from './peers/options.js'
export type { Logger } from './ports/logger.js'
export { startWorker, type RunningWorker, type WorkerOptions } from './start-worker.js'
