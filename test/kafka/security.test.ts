/**
 * TLS and SASL as they are configured: through the environment, against a broker that insists on them. And what a worker
 * keeps to itself there: its secrets, its files, its socket.
 */
import { execFileSync } from 'node:child_process'
import { lstatSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePorts } from '../../src/broker/free-ports.js'
import { brokerJars } from '../../src/broker/jars.js'
import { findJava, runTool } from '../../src/broker/java.js'
import { startBroker, type LocalBroker } from '../../src/broker/local-broker.js'
import { brokerProperties, propertiesText } from '../../src/broker/properties.js'
import { exitCodes } from '../../src/errors.js'
import { expectAllRejections } from '../support/all-rejections.js'
import { runCli } from '../support/cli.js'
import { kafkaVersion } from '../support/kafka-version.js'
import { APPLICATION, events, MarketSpreadBench, temporaryDirectory } from '../support/market-spread.js'
import { silentLogger } from '../support/silent-logger.js'

const PASSWORD = 'correct horse'
const SCRAM_PASSWORD = 'battery staple; Zürich'
const mechanisms = ['scram-sha-256', 'scram-sha-512'] as const
let broker: LocalBroker
let secured: string
let certificate: string

beforeAll(async () => {
  const directory = temporaryDirectory()
  const keystore = join(directory, 'broker.p12')
  certificate = join(directory, 'broker.pem')
  const store = ['-keystore', keystore, '-storepass', 'changeit', '-alias', 'broker']
  execFileSync('keytool', [
    ...['-genkeypair', '-keyalg', 'RSA', '-keysize', '2048', '-validity', '2', '-storetype', 'PKCS12'],
    ...['-dname', 'CN=127.0.0.1', '-ext', 'san=ip:127.0.0.1', ...store],
  ])
  execFileSync('keytool', ['-exportcert', '-rfc', '-file', certificate, ...store])
  const [port, controller, securePort] = await freePorts(3)
  if (port === undefined || controller === undefined || securePort === undefined) throw new Error('no free ports')
  secured = `127.0.0.1:${String(securePort)}`
  const listeners = `PLAINTEXT://127.0.0.1:${String(port)},SECURE://${secured}`
  const properties = {
    'controller.quorum.voters': `1@127.0.0.1:${String(controller)}`,
    listeners: `${listeners},CONTROLLER://127.0.0.1:${String(controller)}`,
    'advertised.listeners': listeners,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL',
    'sasl.enabled.mechanisms': ['PLAIN', ...mechanisms.map((name) => name.toUpperCase())].join(','),
    'listener.name.secure.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="${PASSWORD}";`,
    ...Object.fromEntries(
      mechanisms.map((name) => [
        `listener.name.secure.${name}.sasl.jaas.config`,
        'org.apache.kafka.common.security.scram.ScramLoginModule required;',
      ]),
    ),
    'ssl.keystore.type': 'PKCS12',
    'ssl.keystore.location': keystore,
    'ssl.keystore.password': 'changeit',
  }
  const dataDir = join(directory, 'kafka')
  await formatWithScramUser({ port, controllerPort: controller, logDir: join(dataDir, 'log'), properties })
  broker = await startBroker({ version: kafkaVersion, port, dataDir, logger: silentLogger, heap: '512m', properties })
})

/** SCRAM's users are records of the cluster's metadata: bob is there from its beginning. */
async function formatWithScramUser(settings: Parameters<typeof brokerProperties>[0]): Promise<void> {
  const jars = await brokerJars({ version: kafkaVersion, env: process.env, logger: silentLogger })
  const file = join(temporaryDirectory(), 'server.properties')
  writeFileSync(file, propertiesText(brokerProperties(settings)))
  const users = mechanisms.flatMap((name) => [
    '--add-scram',
    `${name.toUpperCase()}=[name=bob,password=${SCRAM_PASSWORD}]`,
  ])
  const tool = ['kafka.tools.StorageTool', 'format', '--cluster-id', 'p2-security-tests-bobQ', '--config', file]
  const flags = ['-Xmx256m', '-XX:+UseSerialGC', '-cp', join(jars, '*')]
  const { status, output } = await runTool(await findJava(process.env), [...flags, ...tool, ...users], process.env)
  if (status !== 0) throw new Error(`Kafka can't format ${settings.logDir}: ${output}`)
}

afterAll(async () => {
  await broker.stop()
})

const topics = (env: Readonly<Record<string, string>>) =>
  runCli(['topics', APPLICATION, '--topic-prefix', 'secured-'], { env: { KAFKA_BROKERS: secured, ...env } })
const tls = () => ({ KAFKA_SSL: 'true', KAFKA_SSL_CA: certificate })
const plain = { KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'alice', KAFKA_SASL_PASSWORD: PASSWORD }

const scram = (mechanism: string) => ({
  KAFKA_SASL_MECHANISM: mechanism,
  KAFKA_SASL_USERNAME: 'bob',
  KAFKA_SASL_PASSWORD: SCRAM_PASSWORD,
})

describe('TLS and SASL', () => {
  it('lets in who has the password, over TLS', async () => {
    const { code, stdout, stderr } = await topics({ ...tls(), ...plain })
    expect(code, stderr.join('\n')).toBe(exitCodes.ok)
    expect(stdout.join('\n')).toContain('secured-market-spread-symbol-changelog')
  })

  it.each(mechanisms)('lets in who has the password, with %s', async (mechanism) => {
    const { code, stdout, stderr } = await topics({ ...tls(), ...scram(mechanism) })
    expect(code, stderr.join('\n')).toBe(exitCodes.ok)
    expect(stdout.join('\n')).toContain('secured-market-spread-symbol-changelog')
  })

  it.each([
    ['plain', 'a wrong password', 'alice'],
    ['scram-sha-256', 'a wrong password', 'bob'],
    ['scram-sha-512', 'a user that SCRAM does not know', 'alice'],
  ])('refuses %s: %s, in one line and without the password', async (mechanism, _, user) => {
    const wrong = {
      KAFKA_SASL_MECHANISM: mechanism,
      KAFKA_SASL_USERNAME: user,
      KAFKA_SASL_PASSWORD: 'something else',
    }
    const { code, stderr } = await topics({ ...tls(), ...wrong })
    expect(code).toBe(exitCodes.broker)
    expect(stderr).toHaveLength(1)
    expect(stderr[0]).toMatch(new RegExp(`^error AUTHENTICATION_FAILED: .*${user}`))
    expect(stderr[0]).not.toContain('something else')
  })

  it('says so when the certificate is signed by nobody it trusts', async () => {
    const { code, stderr } = await topics({ KAFKA_SSL: 'true', ...plain })
    expect(code).toBe(exitCodes.broker)
    expect(stderr.at(-1)).toMatch(/^error BROKER_UNREACHABLE: .*(self-signed|certificate)/)
  })

  it.each([
    [{ KAFKA_SASL_MECHANISM: 'kerberos' }, 'KAFKA_SASL_MECHANISM'],
    [{ KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'alice' }, 'KAFKA_SASL_PASSWORD'],
    [{ KAFKA_SSL: 'true', KAFKA_SSL_CA: '/no/such/file' }, 'KAFKA_SSL_CA'],
  ])('names the variable that is wrong: %j', async (env, named) => {
    const { code, stderr } = await topics(env)
    expect(code).toBe(exitCodes.usage)
    expect(stderr[0]).toContain(named)
  })
})

/** `address:port`, in hexadecimal as Linux has it, of the TCP sockets on which a process listens. */
function listeningOf(pid: number): string[] {
  const process = `/proc/${String(pid)}`
  const links = readdirSync(`${process}/fd`).map((fd) => readlinkSync(`${process}/fd/${fd}`))
  const inodes = new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []))
  return ['tcp', 'tcp6'].flatMap((family) =>
    readFileSync(`${process}/net/${family}`, 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      // Local address, remote address, state (0A: listening); the tenth is the inode.
      .flatMap(([, local = '', , state, , , , , , inode = '']) => (state === '0A' && inodes.has(inode) ? [local] : [])),
  )
}

/** 127.0.0.1 */
const LOOPBACK = /^0100007F:/
const TOKEN = 'a-token-of-these-tests'

describe('a worker', () => {
  it('keeps its secrets out of its log, its files from other users, its socket from other machines', async () => {
    const bench = new MarketSpreadBench({
      brokers: broker.brokers,
      env: { KAFKA_BROKERS: secured, POTOROO_PEER_TOKEN: TOKEN, ...tls(), ...scram('scram-sha-512') },
    })
    await bench.createTopics(2)
    await bench.feed(events(1000, 41))
    // Each finds the other, gives it copies, and takes over from it.
    const workers = ['w1', 'w2'].map((name) => bench.worker(name, '--log-level', 'debug'))
    for (const worker of workers) await worker.line(/task is active/)
    await bench.feed(events(1000, 42))
    await bench.settled()

    for (const { pid, stateDir } of workers) {
      const listening = listeningOf(pid)
      expect(listening).not.toEqual([])
      expect(listening.filter((address) => !LOOPBACK.test(address))).toEqual([])
      const files = readdirSync(stateDir, { recursive: true, encoding: 'utf8' })
      expect(files.join()).toContain('data.mdb')
      for (const name of ['', ...files]) {
        const status = lstatSync(join(stateDir, name))
        // The lock: it has nothing in it.
        if (!status.isSocket()) expect(status.mode & 0o077, name).toBe(0)
      }
    }
    await expectAllRejections(bench)

    for (const worker of workers) worker.kill('SIGTERM')
    for (const worker of workers) expect((await worker.exited).code).toBe(0)
    for (const { stdout, stderr } of workers) {
      const said = [...stdout, ...stderr].join('\n')
      expect(said).toContain('"level":20')
      for (const secret of [SCRAM_PASSWORD, TOKEN]) expect(said).not.toContain(secret)
    }
    await bench.close()
  })
})
