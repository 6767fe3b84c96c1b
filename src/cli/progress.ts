/**
 * A progress bar on a terminal, where the package that draws it is installed; nothing elsewhere. Lines that are printed meanwhile
 * stand above it.
 */
import type { Writable } from 'node:stream'
import { printable } from './printable.js'

export interface Progress {
  /** Bytes of input read, and lines taken. */
  update(bytes: number, lines: number): void
  /** Writes a line of its own. */
  print(line: string): void
  stop(): void
}

const libraryOfBars = () => import('cli-progress').catch(() => undefined)

export async function progressOn(
  stream: Writable & { readonly isTTY?: boolean },
  totalBytes: number | undefined,
  load = libraryOfBars,
): Promise<Progress> {
  const library = stream.isTTY === true ? await load() : undefined
  if (library === undefined)
    return {
      update: () => undefined,
      print: (line) => void stream.write(`${printable(line)}\n`),
      stop: () => undefined,
    }
  const { SingleBar } = library.default
  const format =
    totalBytes === undefined
      ? '{lines} lines, {duration_formatted}'
      : '{bar} {percentage}%, {lines} lines, {eta_formatted} left'
  const bar = new SingleBar({ format, stream, hideCursor: true, clearOnComplete: true, barsize: 30 })
  bar.start(totalBytes ?? 0, 0, { lines: 0 })
  return {
    update: (bytes, lines) => {
      bar.update(bytes, { lines: lines.toLocaleString('en') })
    },
    print: (line) => {
      stream.write(`\r\u001b[2K${printable(line)}\n`)
      bar.render()
    },
    stop: () => {
      bar.stop()
    },
  }
}
