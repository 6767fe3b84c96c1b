/** Simulates the seeds that it is sent, one after the other, and answers with what was found. */
import { parentPort } from 'node:worker_threads'
import { simulate } from './simulation.js'

export interface SimulateInThread {
  readonly seed: number
  readonly wire: boolean
}

parentPort?.on('message', ({ seed, wire }: SimulateInThread) => {
  void simulate(seed, { wire }).then(({ problems }) => parentPort?.postMessage(problems))
})
