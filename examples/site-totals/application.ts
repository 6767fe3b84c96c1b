/** Readings arrive by device; the totals are by site. One stream, two keys. */
import * as z from 'zod'
import { application, from, stateObject, topic } from 'potoroo'

export const readings = topic('readings', {
  schema: z.object({ device: z.string(), site: z.string(), kwh: z.number() }),
  key: (reading) => reading.device,
})
export const siteTotals = topic('site-totals', {
  schema: z.object({ site: z.string(), kwh: z.number(), devices: z.number() }),
  key: (total) => total.site,
})

/** The meter's last value: meters count up, and what a site used is the difference. */
export const meter = stateObject('meter', () => ({ kwh: 0 }))
export const site = stateObject('site', () => ({ kwh: 0, devices: new Set<string>() }))

export default application(
  'site-totals',
  from(readings)
    .to(meter, (state, reading) => {
      const used = reading.kwh - state.kwh
      state.kwh = reading.kwh
      return { ...reading, used }
    })
    // A reading that repeats an earlier one changes nothing at the site.
    .filter(({ used }) => used > 0)
    .keyBy((reading) => reading.site)
    .to(site, (state, { device, site: name, used }) => {
      state.kwh += used
      state.devices.add(device)
      return { site: name, kwh: state.kwh, devices: state.devices.size }
    })
    .sink(siteTotals),
)
