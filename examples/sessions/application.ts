/**
 * Visits of a site: clicks of a user that are less than half an hour apart. A visit is written once, when it is over: when half an hour
 * has passed since its last click, also where nobody clicks any more.
 */
import * as z from 'zod'
import { application, from, minutes, seconds, session, topic, windowed } from 'potoroo'

export const clicks = topic('clicks', {
  schema: z.object({ user: z.string(), page: z.string() }),
  key: (click) => click.user,
  latenessMs: seconds(10),
})
export const visits = topic('visits', {
  schema: z.object({ user: z.string(), fromMs: z.number(), toMs: z.number(), pages: z.array(z.string()) }),
  key: (visit) => visit.user,
})

export const GAP_MS = minutes(30)

export const visit = windowed('visit', session(GAP_MS), () => ({ pages: new Set<string>() }), {
  // A click between two visits makes one of them. Not in the order of clicks: of a set, that says nothing.
  merge: (earlier, later) => {
    for (const page of later.pages) earlier.pages.add(page)
  },
})

export default application(
  'sessions',
  from(clicks).to(visit, ({ pages }, click) => {
    pages.add(click.page)
  }),
  from(visit.closed)
    .map(({ key, startMs, endMs, state }) => ({
      user: key,
      fromMs: startMs,
      toMs: endMs - GAP_MS,
      pages: [...state.pages].sort(),
    }))
    .sink(visits),
)
