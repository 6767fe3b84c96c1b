#!/usr/bin/env node
import { watchParent } from './parent.js'
import { StopSignals } from './signals.js'

const args = process.argv.slice(2)
const isRun = args.find((arg) => !arg.startsWith('-')) === 'run'
const signals = new StopSignals(process, isRun)
watchParent(process, () => {
  // Ctrl-C in a terminal comes to all of them: the shell's end is no second signal.
  if (!signals.received) signals.receive('SIGTERM')
})

// All else is loaded behind the handlers.
const { commandLine } = await import('./command-line.js')
await commandLine(args, signals, isRun)
