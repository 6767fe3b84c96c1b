/** What grows with the size of a group, in counts and bytes: docs/scaling.md cites it. */
import { expect, it } from 'vitest'
import { DEFAULT_MAX_BATCH_BYTES, groupRecordBytes } from '../../../bench/group-record.js'
import { type Rebalance, SimulatedGroup } from '../../../bench/simulated-group.js'

const sum = (rebalances: readonly Rebalance[], of: (rebalance: Rebalance) => number): number =>
  rebalances.reduce((total, rebalance) => total + of(rebalance), 0)
const moved = (rebalances: readonly Rebalance[]): number => sum(rebalances, (rebalance) => rebalance.moved)
const newStandbys = (rebalances: readonly Rebalance[]): number => sum(rebalances, (rebalance) => rebalance.newStandbys)

async function started(workers: number, tasks: number, standbys: number): Promise<SimulatedGroup> {
  const group = new SimulatedGroup(tasks, standbys)
  group.join(workers)
  await group.settle()
  return group
}

it('a join, a stop and a death move one share of the tasks, however large the group is, in two rebalances', async () => {
  const group = await started(100, 1000, 0)
  const shares = (): number[] => [...new Set(group.active.map(({ length }) => length))].sort((a, b) => a - b)
  expect(shares()).toEqual([10])
  group.join(1)
  const joined = await group.settle()
  expect([moved(joined), newStandbys(joined)]).toEqual([9, 9])
  // One that warms up, one that moves, and one that changes nothing.
  expect(joined).toHaveLength(3)
  expect(shares()).toEqual([9, 10])
  group.stop(1)
  const stopped = await group.settle()
  expect([moved(stopped), newStandbys(stopped)]).toEqual([10, 10])
  expect(stopped).toHaveLength(3)
  group.kill(1)
  const died = await group.settle()
  expect(moved(died)).toBeLessThanOrEqual(11)
  expect(died.length).toBeLessThanOrEqual(3)
  expect(new Set(group.active.flat()).size).toBe(1000)
})

it('with standbys, a death moves its tasks to workers that have them, and a group comes to rest in four rebalances', async () => {
  const group = await started(100, 1000, 1)
  const [victim = []] = group.active
  const followers = new Map(group.following.flatMap((tasks, worker) => tasks.map((task) => [task, worker])))
  group.kill(1)
  const died = await group.settle()
  expect(moved(died)).toBeGreaterThanOrEqual(victim.length)
  expect(died.length).toBeLessThanOrEqual(4)
  const heirs = victim.map((task) => group.active.findIndex((tasks) => tasks.includes(task)) + 1)
  // The oldest is gone: worker n is at n - 1 now. At most one a worker moved on, for balance.
  expect(victim.filter((task, i) => followers.get(task) === heirs[i]).length).toBeGreaterThanOrEqual(victim.length - 1)
})

it.each([0, 1])(
  'what a worker says and is given depends on its own tasks alone, with %i standbys',
  async (standbys) => {
    const perWorker = async (workers: number): Promise<readonly number[]> => {
      const group = new SimulatedGroup(workers * 10, standbys)
      group.join(workers)
      const all = await group.settle()
      return [
        Math.max(...all.map(({ subscriptionBytes }) => subscriptionBytes)) / workers,
        Math.max(...all.map(({ assignmentBytes }) => assignmentBytes)) / workers,
      ]
    }
    const [[said = 0, given = 0], [saidByMore = 0, givenToMore = 0]] = [await perWorker(20), await perWorker(200)]
    // Names and numbers have a digit or two more, each time that they are written.
    expect(saidByMore - said).toBeLessThan(50)
    expect(givenToMore - given).toBeLessThan(150)
  },
)

it('a group of 400 workers with 4,000 tasks and a standby each fits into the record that Kafka takes', async () => {
  const group = new SimulatedGroup(4000, 1)
  group.join(400)
  const largest = Math.max(...(await group.settle()).map(({ recordBytes }) => recordBytes))
  expect(largest).toBeLessThan(DEFAULT_MAX_BATCH_BYTES)
})

it('a group of 100 workers with 200 tasks in 10 sub-topologies and a standby each takes a fifth of that', async () => {
  const group = new SimulatedGroup(200, 1, 10)
  group.join(100)
  const largest = Math.max(...(await group.settle()).map(({ recordBytes }) => recordBytes))
  expect(largest).toBeLessThan(DEFAULT_MAX_BATCH_BYTES / 5)
})

it("counts a group's record byte by byte", () => {
  const bytes = (assignment: number): number =>
    groupRecordBytes({
      id: 'g',
      protocolType: 'consumer',
      protocol: 'p',
      leader: 'm',
      members: [
        {
          memberId: 'm',
          clientId: 'c',
          clientHost: '/h',
          subscription: { length: 0 },
          assignment: { length: assignment },
        },
      ],
    })
  // Value: 2 + 10 + 4 + 3 + 3 + 8 + 4, and of the member 3 + 2 + 3 + 4 + 8 + 4 + 4. Key: 5. Then record and batch.
  expect(bytes(0)).toBe(61 + 2 + (4 + 1 + 5 + 1 + 62))
  // From 64 bytes on the value's own length takes two bytes.
  expect(bytes(2)).toBe(61 + 2 + (4 + 1 + 5 + 2 + 64))
})
