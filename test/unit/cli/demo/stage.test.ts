import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { hasColors, isPicture, lineOf, Lines, Picture } from '../../../../src/cli/demo/stage.js'
import type { Clock } from '../../../../src/ports/clock.js'
import { BEGAN_MS, begunShow, wholeShow } from './support.js'
import { happened } from '../../../../src/cli/demo/show.js'

const said = () => {
  const lines: string[] = []
  const say = (level: string) => (_: object, message: string) => void lines.push(`${level}: ${message}`)
  return { lines, logger: { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') } }
}

describe('a picture is for terminals that can show it', () => {
  const terminal = Object.assign(new PassThrough(), { isTTY: true })
  const able = { TERM: 'xterm-256color' }
  test.each([
    ['a terminal', terminal, able, false, true],
    ['a pipe', new PassThrough(), able, false, false],
    ['a terminal where lines are wanted', terminal, able, true, false],
    ['a dumb terminal', terminal, { TERM: 'dumb' }, false, false],
    ['a terminal of no known kind', terminal, {}, false, false],
    ['continuous integration', terminal, { ...able, CI: 'true' }, false, false],
    ['no colours, which is no reason', terminal, { ...able, NO_COLOR: '1' }, false, true],
  ])('%s', (_, stdout, env, wantsLines, expected) => {
    expect(isPicture(stdout, env, wantsLines)).toBe(expected)
  })

  test('the terminal says whether it has colours', () => {
    const colored = Object.assign(new PassThrough(), { hasColors: (env: object) => !('NO_COLOR' in env) })
    expect([hasColors(colored, able), hasColors(colored, { NO_COLOR: '1' }), hasColors(terminal, able)]).toEqual([
      ...[true, false, false],
    ])
  })
})

test('a line says when, how fast, how late, how much came out, and who has what', () => {
  expect(lineOf(wholeShow(), BEGAN_MS)).toBe(
    ' 10 s   3,000 records/s  p99     90 ms     678 rejections  worker-1: 0 1  |  worker-2: killed',
  )
  expect(lineOf(begunShow(), BEGAN_MS)).toMatch(
    /^ .*0 s {7}- records\/s {2}p99 {6}- ms {5}678 rejections {2}worker-1: 0 1 2 3$/,
  )
})

test('lines: what happened, and a line for each look from the begin of feeding on', () => {
  const stdout = new PassThrough()
  const stage = new Lines(stdout, said().logger)
  stage.opened('http://127.0.0.1:1/')
  stage.looked({ ...begunShow(), beganAtMs: undefined })
  const show = wholeShow()
  for (const moment of show.moments) stage.happened(moment)
  stage.looked(show)
  stage.end()
  expect(
    String(stdout.read())
      .split('\n')
      .map((line) => line.slice(0, 40)),
  ).toEqual([
    'to be seen at http://127.0.0.1:1/ while ',
    '+ worker-1 started',
    '+ worker-2 added',
    '✗ worker-2 killed: SIGKILL to process 47',
    ' 10 s   3,000 records/s  p99     90 ms  ',
    '',
  ])
})

function pictureOn() {
  const terminal = Object.assign(new PassThrough(), { columns: 80, rows: 24 })
  const timers = new Set<() => void>()
  const clock: Clock = {
    now: () => BEGAN_MS + 10_500,
    monotonic: () => 0,
    soon: () => undefined,
    after: (_, call) => {
      timers.add(call)
      return { cancel: () => timers.delete(call) }
    },
  }
  const process = Object.assign(new EventEmitter(), { pid: 1, kill: () => undefined })
  const { lines, logger } = said()
  const picture = new Picture({ terminal, process, clock, hasColors: false, logger })
  return { picture, terminal, timers, lines, process }
}

test('a picture goes on between looks, keeps what is logged, and ends with a frame that stays', () => {
  const { picture, terminal, timers, lines, process } = pictureOn()
  picture.looked(wholeShow())
  expect(String(terminal.read())).toContain('worker-2    ·  · ✗2 ✗3  killed')
  picture.logger.warn({}, 'something is odd')
  for (const call of [...timers]) call()
  expect(String(terminal.read())).toContain('! something is odd')
  expect(lines).toEqual([])
  const again = happened(wholeShow(), { kind: 'restarted', worker: 'worker-2', atMs: BEGAN_MS + 10_450 })
  picture.happened({ kind: 'restarted', worker: 'worker-2', atMs: BEGAN_MS + 10_450 }, again)
  picture.end()
  const last = String(terminal.read())
  expect(last).toMatch(/\u001b\[\?1049l[^]*started again[^]*\n\n$/)
  expect(lines).toEqual(['warn: something is odd'])
  expect([timers.size, process.eventNames()]).toEqual([0, []])
  // Then it is over, whoever ends it once more.
  picture.end()
  picture.looked(wholeShow())
  picture.logger.warn({}, 'at once')
  expect(terminal.read()).toBeNull()
  expect(lines.at(-1)).toBe('warn: at once')
})

test('a picture that never began leaves no frame', () => {
  const { picture, terminal } = pictureOn()
  picture.end()
  expect(terminal.read()).toBeNull()
})
