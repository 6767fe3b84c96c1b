#!/usr/bin/env node
import { StopSignals } from './signals.js'

const args = process.argv.slice(2)
const isRun = args.find((arg) => !arg.startsWith('-')) === 'run'
const signals = new StopSignals(process, isRun)

// All else is loaded behind the handlers.
const { commandLine } = await import('./command-line.js')
await commandLine(args, signals, isRun)
