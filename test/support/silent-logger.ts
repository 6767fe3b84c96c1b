import type { Logger } from '../../src/ports/logger.js'
import type { Observer } from '../../src/ports/observer.js'

const ignore = (): void => undefined

export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }

export const silentObserver: Observer = { observe: ignore }
