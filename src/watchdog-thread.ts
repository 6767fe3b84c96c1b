/** The thread of a watchdog: src/kafka/watchdog.ts says what it is for. */
import { Session } from 'node:inspector'
import { parentPort, workerData } from 'node:worker_threads'
import { LOOK_MS, Vigil } from './core/processing/vigil.js'
import { messageOf } from './errors.js'
import { systemClock } from './system.js'
import type { GroupClient, Membership } from './ports/log.js'
import type { Logger } from './ports/logger.js'
import { ENDING, type ThreadData, type ThreadSays, words } from './kafka/watchdog.js'

const { shared, connection, group, ...bounds } = workerData as ThreadData
const vigil = new Vigil(bounds)
let membership: Membership | undefined
let client: Promise<GroupClient> | undefined
let isAsking = false

const say = (what: ThreadSays): void => {
  parentPort?.postMessage(what)
}

parentPort?.on('message', (told: Membership | undefined) => {
  membership = told
})

setInterval(() => {
  const run = Atomics.load(shared, words.RUN)
  const beats = Atomics.load(shared, words.BEATS)
  const isRunning = run > 0
  const { isOverdue, isTooLong, heartbeat } = vigil.look(systemClock.monotonic(), {
    run: isRunning ? run : undefined,
    beats,
  })
  if (isRunning && isOverdue) Atomics.store(shared, words.OVERDUE, run)
  const isDebugged = Atomics.load(shared, words.DEBUGGED) === 1
  if (isRunning && isTooLong && !isDebugged && Atomics.compareExchange(shared, words.RUN, run, ENDING) === run) endRun()
  if (heartbeat) void beat()
}, LOOK_MS)

/** Ends what the event loop is at: it continues with what comes next, which is our message. */
function endRun(): void {
  const session = new Session()
  session.connectToMainThread()
  session.post('Runtime.terminateExecution', (error) => {
    session.disconnect()
    // It may wait for its end where it has returned meanwhile.
    Atomics.store(shared, words.RUN, 0)
    Atomics.notify(shared, words.RUN)
    say(error === null ? { ended: true } : { debug: error.message })
  })
}

async function beat(): Promise<void> {
  if (membership === undefined || isAsking) return
  isAsking = true
  try {
    client ??= connect()
    await (await client).heartbeat(membership)
  } catch (error) {
    // What it is answered is for the worker to find out.
    say({ debug: messageOf(error) })
  }
  isAsking = false
}

/** All that it takes is loaded when it is needed first, which may be never. */
async function connect(): Promise<GroupClient> {
  const { createKafkaLog } = await import('./kafka/log.js')
  const silent = (): void => undefined
  const logger: Logger = { debug: silent, info: silent, warn: silent, error: silent }
  const log = createKafkaLog({ ...connection, clock: systemClock, logger })
  try {
    await log.connect()
    return log.group(group)
  } catch (error) {
    client = undefined
    await log.close()
    throw error
  }
}
