/** Says when a sensor was too hot three times in a row. */
import * as z from 'zod'
import { application, from, stateObject, topic, type Message, type State } from 'potoroo'

const TOO_HOT_CELSIUS = 80
const IN_A_ROW = 3

export const readings = topic('readings', {
  schema: z.object({ sensor: z.string().min(1), celsius: z.number() }),
  key: (reading) => reading.sensor,
  partitions: 4,
})

export const alerts = topic('alerts', {
  schema: z.object({ sensor: z.string().min(1), text: z.string() }),
  key: (alert) => alert.sensor,
  partitions: 4,
})

/** One for each sensor; this is how it begins. */
export const sensor = stateObject('sensor', () => ({ hotInARow: 0 }))

/** What one reading does to the state object of its sensor. It counts once, whatever fails. */
export function check(state: State<typeof sensor>, reading: Message<typeof readings>) {
  state.hotInARow = reading.celsius > TOO_HOT_CELSIUS ? state.hotInARow + 1 : 0
  if (state.hotInARow !== IN_A_ROW) return undefined
  return { sensor: reading.sensor, text: `${String(reading.celsius)} °C, too hot ${String(IN_A_ROW)} times in a row` }
}

export default application('my-app', from(readings).to(sensor, check).sink(alerts))
