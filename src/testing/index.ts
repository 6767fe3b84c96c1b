/** `potoroo/testing`: what applications are tested with. */
export { TestDriver, type DrivenWorker, type OutputRecord, type Piped, type TestDriverOptions } from './test-driver.js'
export type { Answer, AnswerOptions, DrivenCalls } from './calls.js'
export type { DeadLetter, DueLetter } from './dead-letters.js'
export type { PipeOptions, RawMessage } from './feed.js'
