/** Workers that are slow, stand still, or are told to stop while something is under way. */
import type { PlantedFault } from './planted-fault.js'

const isolation = 'src/runtime/task/isolation.ts'
const membership = 'src/runtime/membership.ts'

export const livenessFaults: readonly PlantedFault[] = [
  {
    what: 'liveness: only the event loop sends heartbeats, and not while it computes',
    plants: [
      {
        file: 'src/core/processing/vigil.ts',
        find: '      silentMs >= this.#heartbeatMs &&',
        replace: '      silentMs < 0 &&',
      },
    ],
  },
  {
    what: 'liveness: a rebalance does not wait for a member that computes',
    plants: [
      {
        file: membership,
        find: 'return maxComputationMs === 0 ? rebalanceTimeoutMs : Math.max(rebalanceTimeoutMs, maxComputationMs + REJOIN_MS)',
        replace: 'return maxComputationMs === 0 ? rebalanceTimeoutMs : rebalanceTimeoutMs',
      },
    ],
  },
  {
    what: 'liveness: after a slow message, the next is computed while a commit is under way',
    plants: [
      {
        file: isolation,
        find: 'this.#slow = { until: inputs.map(positionOf), left: CALM_MESSAGES }',
        replace: '',
      },
    ],
  },
  {
    what: 'liveness: a slow message begins while the worker joins its group',
    plants: [{ file: 'src/runtime/pump.ts', find: '      await this.#settle()\n', replace: '' }],
  },
  {
    what: 'liveness: a message whose computation was ended is computed again',
    plants: [
      { file: isolation, find: 'failingMessage: at && { ...at, error } }', replace: 'failingMessage: undefined }' },
    ],
  },
  {
    what: 'liveness: after a computation was ended, what it left in memory counts',
    plants: [
      {
        file: 'src/runtime/task.ts',
        find: '    this.#activations.fail(\n      running.number,\n      this.#isolation.cutOff(this.#sources.inputs, processor.messages, timesOf(processor)),\n    )\n',
        replace:
          '    const { current } = this.#isolation\n    this.#isolation.cutOff(this.#sources.inputs, processor.messages)\n    current?.advance()\n    this.env.ready(this)\n',
      },
    ],
  },
  {
    what: 'stop: a worker that stops while it starts does not wait for its member id',
    plants: [
      {
        file: membership,
        find: "if (this.#memberId === '') await atMost(",
        replace: "if (this.#memberId === '-') await atMost(",
      },
    ],
  },
]
