import type { StatusReport } from '../../../../src/cli/status/report.js'

export const reportWith = (some: Partial<StatusReport>): StatusReport => ({
  application: 'app',
  group: 'app',
  atMs: 1_000,
  state: 'stable',
  describedMsAgo: 0,
  workers: [],
  tasks: [],
  topics: [],
  handOffs: [],
  ...some,
})
