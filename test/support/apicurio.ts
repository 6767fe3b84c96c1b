/** Apicurio Registry, a real one, from Maven Central; its schemas are in memory. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDirectory } from '../../src/broker/jars.js'
import { javaCommand, runTool } from '../../src/broker/java.js'
import { freePorts } from '../../src/broker/free-ports.js'
import type { RegistryUnderTest } from './avro-volumes-run.js'
import { until } from './until.js'

const VERSION = '3.0.9'
const STARTS_WITHIN_MS = 180_000

/** Fetched once per user. */
async function folder(): Promise<string> {
  const cache = cacheDirectory(process.env)
  const there = join(cache, `apicurio-${VERSION}`)
  if (existsSync(join(there, `apicurio-registry-app-${VERSION}-runner.jar`))) return there
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, 'apicurio.partial-'))
  const run = async (tool: string, args: readonly string[]): Promise<void> => {
    const { status, output } = await runTool(tool, args, process.env)
    if (status !== 0) throw new Error(`${tool} ${args.join(' ')}: ${output}`)
  }
  const artifact = `io.apicurio:apicurio-registry-app:${VERSION}:tar.gz:all`
  await run('mvn', ['-q', '-B', 'dependency:copy', `-Dartifact=${artifact}`, `-DoutputDirectory=${work}`])
  const archive = join(work, `apicurio-registry-app-${VERSION}-all.tar.gz`)
  await run('tar', ['xzf', archive, '-C', work])
  rmSync(archive)
  rmSync(there, { recursive: true, force: true })
  renameSync(work, there)
  return there
}

/** The API of Confluent's registry, as producers and readers elsewhere use it. */
export class Apicurio implements RegistryUnderTest {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  static async start(): Promise<Apicurio> {
    const home = await folder()
    const [port = 0, management = 0] = await freePorts(2)
    const settings = { 'http.host': '127.0.0.1', 'http.port': port, 'management.port': management, 'log.level': 'WARN' }
    const child = spawn(
      javaCommand(process.env),
      [
        '-Xmx400m',
        ...Object.entries(settings).map(([name, value]) => `-Dquarkus.${name}=${String(value)}`),
        '-jar',
        join(home, `apicurio-registry-app-${VERSION}-runner.jar`),
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    let printed = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        printed = (printed + chunk.toString()).slice(-4_000)
      })
    const url = `http://127.0.0.1:${String(port)}/apis/ccompat/v7`
    const isUp = async (): Promise<boolean> => {
      if (child.exitCode !== null) throw new Error(`Apicurio ended: ${printed}`)
      return fetch(`${url}/subjects`).then(
        ({ ok }) => ok,
        () => false,
      )
    }
    try {
      await until('Apicurio answers', isUp, STARTS_WITHIN_MS)
    } catch (error) {
      child.kill('SIGKILL')
      throw error
    }
    return new Apicurio(child, url)
  }

  async register(subject: string, schema: string, schemaType = 'AVRO'): Promise<number> {
    const body = JSON.stringify({ schema, schemaType })
    const headers = { 'content-type': 'application/vnd.schemaregistry.v1+json' }
    const response = await fetch(`${this.url}/subjects/${subject}/versions`, { method: 'POST', headers, body })
    if (!response.ok) throw new Error(`registering was answered ${String(response.status)}: ${await response.text()}`)
    return ((await response.json()) as { readonly id: number }).id
  }

  async schemaOf(id: number): Promise<string> {
    const response = await fetch(`${this.url}/schemas/ids/${String(id)}`)
    return ((await response.json()) as { readonly schema: string }).schema
  }

  /** It takes connections, and answers nothing. */
  async away(): Promise<void> {
    this.child.kill('SIGSTOP')
    return Promise.resolve()
  }
  async back(): Promise<void> {
    this.child.kill('SIGCONT')
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('close', resolve))
    if (this.child.exitCode !== null) return
    this.child.kill('SIGKILL')
    await ended
  }
}
