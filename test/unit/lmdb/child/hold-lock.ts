/** Tries to lock the directory; says `held` and stays, or the error's code. */
import { lockDirectory } from '../../../../src/lmdb/lock.js'
import { isPotorooError } from '../../../../src/errors.js'

const [directory = '', worker = ''] = process.argv.slice(2)
try {
  await lockDirectory({ directory, worker, now: Date.now })
  process.stdout.write('held\n')
  setInterval(() => undefined, 60_000)
} catch (error) {
  process.stdout.write(`${isPotorooError(error) ? error.code : String(error)}\n`)
}
