/**
 * A Dockerfile carried out without an engine. Each step is a layer over this machine's own root file system, which stands for
 * the base image's; in it instructions do what an engine would do. What comes of it runs as in a container: its entry point is
 * process 1 of a process namespace, the root file system is read-only, only volumes can be written to, no capability is left.
 *
 * The machine has to be of the base image's distribution. Needs Linux, root, and overlayfs.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { Copy, DockerfileParser, From, type Instruction, JSONInstruction } from 'dockerfile-ast'
import { afterAll } from 'vitest'
import { temporaryFolder } from './temporary.js'
import { until } from './until.js'

interface Image {
  /** What it has over the distribution, uppermost first. */
  readonly layers: readonly string[]
  readonly workingDirectory: string
  readonly environment: Readonly<Record<string, string>>
  /** `uid:gid` */
  readonly user: string
  readonly volumes: readonly string[]
  readonly entryPoint: readonly string[]
  readonly command: readonly string[]
}

/** The folder that is sent to the engine. */
export interface Context {
  readonly folder: string
  /** What of it is sent, .dockerignore applied. */
  readonly files: readonly string[]
}

export interface RunOptions {
  /** Instead of CMD. */
  readonly args?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

export interface Container {
  /** Of its process 1, as this machine counts. */
  readonly pid: number
  readonly stdout: readonly string[]
  readonly stderr: readonly string[]
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  line(pattern: RegExp, timeoutMs?: number): Promise<string>
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** What an engine passes on to a build, and how npm finds its registry here. */
const isForBuilds = (name: string): boolean =>
  /^(https?_proxy|no_proxy|npm_config_(registry|cafile)|ssl_cert_file|node_extra_ca_certs)$/i.test(name)
/** Whatever is mounted goes with them. */
const NAMESPACES = ['--mount', '--pid', '--fork', '--kill-child']

export class Images {
  readonly #disk = temporaryFolder()
  readonly #images = new Map<string, Image>()
  readonly #containers: ChildProcess[] = []
  #folders = 0

  constructor() {
    // A layer must not lie inside of what it lies over, which is all of this machine.
    try {
      execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', this.#disk], { stdio: 'pipe' })
    } catch (cause) {
      throw new Error('This test mounts file systems: run it as root, or in a container that may', { cause })
    }
    afterAll(async () => {
      for (const container of this.#containers) container.kill('SIGKILL')
      await until('the containers have ended', () =>
        this.#containers.every(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null),
      )
      execFileSync('umount', ['-l', this.#disk])
    })
  }

  /** Images that were built before are known by their names. */
  build(name: string, dockerfile: string, context: Context): Image {
    const defaults = new Map<string, string>()
    const stages = new Map<string, Image>()
    let stage = ''
    for (const instruction of DockerfileParser.parse(dockerfile).getInstructions()) {
      const before = stages.get(stage)
      if (instruction.getKeyword() === 'ARG') {
        const [variable = '', value = ''] = argumentsOf(instruction)[0]?.split('=') ?? []
        defaults.set(variable, value)
      } else if (instruction instanceof From) {
        const image = (instruction.getImage() ?? '').replace(
          /\$\{(\w+)\}/g,
          (_, variable: string) => defaults.get(variable) ?? '',
        )
        stage = instruction.getBuildStage() ?? 'last'
        stages.set(stage, this.#images.get(image) ?? this.#base(image))
      } else if (before === undefined) throw new Error(`${instruction.getKeyword()} stands in front of FROM`)
      else stages.set(stage, this.#next(before, instruction, stages, context))
    }
    const last = stages.get(stage)
    if (last === undefined) throw new Error(`the Dockerfile of ${name} has no stage`)
    this.#images.set(name, last)
    return last
  }

  /** Starts it as an engine does with `--read-only`. Each run has volumes of its own. */
  async run(name: string, { args, environment = {} }: RunOptions = {}): Promise<Container> {
    const image = this.#images.get(name)
    if (image === undefined) throw new Error(`there is no image ${name}`)
    const root = this.#folder()
    const [uid = '0', gid = uid] = image.user.split(':')
    const child = this.#inNamespaces(
      [
        `mount -t overlay overlay -o lowerdir=${[...image.layers, '/'].join(':')} ${root}`,
        ...mountsOfSystem(root),
        ...image.volumes.map((volume) => `mount --bind ${this.#volume(image, volume)} ${root}${volume}`),
        `exec chroot ${root} setpriv --reuid ${uid} --regid ${gid} --clear-groups --no-new-privs --bounding-set=-all ` +
          `--inh-caps=-all env -i -C ${image.workingDirectory} "$@"`,
      ],
      [...assignments({ PATH, ...image.environment, ...environment }), ...image.entryPoint, ...(args ?? image.command)],
    )
    this.#containers.push(child)
    return containerOf(child, image.entryPoint[0] ?? '')
  }

  #base(image: string): Image {
    const [, release, codename] = /^node:(\d+)-(\w+)-slim$/.exec(image) ?? []
    if (release === undefined || codename === undefined) throw new Error(`${image} is no base image that is known here`)
    if (!readFileSync('/etc/os-release', 'utf8').includes(`VERSION_CODENAME=${codename}\n`))
      throw new Error(`${image} is Debian ${codename}, and this machine is not: run this test on one that is`)
    const layers = [this.#node(release)]
    return {
      layers,
      workingDirectory: '/',
      environment: {},
      user: '0:0',
      volumes: [],
      entryPoint: [],
      command: ['node'],
    }
  }

  /** What a base image has beside its distribution: Node. npm is this machine's. */
  #node(release: string): string {
    const [layer, installed] = [this.#folder(), this.#folder()]
    const packageName = `node-${process.platform}-${process.arch}`
    execFileSync('npm', ['install', '--silent', '--no-save', '--prefix', installed, `${packageName}@${release}`])
    cpSync(join(installed, 'node_modules', packageName, 'bin/node'), join(layer, 'usr/local/bin/node'))
    return layer
  }

  #next(image: Image, instruction: Instruction, stages: ReadonlyMap<string, Image>, context: Context): Image {
    const keyword = instruction.getKeyword()
    const [first = ''] = argumentsOf(instruction)
    if (keyword === 'RUN') return over(image, this.#runStep(image, instruction.getRawArgumentsContent() ?? ''))
    if (instruction instanceof Copy) return over(image, this.#copyStep(image, instruction, stages, context))
    if (keyword === 'WORKDIR') return { ...image, workingDirectory: join(image.workingDirectory, first) }
    if (keyword === 'USER') return { ...image, user: first }
    if (keyword === 'VOLUME') return { ...image, volumes: [...image.volumes, ...argumentsOf(instruction)] }
    if (keyword === 'ENV')
      return {
        ...image,
        environment: { ...image.environment, ...Object.fromEntries(argumentsOf(instruction).map(pairOf)) },
      }
    if (keyword === 'ENTRYPOINT') return { ...image, entryPoint: wordsOf(instruction), command: [] }
    if (keyword === 'CMD') return { ...image, command: wordsOf(instruction) }
    if (keyword === 'EXPOSE') return image
    throw new Error(`${keyword} can't be carried out here`)
  }

  /** Returns the layer with what it wrote. */
  #runStep(image: Image, command: string): string {
    const [layer, work, root] = [this.#folder(), this.#folder(), this.#folder()]
    const lower = [...image.layers, '/'].join(':')
    const passedOn = Object.fromEntries(Object.entries(process.env).filter(([name]) => isForBuilds(name)))
    const script = [
      `mount -t overlay overlay -o lowerdir=${lower},upperdir=${layer},workdir=${work} ${root}`,
      ...mountsOfSystem(root),
      `mkdir -p ${root}${image.workingDirectory}`,
      `exec chroot ${root} env -i -C ${image.workingDirectory} "$@"`,
    ]
    const variables = assignments({ PATH, HOME: '/root', ...passedOn, ...image.environment })
    try {
      execFileSync('unshare', unshared(script, [...variables, '/bin/sh', '-c', command]), { stdio: 'pipe' })
    } catch (cause) {
      if (!(cause instanceof Error && 'stdout' in cause && 'stderr' in cause)) throw cause
      throw new Error(`RUN ${command}: ${String(cause.stdout)}${String(cause.stderr)}`, { cause })
    }
    return layer
  }

  /** Returns the layer with the copies. */
  #copyStep(image: Image, copy: Copy, stages: ReadonlyMap<string, Image>, context: Context): string {
    const layer = this.#folder()
    const words = argumentsOf(copy)
    const [sources, target = ''] = [words.slice(0, -1), words.at(-1)]
    const from = copy.getFromFlag()?.getValue()
    const into = join(layer, target.startsWith('/') ? '' : image.workingDirectory, target)
    for (const source of sources) {
      const found = join(sourceFolder(from, stages, context, source), source).replace(/\/$/, '')
      const filter = from === undefined || from === null ? sentOf(context) : () => true
      if (!filter(found)) throw new Error(`${source} is not among what is sent to the engine`)
      const isFile = statSync(found).isFile()
      cpSync(found, isFile && target.endsWith('/') ? join(into, basename(found)) : into, {
        recursive: true,
        verbatimSymlinks: true,
        filter,
      })
    }
    return layer
  }

  /** A new one has the owner and the mode that the image has there. */
  #volume(image: Image, path: string): string {
    const folder = this.#folder()
    const { uid, gid, mode } = statSync(inLayers(image, path))
    chownSync(folder, uid, gid)
    chmodSync(folder, mode)
    return folder
  }

  #inNamespaces(script: readonly string[], args: readonly string[]): ChildProcess {
    return spawn('unshare', unshared(script, args), { stdio: ['ignore', 'pipe', 'pipe'] })
  }

  #folder(): string {
    const folder = join(this.#disk, String(this.#folders++))
    mkdirSync(folder)
    return folder
  }
}

const over = (image: Image, layer: string): Image => ({ ...image, layers: [layer, ...image.layers] })

/** The uppermost that there is. */
function inLayers(image: Image, path: string): string {
  const found = image.layers.map((layer) => join(layer, path)).find((file) => existsSync(file))
  if (found === undefined) throw new Error(`there is no ${path} in the image`)
  return found
}

function sourceFolder(
  from: string | null | undefined,
  stages: ReadonlyMap<string, Image>,
  context: Context,
  source: string,
): string {
  if (from === undefined || from === null) return context.folder
  const stage = stages.get(from)
  if (stage === undefined) throw new Error(`there is no stage ${from}`)
  return inLayers(stage, source).slice(0, -source.length)
}

/** Whether a file or folder of the context is sent, or anything in it. */
function sentOf({ folder, files }: Context): (path: string) => boolean {
  const sent = files.map((file) => join(folder, file))
  return (path) => sent.some((file) => file === path || file.startsWith(`${path}/`))
}

const argumentsOf = (instruction: Instruction): string[] => {
  const words = instruction.getArguments().map((argument) => argument.getValue())
  // Flags come first.
  return words.filter((word) => !word.startsWith('--'))
}

/** Of `["a", "b"]`. The form of a shell starts one, which would keep the signals to itself. */
function wordsOf(instruction: Instruction): string[] {
  const words = instruction instanceof JSONInstruction ? instruction.getJSONStrings() : []
  if (words.length === 0) throw new Error(`${instruction.getKeyword()} is to be a JSON array`)
  return words.map((word) => JSON.parse(word.getValue()) as string)
}

const pairOf = (text: string): readonly [string, string] => {
  const at = text.indexOf('=')
  return [text.slice(0, at), text.slice(at + 1)]
}

const assignments = (variables: Readonly<Record<string, string>>): string[] =>
  Object.entries(variables).map(([name, value]) => `${name}=${value}`)

const mountsOfSystem = (root: string): string[] => [`mount --rbind /dev ${root}/dev`, `mount -t proc proc ${root}/proc`]

const unshared = (script: readonly string[], args: readonly string[]): string[] => [
  ...NAMESPACES,
  'sh',
  '-ec',
  script.join('\n'),
  'sh',
  ...args,
]

/** Resolves when process 1 is what the image starts, and no longer what makes its surroundings. */
async function containerOf(child: ChildProcess, entryPoint: string): Promise<Container> {
  const [stdout, stderr] = [linesOf(child.stdout), linesOf(child.stderr)]
  const exited = new Promise<Awaited<Container['exited']>>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      resolve({ code, signal })
    })
  })
  const said = (): string => [...stdout, ...stderr].join('\n')
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null
  const pid = await until(`${entryPoint} is process 1`, () => {
    if (hasEnded()) throw new Error(`the container ended at once: ${said()}`)
    const first = processOneOf(child.pid ?? 0)
    return first !== undefined && readIfThere(`/proc/${String(first)}/cmdline`).split('\0')[0] === entryPoint && first
  })
  return {
    pid,
    stdout,
    stderr,
    exited,
    line: (pattern, timeoutMs) =>
      until(
        `a line like ${String(pattern)}`,
        () => {
          const found = [...stdout, ...stderr].find((line) => pattern.test(line))
          if (found === undefined && hasEnded())
            throw new Error(`ended without a line like ${String(pattern)}: ${said()}`)
          return found
        },
        timeoutMs,
      ),
  }
}

/** The only child of `unshare`. */
function processOneOf(unshare: number): number | undefined {
  const [first = ''] = readIfThere(`/proc/${String(unshare)}/task/${String(unshare)}/children`).split(' ')
  return first === '' ? undefined : Number(first)
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function linesOf(stream: Readable | null): string[] {
  const lines: string[] = []
  if (stream !== null) createInterface({ input: stream }).on('line', (line) => lines.push(line))
  return lines
}
