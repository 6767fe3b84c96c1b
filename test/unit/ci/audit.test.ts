/** `.ci/audit.mjs` on a registry of the test's own, which says what a test lets it say. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { ROOT } from '../../support/documents.js'
import { temporaryFolder } from '../../support/temporary.js'

interface Advisory {
  readonly severity: 'moderate' | 'high' | 'critical'
  readonly title: string
}

/** Answers with these advisories, by package, or with a status. */
async function registry(answer: Readonly<Record<string, Advisory>> | number): Promise<string> {
  const server = createServer((request, response) => {
    request.resume()
    response.writeHead(typeof answer === 'number' ? answer : 200, { 'content-type': 'application/json' })
    // npm asks for advisories, and then for the versions that there are of a package.
    response.end(JSON.stringify(request.method === 'POST' ? advisoriesOf(answer) : packageOf(request.url)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`
}

const advisoriesOf = (answer: Readonly<Record<string, Advisory>> | number): object =>
  Object.fromEntries(
    Object.entries(answer).map(([name, advisory]) => [
      name,
      [{ id: 1, url: 'about:blank', vulnerable_versions: '<99', cwe: [], cvss: { score: 0 }, ...advisory }],
    ]),
  )
const packageOf = (url = ''): object => {
  const name = url.slice(1)
  return { name, 'dist-tags': { latest: '1.0.0' }, versions: { '1.0.0': { name, version: '1.0.0' } } }
}

const audit = (registry: string): Promise<{ readonly code: unknown; readonly output: string }> =>
  new Promise((resolve) => {
    const env = { ...process.env, npm_config_registry: registry, npm_config_cache: temporaryFolder() }
    execFile(process.execPath, [join(ROOT, '.ci/audit.mjs')], { cwd: ROOT, env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, output: stdout + stderr })
    })
  })

it('fails for a package of users that is known to be vulnerable, and names it', async () => {
  const { code, output } = await audit(await registry({ kafkajs: { severity: 'high', title: 'reads minds' } }))
  expect(output).toContain('high: kafkajs *: reads minds')
  expect(code).toBe(1)
})

it('passes where nothing serious is known, and nothing of what users get', async () => {
  const { code, output } = await audit(
    await registry({
      kafkajs: { severity: 'moderate', title: 'hums' },
      vitest: { severity: 'critical', title: 'is not for users' },
    }),
  )
  expect(output).toBe('npm audit: 0 of the packages that users get are known to be vulnerable\n')
  expect(code).toBe(0)
})

it('says in one line that a registry has no advisories, without its address, and passes', async () => {
  const { code, output } = await audit(await registry(405))
  expect(output).toMatch(/^npm audit: the registry can't be asked \(405 Method Not Allowed.*\)\n$/)
  expect(output).not.toContain('127.0.0.1')
  expect(code).toBe(0)
})

it('says in one line that no registry can be reached, and passes', async () => {
  const { code, output } = await audit('http://127.0.0.1:1')
  expect(output).toMatch(/^npm audit: the registry can't be asked \(.*ECONNREFUSED.*\)\n$/)
  expect(code).toBe(0)
})
