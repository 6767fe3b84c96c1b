/** Potoroo's public API: nothing else may be imported from the package. */
export { application, type Application } from './api/application.js'
export { from, type Context, type Keyed, type Outputs, type Pipeline, type Stream } from './api/pipeline.js'
export { stateObject, type State, type StateClass, type StateObject, type StateOptions } from './api/state-object.js'
export { topic, type Message, type Sink, type Source, type Topic, type TopicOptions } from './api/topic.js'
export { PotorooError, isPotorooError, type ErrorCode } from './errors.js'
export type { Logger } from './ports/logger.js'
export { startWorker, type RunningWorker, type WorkerOptions } from './start-worker.js'
