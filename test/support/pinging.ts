/** An application with a timer, as small as can be: what was not pinged for a while is said. */
import { application, from, stateObject, timer, topic } from '../../src/index.js'
import { anySchema } from './schemas.js'

interface Ping {
  readonly id: string
}
export const pings = topic('pings', { schema: anySchema<Ping>(), key: ({ id }) => id })
export const pongs = topic('pongs', { schema: anySchema<Ping>(), key: ({ id }) => id })
export const ping = stateObject('ping', () => ({ n: 0 }))
const quiet = timer('quiet', ping)

export const pinging = (waitMs: number) =>
  application(
    'pinging',
    from(pings).to(ping, (state, _, context) => {
      state.n++
      context.set(quiet, context.timestampMs + waitMs)
    }),
    from(quiet)
      .to(ping, (_, { key }) => ({ id: key }))
      .sink(pongs),
  )
