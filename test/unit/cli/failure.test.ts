import { readFile } from 'node:fs/promises'
import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { reportFailure } from '../../../src/cli/failure.js'
import { errorKinds, PotorooError } from '../../../src/errors.js'

function report(error: unknown, debug = false): { readonly code: number; readonly text: string } {
  const stderr = new PassThrough()
  const code = reportFailure(error, stderr, debug)
  return { code, text: (stderr.read() as Buffer).toString() }
}

describe('reportFailure', () => {
  test('is one line with code, message and cure, and the code’s exit status', () => {
    const { code, text } = report(new PotorooError('TOPIC_MISSING', 'there is no topic a'))
    expect(text).toBe(`error TOPIC_MISSING: there is no topic a. ${errorKinds.TOPIC_MISSING.cure}\n`)
    expect(code).toBe(3)
  })

  test('shows stacks, causes too, only when debugging', () => {
    const error = new PotorooError('REQUEST_FAILED', 'no', { cause: new Error('the cause') })
    expect(report(error).text.split('\n')).toHaveLength(2)
    const { text } = report(error, true)
    expect(text).toContain('failure.test.ts')
    expect(text).toContain('caused by: Error: the cause')
  })

  test('what the operating system refuses is no defect', async () => {
    const refused = await readFile('/nowhere').catch((error: unknown) => error)
    expect(report(refused)).toEqual({
      code: 1,
      text: `error SYSTEM_REFUSED: ENOENT: no such file or directory, open '/nowhere'. ${errorKinds.SYSTEM_REFUSED.cure}\n`,
    })
  })

  test('what can’t be seen, or would move the cursor, is escaped', () => {
    expect(report(new PotorooError('NOT_JSON', '\ufeff\u001b[2J{')).text).toMatch(
      /^error NOT_JSON: \\u\{feff\}\\u\{1b\}\[2J\{\. /,
    )
  })

  test('what is no error of ours is a defect', () => {
    expect(report(new TypeError('x is undefined'))).toMatchObject({ code: 1 })
    expect(report('text').text).toMatch(/^error INTERNAL: text\. /)
  })
})
