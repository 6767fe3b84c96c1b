/** Windows, as a test sees them: the runtime on ports in memory. */
import { describe, expect, it } from 'vitest'
import {
  application,
  counting,
  from,
  hopping,
  minutes,
  seconds,
  session,
  type StateObject,
  topic,
  tumbling,
  windowed,
  type Application,
  type Windowed,
  type WindowOptions,
} from '../../../src/index.js'
import { windowsDefinition } from '../../../src/api/windows.js'
import { anySchema } from '../../support/schemas.js'
import { failsWith, start } from './support.js'

interface In {
  readonly key: string
  readonly n: number
}
interface Out {
  readonly key: string
  readonly what: string
}
interface Sum {
  n: number
  seen: number[]
}

const T = Date.UTC(2024, 0, 1, 12)
const ins = topic('ins', { schema: anySchema<In>(), key: ({ key }) => key, latenessMs: seconds(1) })
const outs = topic('outs', { schema: anySchema<Out>(), key: ({ key }) => key })
const early = topic('early', { schema: anySchema<Out>(), key: ({ key }) => key })

const initial = (): Sum => ({ n: 0, seen: [] })
const add = (sum: Sum, { n }: In): void => {
  sum.n += n
  sum.seen.push(n)
}
const at = (ms: number): string => new Date(ms).toISOString().slice(11, 19)

function applicationOf(windows: Windowed<Sum>): Application {
  return application(
    'windows',
    from(ins)
      .to(windows, (sum, message, { window }) => {
        if (message.n < 0) throw new Error(`no ${String(message.n)}`)
        add(sum, message)
        return { key: message.key, what: `${at(window.startMs)} ${String(sum.n)} of ${String(window.messages)}` }
      })
      .sink(early),
    from(windows.closed)
      .map(({ key, startMs, endMs, messages, state: { n } }) => {
        if (n === 666) throw new Error('no such sum')
        return { key, what: `${at(startMs)} ${at(endMs)} ${String(n)} of ${String(messages)}` }
      })
      .sink(outs),
  )
}
const minute = (options: WindowOptions<Sum> = {}) => windowed('minute', tumbling(minutes(1)), initial, options)
const merge = (earlier: Sum, later: Sum): void => {
  earlier.n += later.n
  earlier.seen.push(...later.seen)
}

describe('tumbling windows', () => {
  it('give early results with each message, and the final one once, with the last moment of the window as its timestamp', async () => {
    const windows = minute()
    const driver = await start({ startMs: T }, applicationOf(windows))
    await driver.pipe(ins, [{ key: 'k', n: 1 }], { timestampMs: T + 1 })
    await driver.pipe(ins, [{ key: 'k', n: 2 }], { timestampMs: T + seconds(59) + 999 })
    await driver.settle()
    expect(driver.read(early).map(({ what }) => what)).toEqual(['12:00:00 1 of 1', '12:00:00 3 of 2'])
    expect(driver.state(windows, 'k')).toEqual([
      { key: 'k', startMs: T, endMs: T + minutes(1), messages: 2, state: { n: 3, seen: [1, 2] } },
    ])
    expect(driver.read(outs)).toEqual([])
    // The record that moves time closes it before it is taken.
    await driver.pipe(ins, [{ key: 'j', n: 5 }], { timestampMs: T + seconds(61) })
    await driver.settle()
    expect(driver.readRecords(outs)).toMatchObject([
      { message: { key: 'k', what: '12:00:00 12:01:00 3 of 2' }, timestampMs: T + minutes(1) - 1, key: 'k' },
    ])
    expect(driver.state(windows, 'k')).toBeUndefined()
    expect([...driver.states(windows).keys()]).toEqual(['j'])
  })

  it('close where nothing comes any more', async () => {
    const driver = await start({ startMs: T }, applicationOf(minute()))
    await driver.pipe(ins, { key: 'k', n: 1 }, { timestampMs: T })
    await driver.advance(seconds(59))
    await driver.settle()
    expect(driver.read(outs)).toEqual([])
    await driver.advance(seconds(4))
    expect(driver.read(outs).map(({ what }) => what)).toEqual(['12:00:00 12:01:00 1 of 1'])
  })

  it('send what is late to the dead letters, with the window that it was late for', async () => {
    const driver = await start({ startMs: T }, applicationOf(minute()))
    await driver.pipe(ins, { key: 'k', n: 1 }, { timestampMs: T + minutes(2) })
    // Out of order, and yet in time: its window is above the bound.
    await driver.pipe(ins, { key: 'k', n: 2 }, { timestampMs: T + seconds(61) })
    await driver.pipe(ins, { key: 'k', n: 3 }, { timestampMs: T + seconds(59) })
    await driver.settle()
    expect(driver.read(early).map(({ what }) => what)).toEqual(['12:02:00 1 of 1', '12:01:00 2 of 1'])
    expect(driver.readDeadLetters()).toMatchObject([
      {
        code: 'LATE',
        topic: 'ins',
        offset: 2,
        key: 'k',
        value: '{"key":"k","n":3}',
        error:
          'the message was late for the window [2024-01-01T12:00:00.000Z, 2024-01-01T12:01:00.000Z) of minute: its partition had ' +
          'reached 2024-01-01T12:01:59.000Z',
      },
    ])
  })

  it("drop what is late where it is declared late: 'drop'", async () => {
    const driver = await start({ startMs: T }, applicationOf(minute({ late: 'drop' })))
    await driver.pipe(ins, { key: 'k', n: 1 }, { timestampMs: T + minutes(2) })
    await driver.pipe(ins, { key: 'k', n: 3 }, { timestampMs: T + seconds(59) })
    await driver.settle()
    expect(driver.read(early)).toHaveLength(1)
    expect(driver.readDeadLetters()).toEqual([])
  })

  it('have closed for good where the clock has closed them', async () => {
    const driver = await start({ startMs: T }, applicationOf(minute()))
    await driver.pipe(ins, { key: 'k', n: 1 }, { timestampMs: T })
    await driver.advance(minutes(2))
    await driver.settle()
    expect(driver.read(outs)).toHaveLength(1)
    // By records alone it would not be late.
    await driver.pipe(ins, { key: 'k', n: 2 }, { timestampMs: T + 1 })
    await driver.settle()
    const [letter] = driver.readDeadLetters()
    expect(letter).toMatchObject({ code: 'LATE', offset: 1 })
    expect(letter?.error).toContain('by the clock')
    expect(driver.read(outs)).toEqual([])
  })

  it('take what a computation did back that throws, and keep what else is late', async () => {
    const windows = minute()
    const driver = await start({ startMs: T }, applicationOf(windows))
    await driver.pipe(ins, { key: 'k', n: 1 }, { timestampMs: T + minutes(3) })
    await driver.pipe(ins, { key: 'k', n: -1 }, { timestampMs: T + minutes(3) })
    await driver.pipe(ins, { key: 'k', n: 2 }, { timestampMs: T })
    await driver.settle()
    expect(driver.readDeadLetters().map(({ code, offset }) => [code, offset])).toEqual([
      ['COMPUTATION_FAILED', 1],
      ['LATE', 2],
    ])
    expect(driver.state(windows, 'k')).toMatchObject([{ messages: 1, state: { n: 1, seen: [1] } }])
  })

  it('send a result that its pipeline throws at to the dead letters, with what the window had, and leave the others open', async () => {
    const windows = minute()
    const driver = await start({ startMs: T }, applicationOf(windows))
    await driver.pipe(ins, { key: 'k', n: 666 }, { timestampMs: T })
    await driver.pipe(ins, { key: 'k', n: 7 }, { timestampMs: T + seconds(60) })
    await driver.pipe(ins, { key: 'k', n: 8 }, { timestampMs: T + seconds(61) })
    await driver.settle()
    const [letter] = driver.readDeadLetters()
    expect(letter).toMatchObject({
      code: 'COMPUTATION_FAILED',
      offset: -1,
      key: 'k',
      due: { stateObject: 'minute', dueMs: T + minutes(1), timer: undefined },
    })
    expect(driver.state(windows, 'k')).toMatchObject([{ startMs: T + minutes(1), messages: 2 }])
    expect(driver.read(outs)).toEqual([])
  })

  it('forget a window where the computation says so', async () => {
    const windows = minute()
    const driver = await start(
      { startMs: T },
      application(
        'windows',
        from(ins).to(windows, (sum, message, context) => {
          add(sum, message)
          if (message.n === 9) context.forget()
        }),
        from(windows.closed)
          .map(({ key, state: { n } }) => ({ key, what: String(n) }))
          .sink(outs),
      ),
    )
    await driver.pipe(
      ins,
      [
        { key: 'k', n: 1 },
        { key: 'k', n: 9 },
      ],
      { timestampMs: T },
    )
    await driver.settle()
    expect(driver.state(windows, 'k')).toBeUndefined()
    await driver.pipe(ins, [{ key: 'k', n: 2 }], { timestampMs: T })
    await driver.advance(minutes(2))
    await driver.settle()
    expect(driver.read(outs).map(({ what }) => what)).toEqual(['2'])
  })

  it('fit into larger ones: a minute closes before the hour that it is the last of', async () => {
    const minute = windowed('minute', tumbling(minutes(1)), () => ({ n: 0 }))
    // Its name comes first, and so would its end.
    const hour = windowed('hour', tumbling(minutes(60)), () => ({ n: 0, minutes: 0 }))
    const day = windowed('day', tumbling(minutes(60 * 24)), () => ({ n: 0, hours: 0 }))
    const driver = await start(
      { startMs: T },
      application(
        'calendar',
        from(ins).to(minute, (one, { n }) => {
          one.n += n
        }),
        from(minute.closed).to(hour, (one, { state }) => {
          one.n += state.n
          one.minutes++
        }),
        from(hour.closed).to(day, (one, { state }) => {
          one.n += state.n
          one.hours++
        }),
        from(day.closed)
          .map(({ key, endMs, state: { n, hours } }) => ({
            key,
            what: `${at(endMs)} ${String(n)} in ${String(hours)}`,
          }))
          .sink(outs),
      ),
    )
    for (const [n, ms] of [
      [1, 0],
      [10, minutes(59) + seconds(59)],
      [100, minutes(60)],
      [1000, minutes(12 * 60) - 1],
      [5, minutes(12 * 60)],
    ] as const)
      await driver.pipe(ins, { key: 'k', n }, { timestampMs: T + ms })
    await driver.advance(minutes(14 * 60))
    await driver.settle()
    expect(driver.readRecords(outs)).toMatchObject([
      { message: { what: '00:00:00 1111 in 3' }, timestampMs: T + minutes(12 * 60) - 1 },
    ])
    expect(driver.readDeadLetters()).toEqual([])
  })

  it('can be put in place', async () => {
    const windows = minute()
    const driver = await start({ startMs: T }, applicationOf(windows))
    await driver.pipe(ins, { key: 'k', n: 1 }, { timestampMs: T })
    await driver.settle()
    const [window] = driver.state(windows, 'k') ?? []
    if (window === undefined) throw new Error('no window')
    await driver.setState(windows, 'k', [{ ...window, messages: 7, state: { n: 70, seen: [] } }])
    await driver.advance(minutes(2))
    await driver.settle()
    expect(driver.read(outs).map(({ what }) => what)).toEqual(['12:00:00 12:01:00 70 of 7'])
  })

  it.each([1, 7])('give the same in %i partitions, through crashes and two workers', async (partitions) => {
    const driver = await start({ startMs: T, partitions, workers: 2 }, applicationOf(minute()))
    const keys = ['a', 'b', 'c', 'd', 'e']
    for (let i = 0; i < 60; i++) {
      await driver.pipe(ins, { key: keys[i % 5] ?? '', n: i }, { timestampMs: T + i * 5_000 })
      if (i % 25 === 24) {
        driver.crash()
        await driver.restart()
      }
    }
    await driver.settle()
    await driver.advance(minutes(7))
    await driver.settle()
    const expected = keys.flatMap((key, k) =>
      [0, 1, 2, 3, 4].map((m) => {
        const sums = Array.from({ length: 60 }, (_, i) => i).filter((i) => i % 5 === k && Math.floor(i / 12) === m)
        const n = sums.reduce((a, b) => a + b, 0)
        return `${key} ${at(T + m * 60_000)} ${at(T + (m + 1) * 60_000)} ${String(n)} of ${String(sums.length)}`
      }),
    )
    expect(
      driver
        .read(outs)
        .map(({ key, what }) => `${key} ${what}`)
        .sort(),
    ).toEqual(expected.sort())
  })
})

describe('hopping windows', () => {
  it('have a message in each that it lies in, and are late one by one', async () => {
    const windows = windowed('five', hopping(minutes(5), minutes(1)), initial)
    const driver = await start({ startMs: T }, applicationOf(windows))
    await driver.pipe(ins, { key: 'k', n: 1 }, { timestampMs: T + minutes(10) })
    await driver.settle()
    expect(driver.read(early).map(({ what }) => what.slice(0, 8))).toEqual([
      '12:06:00',
      '12:07:00',
      '12:08:00',
      '12:09:00',
      '12:10:00',
    ])
    // Of its five windows, those that end at 12:08 and 12:09 have closed.
    await driver.pipe(ins, { key: 'k', n: 2 }, { timestampMs: T + minutes(7) })
    await driver.settle()
    expect(driver.read(early).map(({ what }) => what)).toEqual([
      '12:05:00 2 of 1',
      '12:06:00 3 of 2',
      '12:07:00 3 of 2',
    ])
    const [letter, ...others] = driver.readDeadLetters()
    expect(others).toEqual([])
    expect(letter?.error).toContain(
      'late for 2 windows of five, from [2024-01-01T12:03:00.000Z, 2024-01-01T12:08:00.000Z) to [2024-01-01T12:04:00.000Z, 2024-01-01T12:09:00.000Z)',
    )
  })
})

describe('sessions', () => {
  const visits = (options: Partial<WindowOptions<Sum>> = {}) =>
    windowed('visit', session(seconds(30)), initial, { ...(options as object), merge })

  it('go on while messages are less than the gap apart, and end with the gap', async () => {
    const windows = visits()
    const driver = await start({ startMs: T }, applicationOf(windows))
    for (const [n, s] of [
      [1, 0],
      [2, 29.999],
      [4, 59.999],
    ] as const)
      await driver.pipe(ins, { key: 'k', n }, { timestampMs: T + seconds(s) })
    await driver.settle()
    await driver.advance(minutes(2))
    await driver.settle()
    // What comes when the session has ended begins another.
    expect(driver.read(outs).map(({ what }) => what)).toEqual(['12:00:00 12:00:59 3 of 2', '12:00:59 12:01:29 4 of 1'])
  })

  it('become one where a message closes the gap between them, whatever came first', async () => {
    const windows = visits()
    const driver = await start({ startMs: T }, applicationOf(windows))
    await driver.pipe(ins, { key: 'k', n: 4 }, { timestampMs: T + seconds(40) })
    await driver.pipe(ins, { key: 'k', n: 1 }, { timestampMs: T + seconds(12) })
    await driver.settle()
    expect(driver.state(windows, 'k')).toMatchObject([
      { startMs: T + seconds(12), endMs: T + seconds(70), messages: 2 },
    ])
    await driver.pipe(ins, { key: 'k', n: 100 }, { timestampMs: T + seconds(95) })
    await driver.settle()
    // The first has closed meanwhile.
    expect(driver.state(windows, 'k')).toMatchObject([{ startMs: T + seconds(95) }])
    expect(driver.read(outs).map(({ what }) => what)).toEqual(['12:00:12 12:01:10 5 of 2'])
  })

  it('merge in the order of their beginning', async () => {
    const windows = visits()
    const lateIns = topic('slow', { schema: anySchema<In>(), key: ({ key }) => key, latenessMs: minutes(10) })
    const driver = await start({ startMs: T }, application('windows', from(lateIns).to(windows, add)))
    for (const [n, s] of [
      [1, 100],
      [2, 0],
      [4, 50],
      [8, 25],
      [16, 75],
    ] as const)
      await driver.pipe(lateIns, { key: 'k', n }, { timestampMs: T + seconds(s) })
    await driver.settle()
    expect(driver.state(windows, 'k')).toEqual([
      {
        key: 'k',
        startMs: T,
        endMs: T + seconds(130),
        messages: 5,
        state: { n: 31, seen: [2, 4, 8, 1, 16] },
      },
    ])
  })

  it('are late by more than the gap, and join none that has closed for them', async () => {
    const windows = visits()
    const driver = await start({ startMs: T }, applicationOf(windows))
    await driver.pipe(ins, { key: 'k', n: 1 }, { timestampMs: T + minutes(1) })
    await driver.pipe(ins, { key: 'k', n: 2 }, { timestampMs: T + seconds(29) })
    await driver.pipe(ins, { key: 'k', n: 4 }, { timestampMs: T + seconds(31) })
    await driver.settle()
    expect(driver.readDeadLetters()).toMatchObject([{ code: 'LATE', offset: 1 }])
    expect(driver.state(windows, 'k')).toMatchObject([{ startMs: T + seconds(31), messages: 2, state: { n: 5 } }])
  })

  it('stop the worker where merge returns a promise', async () => {
    const windows = windowed('visit', session(seconds(30)), initial, {
      merge: (() => Promise.resolve()) as unknown as () => void,
    })
    const driver = await start({ startMs: T }, application('windows', from(ins).to(windows, add)))
    for (const ms of [0, 30_500, 29_700]) await driver.pipe(ins, { key: 'k', n: 1 }, { timestampMs: T + ms })
    await expect(driver.settle()).rejects.toThrow(
      failsWith('INVALID_DEFINITION', 'merge of sessions visit returned a promise'),
    )
  })
})

it('go through keyBy(): minutes of each key into minutes and hours of all, after one another', async () => {
  const minute = windowed('minute', tumbling(minutes(1)), () => ({ n: 0 }))
  const total = windowed('total', tumbling(minutes(1)), () => ({ n: 0 }))
  const hour = windowed('a-hour', tumbling(minutes(60)), () => ({ n: 0 }))
  const driver = await start(
    { startMs: T, partitions: 3 },
    application(
      'totals',
      from(ins).to(minute, (one, { n }) => {
        one.n += n
      }),
      from(minute.closed).to(hour, (one, { state }) => {
        one.n += state.n
      }),
      from(hour.closed)
        .keyBy(() => 'hour')
        .to(total, (one, { state }) => {
          one.n += state.n * 1000
        }),
      from(minute.closed)
        .keyBy(() => 'all')
        .to(total, (one, { state }) => {
          one.n += state.n
        }),
      from(total.closed)
        .map(({ key, endMs, state: { n } }) => ({ key, what: `${at(endMs)} ${String(n)}` }))
        .sink(outs),
    ),
  )
  for (let i = 0; i < 24; i++)
    await driver.pipe(
      ins,
      { key: `k${String(i)}`, n: 1 },
      { timestampMs: T + minutes(59) + seconds(50) + Math.floor(i / 2) * 1_000 },
    )
  await driver.settle()
  await driver.advance(minutes(130))
  await driver.settle()
  expect(driver.readDeadLetters()).toEqual([])
  expect(
    driver
      .read(outs)
      .map(({ key, what }) => `${key} ${what}`)
      .sort(),
  ).toEqual(['all 13:00:00 20', 'all 13:01:00 4', 'hour 13:00:00 20000', 'hour 14:00:00 4000'])
})

describe('counting windows', () => {
  it('close with their last message, and know no time', async () => {
    const windows = windowed('three', counting(3), initial)
    const driver = await start({ startMs: T }, applicationOf(windows))
    for (const n of [1, 2, 4, 8]) await driver.pipe(ins, { key: 'k', n }, { timestampMs: T + 10 - n })
    await driver.settle()
    expect(driver.readRecords(outs)).toMatchObject([
      // With the timestamp of the message that filled it.
      { message: { what: '12:00:00 12:00:00 7 of 3' }, timestampMs: T + 6 },
    ])
    expect(driver.state(windows, 'k')).toMatchObject([{ messages: 1, startMs: T + 2, endMs: T + 3 }])
  })

  it('work after keyBy()', async () => {
    const windows = windowed('three', counting(3), initial)
    const driver = await start(
      { partitions: 3 },
      application(
        'windows',
        from(ins)
          .keyBy(({ n }) => (n % 2 === 0 ? 'even' : 'odd'))
          .to(windows, add),
        from(windows.closed)
          .map(({ key, state: { n } }) => ({ key, what: String(n) }))
          .sink(outs),
      ),
    )
    for (let n = 1; n <= 7; n++) await driver.pipe(ins, { key: `k${String(n)}`, n })
    await driver.settle()
    expect(
      driver
        .read(outs)
        .map(({ key, what }) => `${key} ${what}`)
        .sort(),
    ).toEqual(['even 12', 'odd 9'])
  })
})

it('has a limit of open windows, and says so', async () => {
  const windows = windowed('second', tumbling(seconds(1)), () => ({ n: 0 }))
  const slow = topic('slow', { schema: anySchema<In>(), key: ({ key }) => key, latenessMs: minutes(60) })
  const driver = await start(
    { startMs: T },
    application(
      'windows',
      from(slow).to(windows, (one) => {
        one.n++
      }),
    ),
  )
  await driver.pipe(
    slow,
    Array.from({ length: 1 }, () => ({ key: 'j', n: 0 })),
    { timestampMs: T },
  )
  for (let i = 0; i <= 1_000; i++) await driver.pipe(slow, { key: 'k', n: i }, { timestampMs: T + i * 1_000 })
  await driver.settle()
  expect(driver.state(windows, 'k')).toHaveLength(1_000)
  expect(driver.readDeadLetters()).toMatchObject([{ code: 'TOO_MANY_WINDOWS', offset: 1_001 }])
})

it('upgrades what windows have', () => {
  interface Old {
    n: number
  }
  interface New {
    total: number
  }
  const options = { upgrades: [({ n }: Old) => ({ total: n })] }
  const windows = windowed('minute', tumbling(minutes(1)), (): New => ({ total: 0 }), options)
  const definition = windowsDefinition(windows)
  const stored = { w: [T, minutes(1), 3, { n: 7 }, T + minutes(1), minutes(1), 1, { n: 8 }] }
  expect(definition?.fromPlain(definition.upgrades[0]?.(stored), 'k')).toMatchObject({
    list: [
      { startMs: T, endMs: T + minutes(1), messages: 3, state: { total: 7 } },
      { startMs: T + minutes(1), endMs: T + minutes(2), messages: 1, state: { total: 8 } },
    ],
  })
})

describe('definitions', () => {
  const windows = minute()
  it.each([
    ['a size of 0', () => tumbling(0), /whole milliseconds, 1 or more/],
    ['a size that is no number', () => tumbling('1m' as unknown as number), /was given a size of "1m"/],
    ['a distance beyond the size', () => hopping(10, 11), /messages between two windows would be in neither/],
    ['more overlapping windows than a key may have', () => hopping(minutes(60), seconds(3)), /1200 windows/],
    ['no message', () => counting(0), /whole number of messages/],
    ['made by hand', () => windowed('x', { kind: 'tumbling' }, initial), /was given a size of undefined/],
    ['of another kind', () => windowed('x', {} as ReturnType<typeof tumbling>, initial), /created with tumbling/],
    [
      'sessions without merge',
      () => windowed('x', session(1) as unknown as ReturnType<typeof tumbling>, initial),
      /have no merge/,
    ],
    ['merge of other windows', () => windowed('x', tumbling(1), initial, { merge } as object), /only sessions take/],
    ['late', () => windowed('x', tumbling(1), initial, { late: 'no' as 'drop' }), /'dead-letter' or 'drop'/],
    ['ttlMs', () => windowed('x', tumbling(1), initial, { ttlMs: 1_000 } as object), /end on their own/],
    ['a class', () => windowed('x', tumbling(1), Date as unknown as () => Sum), /is a class/],
    [
      'without messages',
      () =>
        application(
          'a',
          from(windows.closed)
            .map(() => ({ key: '', what: '' }))
            .sink(outs),
        ),
      /no message reaches/,
    ],
    [
      'fed by themselves',
      () =>
        application(
          'a',
          from(ins).to(windows, add),
          from(windows.closed).to(windows, (sum) => {
            sum.n++
          }),
        ),
      /back to the windows that they came from/,
    ],
    [
      'joined',
      () =>
        application(
          'a',
          from(ins)
            .join(windows as unknown as StateObject<Sum>, () => undefined)
            .to(windows, add),
        ),
      /is a windowed state: only to\(\) accepts it/,
    ],
  ])('refuse %s', (_, define, message) => {
    expect(define).toThrow(failsWith('INVALID_DEFINITION'))
    expect(define).toThrow(message)
  })
})
