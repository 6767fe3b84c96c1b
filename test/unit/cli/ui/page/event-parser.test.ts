import fc from 'fast-check'
import { expect, it } from 'vitest'
import { EventParser } from '../../../../../src/cli/ui/page/event-parser.js'

it('gives events as they were sent, however the text was cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('now', 'away'), fc.jsonValue()), { maxLength: 5 }),
      fc.array(fc.nat(200), { maxLength: 20 }),
      (events, cuts) => {
        const text = events
          .map(([event, data]) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n: ping\n\n`)
          .join('')
        const parser = new EventParser()
        const found: unknown[] = []
        let at = 0
        for (const cut of [...cuts, Infinity]) {
          const piece = text.slice(at, at + cut)
          at += piece.length
          found.push(...parser.take(piece).map(({ event, data }) => [event, JSON.parse(data) as unknown]))
        }
        expect(found).toEqual(events.map(([event, data]) => [event, JSON.parse(JSON.stringify(data)) as unknown]))
      },
    ),
  )
})
