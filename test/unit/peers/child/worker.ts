/** A worker with the member id given, on the port given, that its peers can watch; says its address. */
import { createPeers } from '../../../../src/peers/peers.js'
import { systemClock } from '../../../../src/system.js'

const [memberId = '', port = '0'] = process.argv.slice(2)
const ignore = (): void => undefined
const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }
const peers = createPeers({ logger, clock: systemClock, port: Number(port) })
const address = await peers.listen({
  memberId: () => memberId,
  snapshot: () => Promise.resolve(undefined),
  status: () => ({ v: 1, worker: 'w', memberId, generation: 1, active: [], standby: [], handOffs: [] }),
  answer: () => Promise.resolve({ kind: 'not here' }),
  queries: {
    states: [],
    definition: () => {
      throw new Error()
    },
    get: () => Promise.reject(new Error()),
    page: () => Promise.reject(new Error()),
  },
})
process.stdout.write(`${address}\n`)
